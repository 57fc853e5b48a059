// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools that have no connection at the moment keep what is known of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "level/lately.h"

static struct levels levels;

static int setup(void **state)
{
	(void)state;
	return levels_init(&levels, 8);
}

static int teardown(void **state)
{
	(void)state;
	levels_done(&levels);
	return 0;
}

/* A pool of process `pid` that remembers so many dials. */
static struct pool pool(uint32_t pid, uint64_t dials)
{
	return (struct pool){
		.pid = pid,
		.start_ticks = 9,
		.endpoint.port = 5432,
		.user = "app",
		.database = "shop",
		.history.used_count = dials,
	};
}

/* A connection of it. */
static struct conn conn(uint32_t pid)
{
	return (struct conn){
		.pid = pid,
		.start_ticks = 9,
		.remote.port = 5432,
		.user = "app",
		.database = "shop",
	};
}

/* What its pool is given when `c` is the first again: so many dials. */
static uint64_t taken(const struct conn *c)
{
	struct history h = { .used_count = 1000 };

	lately_take(&levels, c, &h);
	return h.used_count;
}

#define NOTHING 1000

static void a_pool_goes_on_where_it_left(void **state)
{
	struct pool p = pool(7, 3), q = pool(8, 5);
	struct conn c = conn(7), d = conn(8);

	(void)state;
	lately_keep(&levels, &p);
	lately_keep(&levels, &q);
	assert_int_equal(taken(&c), 3);
	assert_int_equal(taken(&d), 5);
	/* It has it again, so it is kept no more. */
	assert_int_equal(taken(&c), NOTHING);
}

static void another_pool_inherits_nothing(void **state)
{
	struct conn others[] = { conn(8), conn(7), conn(7), conn(7), conn(7) };
	struct pool p = pool(7, 3);

	(void)state;
	others[1].start_ticks = 10;
	others[2].remote.port = 5433;
	strcpy(others[3].user, "root");
	strcpy(others[4].database, "blog");
	lately_keep(&levels, &p);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(taken(&others[i]), NOTHING);
}

static void nobodys_pool_is_not_kept(void **state)
{
	struct pool p = pool(0, 3);
	struct conn c = conn(0);

	(void)state;
	lately_keep(&levels, &p);
	assert_int_equal(levels.lately_next, 0);
	assert_int_equal(taken(&c), NOTHING);
}

static void of_too_many_the_oldest_goes(void **state)
{
	struct conn first = conn(1), second = conn(2), last = conn(LATELY + 1);

	(void)state;
	for (uint32_t pid = 1; pid <= LATELY + 1; pid++) {
		struct pool p = pool(pid, pid);

		lately_keep(&levels, &p);
	}
	assert_int_equal(taken(&first), NOTHING);
	assert_int_equal(taken(&second), 2);
	assert_int_equal(taken(&last), LATELY + 1);
}

/* A program that opens one for each query: each came and went between two looks. */
static void who_was_never_seen_alive_has_a_history_too(void **state)
{
	struct ended e = {
		.pid = 7,
		.start_ticks = 9,
		.uid = 33,
		.remote.port = 5432,
		.user = "app",
		.database = "shop",
		.comm = "haproxy",
	};
	struct conn key = conn(7);
	struct history *h = lately_of(&levels, &e, &key);
	const struct pool *p = &levels.lately[0];

	(void)state;
	assert_ptr_equal(h, &p->history);
	assert_int_equal(p->uid, 33);
	assert_int_equal(p->gear, 1);
	assert_string_equal(p->comm, "haproxy");
	assert_true(p->forwards);
	assert_false(h->moves.tell);
	h->used_count = 4;
	/* The next of it finds the same one. */
	assert_ptr_equal(lately_of(&levels, &e, &key), h);
	assert_int_equal(taken(&key), 4);
	assert_int_equal(lately_of(&levels, &e, &key)->used_count, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pool_goes_on_where_it_left),
		TEST(another_pool_inherits_nothing),
		TEST(nobodys_pool_is_not_kept),
		TEST(of_too_many_the_oldest_goes),
		TEST(who_was_never_seen_alive_has_a_history_too),
	};

	return cmocka_run_group_tests_name("lately", tests, NULL, NULL);
}
