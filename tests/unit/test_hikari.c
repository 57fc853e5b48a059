// SPDX-License-Identifier: GPL-2.0-or-later
/* HikariCP's threads, and those that borrow from it, by their names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/hikari.h"

static void who_dials_says_for_which_pool(void **state)
{
	(void)state;
	assert_int_not_equal(hikari_dials_for("HikariPool-1 co"), 0);
	assert_int_equal(hikari_dials_for("HikariPool-1 co"), hikari_dials_for("HikariPool-1 co"));
	assert_int_not_equal(hikari_dials_for("HikariPool-1 co"),
			     hikari_dials_for("HikariPool-2 co"));
	assert_int_not_equal(hikari_dials_for("HikariPool-1 co"),
			     hikari_dials_for("HikariPool-12 c"));
	assert_int_not_equal(hikari_dials_for("orders connecti"), 0);
	assert_int_not_equal(hikari_dials_for("db connection a"), 0);
	assert_int_not_equal(hikari_dials_for("orders connecti"),
			     hikari_dials_for("stocks connecti"));
}

static void others_do_not_say(void **state)
{
	static const char *const names[] = {
		"", "main", "java", "http-nio-8080-e", "HikariPool-1 ho", "HikariPool-", "HikariPool-x co",
		"HikariPool-123 ", "HikariPool-1234", "HikariPool-1", "HikariPool-1 c", " connection add",
		"orders-database", "shop-database c", "db connection", "db connectionpo", "db connection b",
		"HikariP..keeper", "HikariP..closer", "commons-pool-ev", "C3P0PooledConne", "Druid-Connectio",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (hikari_dials_for(names[i]))
			fail_msg("'%s' says nothing", names[i]);
}

static void of_names_cut_in_the_middle_only_one_pool_is_known(void **state)
{
	char keeper[16] = "";

	(void)state;
	assert_true(hikari_is_cut("HikariP.. adder", keeper));
	assert_string_equal(keeper, "HikariP..keeper");
	assert_int_not_equal(hikari_dials_for("HikariP.. adder"), 0);
	assert_int_not_equal(hikari_dials_for("HikariP.. adder"),
			     hikari_dials_for("orders-.. adder"));
	assert_false(hikari_is_cut("HikariPool-1 co", keeper));
	assert_false(hikari_is_cut("HikariP..keeper", keeper));
	assert_false(hikari_is_cut("", keeper));
	assert_string_equal(keeper, "HikariP..keeper");
}

static void the_applications_threads_borrow(void **state)
{
	static const char *const own[] = {
		"HikariPool-1 co", "HikariPool-1 ho", "HikariPool-12 h", "orders housekee", "db connection a",
		"HikariP.. adder", "HikariP..keeper",
		/* Carriers of virtual threads, before JDK 22 and since. */
		"ForkJoinPool-1-", "ForkJoi..rker-3",
	};
	static const char *const names[] = {
		"main", "java", "http-nio-8080-e", "scheduling-1", "HikariPool", "connection", "housekeeper",
		"pool-1-thread-1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (hikari_may_borrow(own[i]))
			fail_msg("'%s' does not borrow", own[i]);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!hikari_may_borrow(names[i]))
			fail_msg("'%s' borrows", names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_dials_says_for_which_pool),
		cmocka_unit_test(others_do_not_say),
		cmocka_unit_test(of_names_cut_in_the_middle_only_one_pool_is_known),
		cmocka_unit_test(the_applications_threads_borrow),
	};

	return cmocka_run_group_tests_name("hikari", tests, NULL, NULL);
}
