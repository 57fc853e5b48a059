// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools that dial ahead of need: which moves of a thread tell that what it had was not free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "history_kit.h"

/* Twenty connections of pool 1, as old as the program. */
static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_ns = START;
	w.history.moves.tell = true;
	for (uint32_t i = 0; i < 20; i++) {
		struct conn *c = dial(1);

		c->bag = 1;
		c->queries = c->sender_queries = 2;
		c->sender_seen_ns = w.now_ns;
		w.now_ns += NS_PER_MS;
	}
	pass(60 * NS_PER_S);
	assert_int_equal(w.history.used_count, 0);
	return 0;
}

/* Asked so many things by this thread, for so long, and looked at. */
static void ask(uint32_t n, uint32_t thread, uint64_t queries, uint64_t ns)
{
	struct conn *c = &w.conns[n];
	uint64_t since_ns = c->borrower == thread ? c->borrowed_ns : w.now_ns;

	w.now_ns += ns;
	c->queries += queries;
	c->last_ns = w.now_ns;
	conn_apply_sender(c, thread, thread, since_ns);
	pass(LOOK_NS - ns);
}

static void use(uint32_t n, uint32_t thread)
{
	ask(n, thread, 3, 50 * NS_PER_MS);
}

static uint32_t overtaken(uint32_t n)
{
	pass(3 * LOOK_NS);
	return w.conns[n].overtaken;
}

/* How many there are that were deserted and not taken up again. */
static uint32_t lost(void)
{
	pass(3 * LOOK_NS);
	return history_overtaken(&w.history, w.now_ns);
}

static void who_gets_another_than_it_had_had_not_given_it_back(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		use(i, 100);
		pass(NS_PER_S);
	}
	assert_int_equal(overtaken(0), 4);
	assert_int_equal(overtaken(3), 1);
	assert_int_equal(overtaken(4), 0);
	assert_int_equal(overtaken(5), 0);
	assert_int_equal(history_chain(&w.history, 0, w.now_ns), 4);
	assert_int_equal(history_overtaken(&w.history, w.now_ns), 4);
	/* It works on with what it has. */
	for (int i = 0; i < 50; i++) {
		use(4, 100);
		pass(NS_PER_S);
	}
	assert_int_equal(overtaken(0), 4);
}

static void what_threads_lose_adds_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		use(i, 100 + i);
	pass(NS_PER_S);
	for (uint32_t i = 0; i < 4; i++) {
		use(4 + i, 100 + i);
		pass(NS_PER_S);
	}
	assert_int_equal(overtaken(0), 4);
	assert_int_equal(overtaken(3), 1);
	assert_int_equal(overtaken(4), 0);
}

static void who_gets_what_it_had_is_no_occasion(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		use(3, 100);
		pass(NS_PER_S);
	}
	assert_int_equal(w.history.used_count, 0);
}

static void in_one_go_they_may_be_borrowed_together(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		use(i, 100);
	pass(10 * NS_PER_S);
	use(5, 100);
	pass(10 * NS_PER_S);
	use(6, 100);
	assert_int_equal(overtaken(0), 0);
	assert_int_equal(overtaken(4), 0);
	assert_int_equal(overtaken(5), 1);
	assert_int_equal(w.history.used_count, 1);
}

/* The oldest that is free is taken first: who takes one tells nothing of those that are younger. */
static void an_older_one_is_no_occasion(void **state)
{
	(void)state;
	use(9, 100);
	pass(NS_PER_S);
	use(2, 100);
	pass(NS_PER_S);
	assert_int_equal(overtaken(9), 0);
	assert_int_equal(w.history.used_count, 0);
	/* But it was deserted, and when a still younger one is taken it was not free. */
	use(12, 100);
	assert_int_equal(overtaken(2), 1);
	assert_int_equal(overtaken(9), 1);
	assert_int_equal(overtaken(10), 0);
}

static void for_an_older_one_it_may_come_back(void **state)
{
	(void)state;
	use(0, 100);
	pass(NS_PER_S);
	use(1, 100);
	use(9, 200);
	pass(NS_PER_S);
	use(2, 200);
	pass(NS_PER_S);
	use(9, 200);
	assert_int_equal(overtaken(0), 1);
	assert_int_equal(w.history.used_count, 1);
}

static void an_occasion_counts_for_those_that_are_older(void **state)
{
	(void)state;
	use(8, 200);
	use(1, 100);
	pass(NS_PER_S);
	use(2, 100);
	use(9, 200);
	pass(NS_PER_S);
	assert_int_equal(overtaken(1), 2);
	assert_int_equal(overtaken(8), 1);
}

static void of_another_pool_it_says_nothing(void **state)
{
	(void)state;
	w.conns[6].bag = 2;
	use(0, 100);
	pass(NS_PER_S);
	use(6, 100);
	assert_int_equal(overtaken(0), 0);
	use(8, 100);
	assert_int_equal(overtaken(0), 1);
	assert_int_equal(overtaken(6), 0);
}

static void nor_does_one_that_may_be_of_none(void **state)
{
	(void)state;
	w.conns[7].bag = 0;
	use(0, 100);
	pass(NS_PER_S);
	use(7, 100);
	pass(NS_PER_S);
	use(8, 100);
	assert_int_equal(overtaken(0), 0);
	assert_int_equal(overtaken(7), 0);
	assert_int_equal(w.history.used_count, 0);
}

/* The application's own thread dialled it: it may be of the pool. */
static void what_it_began_with_tells_that_loans_lay_within_loans(void **state)
{
	(void)state;
	w.conns[0].bag = 0;
	for (uint32_t i = 0; i < 8; i++) {
		use(i, 100);
		pass(NS_PER_S);
	}
	assert_int_equal(overtaken(0), 0);
	assert_int_equal(overtaken(1), 6);
	use(0, 100);
	assert_int_equal(overtaken(1), 0);
	assert_int_equal(w.history.used_count, 0);
}

static void another_thread_is_no_sign(void **state)
{
	(void)state;
	use(0, 100);
	pass(NS_PER_S);
	use(1, 101);
	pass(NS_PER_S);
	use(2, 0);	/* one that does not borrow for itself, or is not known */
	pass(NS_PER_S);
	assert_int_equal(overtaken(0), 0);
	assert_int_equal(w.history.used_count, 0);
}

/* Somebody sees to it that connections stay alive, one after another. */
static void a_ping_is_no_loan(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		ask(i, 100, 1, 0);
		pass(NS_PER_S);
		assert_in_range(lost(), 0, 1);
	}
}

/* A warm-up: each is asked one thing, with a ping before that, and kept. */
static void who_asks_each_of_them_one_thing_collects_them(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		ask(i, 100, 2, 50 * NS_PER_MS);
		pass(NS_PER_S);
		assert_in_range(lost(), 0, 1);
	}
	/* Then those that it had before are not lost either. */
	use(8, 200);
	pass(NS_PER_S);
	use(9, 200);
	assert_int_equal(overtaken(8), 1);
	pass(NS_PER_S);
	ask(10, 200, 2, 50 * NS_PER_MS);
	assert_int_equal(overtaken(8), 2);
	pass(NS_PER_S);
	use(11, 200);
	assert_int_equal(overtaken(8), 0);
	assert_int_equal(overtaken(9), 0);
	assert_int_equal(overtaken(10), 1);
}

static void it_does_not_where_others_were_in_between(void **state)
{
	(void)state;
	use(8, 200);
	pass(NS_PER_S);
	use(9, 200);
	pass(NS_PER_S);
	use(9, 300);
	pass(NS_PER_S);
	ask(9, 200, 2, 50 * NS_PER_MS);
	pass(NS_PER_S);
	use(10, 200);
	assert_int_equal(overtaken(8), 2);
	assert_int_equal(overtaken(9), 1);
}

static void two_things_at_once_are_one(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		ask(i, 100, 5, 10 * NS_PER_MS);
		pass(NS_PER_S);
		assert_in_range(lost(), 0, 1);
	}
}

static void what_comes_back_was_free_and_makes_the_pool_doubtful(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		use(i, 100);
		pass(NS_PER_S);
	}
	assert_int_equal(overtaken(1), 3);
	use(0, 100);
	assert_int_equal(overtaken(1), 0);
	assert_int_equal(w.history.used_count, 0);
	/* For ten minutes nothing is an occasion. */
	for (uint32_t i = 5; i < 10; i++) {
		use(i, 100);
		pass(60 * NS_PER_S);
	}
	assert_int_equal(w.history.used_count, 0);
	pass(600 * NS_PER_S);
	use(10, 200);
	pass(NS_PER_S);
	use(11, 200);
	assert_int_equal(overtaken(10), 1);
	assert_int_equal(overtaken(1), 0);
}

static void dials_are_no_occasions_here(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		w.conns[w.open] = w.conns[0];
		w.conns[w.open].cookie = 100 + i;
		w.conns[w.open].opened_ns = w.conns[w.open].last_ns = w.now_ns;
		w.open++;
		pass(10 * NS_PER_S);
	}
	assert_int_equal(w.history.used_count, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_gets_another_than_it_had_had_not_given_it_back),
		TEST(what_threads_lose_adds_up),
		TEST(who_gets_what_it_had_is_no_occasion),
		TEST(in_one_go_they_may_be_borrowed_together),
		TEST(an_older_one_is_no_occasion),
		TEST(for_an_older_one_it_may_come_back),
		TEST(an_occasion_counts_for_those_that_are_older),
		TEST(of_another_pool_it_says_nothing),
		TEST(nor_does_one_that_may_be_of_none),
		TEST(what_it_began_with_tells_that_loans_lay_within_loans),
		TEST(another_thread_is_no_sign),
		TEST(a_ping_is_no_loan),
		TEST(who_asks_each_of_them_one_thing_collects_them),
		TEST(it_does_not_where_others_were_in_between),
		TEST(two_things_at_once_are_one),
		TEST(what_comes_back_was_free_and_makes_the_pool_doubtful),
		TEST(dials_are_no_occasions_here),
	};

	return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
