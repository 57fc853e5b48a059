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
	jvm_count(&t, "VM Thread", 1);
	jvm_count(&t, "GC Thread#13", 10);
	jvm_count(&t, "GC task thread#", 100);
	assert_int_equal(t.collecting, 111);
	assert_int_equal(t.working, 0);
	jvm_count(&t, "VM Periodic Tas", 5);
	jvm_count(&t, "C2 CompilerThre", 5);
	jvm_count(&t, "G1 Conc#0", 5);
	assert_int_equal(t.working, 0);
	jvm_count(&t, "main", 1);
	jvm_count(&t, "HikariPool-1 ho", 2);
	jvm_count(&t, "java", 4);
	jvm_count(&t, "", 8);
	assert_int_equal(t.working, 15);
	assert_int_equal(t.collecting, 111);
}

static void only_a_collection_that_stops_all_is_a_pause(void **state)
{
	const struct jvm_times before = { 1000, 5000 };
	static const struct {
		struct jvm_times after;
		bool pause;
	} rows[] = {
		{ { 1100, 5000 }, true },
		{ { 1050, 5000 }, true },
		{ { 1200, 5001 }, true },	/* a tick on the way into it */
		{ { 1049, 5000 }, false },	/* less than half of the second */
		{ { 1100, 5002 }, false },	/* somebody worked */
		{ { 1000, 5000 }, false },	/* it waits: that is the leak */
		{ { 1000, 5100 }, false },
		{ { 1100, 4000 }, false },	/* a thread ended, nobody knows what the others did */
		{ { 900, 5000 }, false },
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
