// SPDX-License-Identifier: GPL-2.0-or-later
/* What a Java process does, by its threads' names and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/jvm.h"

#define S 1000000000ULL

static void who_collects_and_who_works(void **state)
{
	struct jvm_times t = { 0 };

	(void)state;
	jvm_count(&t, "VM Thread", 1, 0);
	jvm_count(&t, "GC Thread#13", 10, 0);
	jvm_count(&t, "GC task thread#", 100, 0);
	assert_int_equal(t.collecting_ns, 111);
	assert_int_equal(t.working_ns, 0);
	jvm_count(&t, "VM Periodic Tas", 5, 0);
	jvm_count(&t, "C2 CompilerThre", 5, 0);
	jvm_count(&t, "G1 Conc#0", 5, 0);
	assert_int_equal(t.working_ns, 0);
	jvm_count(&t, "main", 1, 0);
	jvm_count(&t, "HikariPool-1 ho", 2, 0);
	jvm_count(&t, "java", 4, 0);
	jvm_count(&t, "", 8, 0);
	assert_int_equal(t.working_ns, 15);
	/* To wait for a processor is to collect, but not to work. */
	jvm_count(&t, "main", 0, 500);
	assert_int_equal(t.working_ns, 15);
	jvm_count(&t, "GC Thread#0", 0, 500);
	t.collecting_ns -= 500;
	assert_int_equal(t.collecting_ns, 111);
}

static void only_a_collection_that_stops_all_is_a_pause(void **state)
{
	const struct jvm_times before = { 10 * S, 50 * S };
	static const struct {
		struct jvm_times after;
		bool pause;
	} rows[] = {
		{ { 11 * S, 50 * S }, true },
		{ { 12 * S, 50 * S }, true },	/* two collectors, or one that waits for its turn */
		{ { 10 * S + S / 2, 50 * S }, true },
		{ { 11 * S, 50 * S + S / 50 }, true },	/* on the way into it */
		{ { 10 * S + S / 2 - 1, 50 * S }, false },
		{ { 11 * S, 50 * S + S / 49 }, false },	/* somebody worked */
		{ { 10 * S, 50 * S }, false },	/* it waits: that is the leak */
		{ { 10 * S, 51 * S }, false },
		{ { 11 * S, 40 * S }, false },	/* a thread ended, nobody knows what the others did */
		{ { 9 * S, 50 * S }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(jvm_is_collecting(&before, &rows[i].after, S), rows[i].pause);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_collects_and_who_works),
		cmocka_unit_test(only_a_collection_that_stops_all_is_a_pause),
	};

	return cmocka_run_group_tests_name("jvm", tests, NULL, NULL);
}
