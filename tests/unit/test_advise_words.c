// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule of thumb for a pool's size, and the advice in the words of the libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ask/advise.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define NOW_NS (1000 * NS_PER_S)

/* A minute of at most 100 queries/s, each of 50 ms: five at work, and five for what is not even. */
static struct demand usual(void)
{
	return (struct demand){
		.since_ns = NOW_NS - 60 * NS_PER_S,
		.queries = 3000,
		.peak_per_s = 100,
		.rtt_n = 3000,
		.rtt_us = 3000ULL * 50000,
		.in_use_max = 6,
		.open_max = 20,
		.idle_max = 17,
		.ended = 40,
	};
}

static void as_many_as_are_at_work_and_as_many_again(void **state)
{
	struct demand d = usual();
	struct advice a = advise(&d, NOW_NS);

	(void)state;
	assert_true(a.enough);
	assert_int_equal(a.max_open, 10);
	assert_int_equal(a.max_idle, 5);
	assert_int_equal(a.max_idle_least, 5);
	assert_int_equal(a.lifetime_s, 3600);
	assert_int_equal(a.lifetime_least_s, 1800);
	/* The time in the server counts as the way there does: 62.5 ms each, 12.5 in all. */
	d.busy_s = 3000 * 0.0125;
	assert_int_equal(advise(&d, NOW_NS).max_open, 13);
}

/* Four processes with a connection each are asked as much as one with four. */
static void workers_are_advised_together(void **state)
{
	struct demand one = {
		.since_ns = NOW_NS - 60 * NS_PER_S, .queries = 750, .peak_per_s = 25, .rtt_n = 750,
		.rtt_us = 750ULL * 40000, .in_use_max = 1, .open_max = 1, .full_s = 50,
	};
	struct demand all = one;
	struct advice a;

	(void)state;
	for (int i = 0; i < 3; i++)
		demand_add(&all, &one);
	a = advise(&all, NOW_NS);
	assert_int_equal(a.max_open, 8);
	assert_int_equal(all.in_use_max, 4);
	/* That each of them was full says nothing of a limit of all. */
	assert_int_equal(advise_guess(&all, NOW_NS).max_open, 0);
}

static void never_fewer_than_were_in_use_nor_than_two(void **state)
{
	struct demand d = usual();

	(void)state;
	d.in_use_max = 13;
	assert_int_equal(advise(&d, NOW_NS).max_open, 13);
	assert_int_equal(advise(&d, NOW_NS).max_idle_least, 7);
	d.in_use_max = 1;
	d.peak_per_s = 3;
	assert_int_equal(advise(&d, NOW_NS).max_open, 2);
	assert_int_equal(advise(&d, NOW_NS).max_idle, 1);
	d.peak_per_s = 1e12;
	assert_int_equal(advise(&d, NOW_NS).max_open, UINT32_MAX);
}

static void nothing_is_said_of_what_was_hardly_seen(void **state)
{
	struct demand few = usual(), fresh = usual(), unmeasured = usual(), still = usual();
	struct advice a[4];

	(void)state;
	few.queries = 99;
	fresh.since_ns = NOW_NS - 10 * NS_PER_S + 1;
	unmeasured.rtt_n = 0;
	still.peak_per_s = 0;
	a[0] = advise(&few, NOW_NS);
	a[1] = advise(&fresh, NOW_NS);
	a[2] = advise(&unmeasured, NOW_NS);
	a[3] = advise(&still, NOW_NS);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		assert_false(a[i].enough);
		assert_int_equal(a[i].max_open, 0);
		assert_int_equal(a[i].lifetime_s, 0);
	}
	few.queries = 100;
	fresh.since_ns = NOW_NS - 10 * NS_PER_S;
	assert_true(advise(&few, NOW_NS).enough);
	assert_true(advise(&fresh, NOW_NS).enough);
}

/* Thrown away young, and dialled again: it keeps fewer idle ones than it needs. */
static void who_throws_connections_away_may_keep_all(void **state)
{
	struct demand d = usual();

	(void)state;
	d.ended_young = 20;
	assert_int_equal(advise(&d, NOW_NS).max_idle, 10);
	assert_int_equal(advise(&d, NOW_NS).max_idle_least, 5);
	assert_int_equal(advise_guess(&d, NOW_NS).max_idle, 17);
	/* Not most of them; and too few of them. */
	d.ended_young = 19;
	assert_int_equal(advise(&d, NOW_NS).max_idle, 5);
	assert_int_equal(advise_guess(&d, NOW_NS).max_idle, 0);
	d.ended = d.ended_young = 9;
	assert_int_equal(advise(&d, NOW_NS).max_idle, 5);
}

static void a_limit_shows_where_all_are_in_use(void **state)
{
	struct demand d = usual();

	(void)state;
	assert_int_equal(advise_guess(&d, NOW_NS).max_open, 0);
	d.full_s = 1;
	assert_int_equal(advise_guess(&d, NOW_NS).max_open, 20);
	d.open_max = 1;
	assert_int_equal(advise_guess(&d, NOW_NS).max_open, 0);
	d.open_max = 20;
	d.since_ns = NOW_NS - 10 * NS_PER_S + 1;
	assert_int_equal(advise_guess(&d, NOW_NS).max_open, 0);
}

static void who_is_older_than_any_advice_lives_for_ever(void **state)
{
	struct demand d = usual();

	(void)state;
	d.oldest_ns = 3960 * NS_PER_S;
	assert_false(advise_guess(&d, NOW_NS).unlimited_life);
	d.oldest_ns++;
	assert_true(advise_guess(&d, NOW_NS).unlimited_life);
}

static void a_process_tells_its_library(void **state)
{
	static const struct {
		const char *comm, *exe_name;
		enum library library;
	} rows[] = {
		{ "java", "java", LIBRARY_HIKARICP },
		{ "gunicorn", "python3.11", LIBRARY_SQLALCHEMY },
		{ "server", "node", LIBRARY_NODE_POSTGRES },
		{ "php-fpm", "php-fpm8.2", LIBRARY_PHP_FPM },
		{ "pool www", "php-fpm8.2", LIBRARY_PHP_FPM },
		{ "php-fpm: pool w", "php", LIBRARY_PHP_FPM },
		{ "php", "php8.2", LIBRARY_MAX },
		{ "shop", "shop", LIBRARY_MAX },
		{ "java", "", LIBRARY_MAX },
		{ "", "", LIBRARY_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (library_of(rows[i].comm, rows[i].exe_name) != rows[i].library)
			fail_msg("%s of %s", rows[i].comm, rows[i].exe_name);
}

/* Each in its own unit: minutes, milliseconds, seconds. */
static void each_library_is_told_in_its_own_words(void **state)
{
	static const struct {
		enum library library;
		const char *name, *settings;
	} rows[] = {
		{ LIBRARY_DATABASE_SQL, "database/sql",
		  "db.SetMaxOpenConns(10); db.SetMaxIdleConns(7); "
		  "db.SetConnMaxLifetime(30 * time.Minute)" },
		{ LIBRARY_HIKARICP, "HikariCP",
		  "maximumPoolSize=10 minimumIdle=7 maxLifetime=1800000" },
		{ LIBRARY_SQLALCHEMY, "SQLAlchemy",
		  "create_engine(..., pool_size=7, max_overflow=3, pool_recycle=1800)" },
		{ LIBRARY_NODE_POSTGRES, "node-postgres",
		  "new Pool({ max: 10, maxLifetimeSeconds: 1800, idleTimeoutMillis: 60000 })"
		  " (it keeps no number of idle ones, but each for that time)" },
		{ LIBRARY_PHP_FPM, "PHP-FPM",
		  "pm.max_children = 10, pm.max_spare_servers = 7, pm.max_requests so "
		  "that a worker lives some 30 min (each worker has its own connection)" },
	};
	const struct advice a = {
		.max_open = 10,
		.max_idle = 7,
		.max_idle_least = 5,
		.lifetime_s = 3600,
		.lifetime_least_s = 1800,
	};
	char text[256];

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), LIBRARY_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		library_settings(rows[i].library, &a, text, sizeof(text));
		assert_string_equal(text, rows[i].settings);
		assert_string_equal(library_name(rows[i].library), rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_are_at_work_and_as_many_again),
		cmocka_unit_test(workers_are_advised_together),
		cmocka_unit_test(never_fewer_than_were_in_use_nor_than_two),
		cmocka_unit_test(nothing_is_said_of_what_was_hardly_seen),
		cmocka_unit_test(who_throws_connections_away_may_keep_all),
		cmocka_unit_test(a_limit_shows_where_all_are_in_use),
		cmocka_unit_test(who_is_older_than_any_advice_lives_for_ever),
		cmocka_unit_test(a_process_tells_its_library),
		cmocka_unit_test(each_library_is_told_in_its_own_words),
	};

	return cmocka_run_group_tests_name("advise_words", tests, NULL, NULL);
}
