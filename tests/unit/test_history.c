// SPDX-License-Identifier: GPL-2.0-or-later
/* What a pool did over time: which dials count, what they passed by, growth and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "history_kit.h"

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now_ns = START;
	return 0;
}

static struct conn *work(struct conn *c, uint64_t queries)
{
	c->queries += queries;
	c->last_ns = w.now_ns;
	return c;
}

static void hang_up(struct conn *c)
{
	const struct ended e = {
		.cookie = c->cookie,
		.slot = c->slot,
		.opened_ns = c->opened_ns,
		.last_ns = c->last_ns,
		.queries = c->queries,
		.adopted = c->adopted,
	};

	history_ended(&w.history, &w.pasts[c->slot], &e, w.now_ns);
	c->cookie = 0;
	w.open--;
}

/* A thread that has dialled before, and a pool that is a minute old. */
static void live(void)
{
	(void)work(dial(1), 30);
	pass(60 * NS_PER_S);
	assert_int_equal(w.history.used_count, 0);
}

static void a_dial_that_is_put_to_work_is_an_occasion(void **state)
{
	(void)state;
	live();
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 1);
	assert_int_equal(w.history.unused_count, 0);
	/* One that is not is another kind of occasion, once it has waited. */
	(void)dial(1);
	pass(NS_PER_S - LOOK_NS);
	assert_int_equal(w.history.unused_count, 0);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 1);
	assert_int_equal(w.history.unused_count, 1);
}

static void a_threads_first_dial_may_be_one_of_its_own(void **state)
{
	(void)state;
	live();
	(void)work(dial(2), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 0);
	(void)work(dial(2), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 1);
}

static void what_ended_is_replaced_within_a_minute(void **state)
{
	(void)state;
	live();
	hang_up(work(&w.conns[0], 1));
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 0);
	/* One for each that ended, and not for ever. */
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 1);
	hang_up(&w.conns[1]);
	pass(60 * NS_PER_S);
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 2);
}

/* Five, one after the other: so many queries within 40 ms, and the next dial soon after. */
static void dial_in_a_row(uint64_t queries)
{
	for (int i = 0; i < 5; i++) {
		struct conn *c = dial(1);

		w.now_ns += 40 * NS_PER_MS;
		(void)work(c, queries);
		w.now_ns += 30 * NS_PER_MS;
	}
	pass(2 * NS_PER_S);
}

/* One set up, and the next dialled right behind it: a pool that is being filled. */
static void a_fill_is_no_occasion(void **state)
{
	(void)state;
	live();
	dial_in_a_row(6);
	assert_int_equal(w.history.used_count, 1);
}

static void more_than_a_set_up_is_no_fill(void **state)
{
	(void)state;
	live();
	dial_in_a_row(7);
	assert_int_equal(w.history.used_count, 5);
}

static void what_is_older_than_we_are_was_not_seen_to_be_dialled(void **state)
{
	(void)state;
	live();
	work(dial(1), 1)->adopted = true;
	work(dial(1), 1)->uncertain = true;
	work(dial(1), 1)->listens = true;
	for (int i = 0; i < 2; i++) {
		(void)work(dial(0), 1);		/* by nobody we know */
		pass(NS_PER_S);
	}
	pass(10 * NS_PER_S);
	assert_int_equal(w.history.used_count, 0);
}

/* Dialled past: by how many, since when, and by none that came too soon after its rest. */
static void an_idle_one_is_passed_by(void **state)
{
	struct conn *c = &w.conns[0];
	uint64_t first_ns;

	(void)state;
	live();
	first_ns = w.now_ns;
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(c->overtaken, 1);
	assert_int_equal(c->overtaken_ns, first_ns);
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(c->overtaken, 2);
	assert_int_equal(c->overtaken_ns, first_ns);
	assert_int_equal(history_overtaken(&w.history, first_ns), 1);
	/* Back at work: nobody has passed it by. */
	(void)work(c, 1);
	w.now_ns += 100 * NS_PER_MS;
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(c->overtaken, 0);
	assert_true(w.history.woke_after_ns > 60 * NS_PER_S);
}

/* A dial after an end pays for that end, however late. */
static void no_more_often_than_the_pool_has_grown(void **state)
{
	struct conn *other;

	(void)state;
	live();
	other = work(dial(1), 1);
	pass(61 * NS_PER_S);
	hang_up(other);
	pass(61 * NS_PER_S);
	(void)work(dial(1), 1);
	pass(NS_PER_S);
	assert_int_equal(w.history.used_count, 2);
	assert_int_equal(w.conns[0].overtaken, 1);
}

/* Each left idle, dialled past, and the new one left as well. */
static void what_is_lost_one_after_another_is_a_chain(void **state)
{
	uint64_t second_ns;

	(void)state;
	live();
	(void)work(dial(1), 1);
	pass(5 * NS_PER_S);
	second_ns = w.now_ns;
	for (int i = 0; i < 3; i++) {
		(void)work(dial(1), 1);
		pass(5 * NS_PER_S);
	}
	assert_int_equal(history_chain(&w.history, 0, w.now_ns), 4);
	/* Overtaken no later, dialled no sooner. */
	assert_int_equal(history_chain(&w.history, 0, START + 62 * NS_PER_S), 1);
	assert_int_equal(history_chain(&w.history, second_ns, w.now_ns), 2);
}

/* All lie there from the start: one dial passes all of them by, none of them its like. */
static void side_by_side_is_no_chain(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 6; i++)
		(void)work(dial(1), 30);
	pass(60 * NS_PER_S);
	for (int i = 0; i < 4; i++) {
		struct conn *c = work(dial(1), 1);

		pass(5 * NS_PER_S);
		(void)work(c, 1);
	}
	assert_true(history_overtaken(&w.history, w.now_ns) >= 6);
	assert_int_equal(history_chain(&w.history, 0, START + 61 * NS_PER_S), 1);
}

static void growth_is_beyond_the_most_of_ten_minutes(void **state)
{
	uint32_t before = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)work(dial(1), 30);
	pass(605 * NS_PER_S);
	assert_false(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
	for (int i = 0; i < 49; i++)
		(void)dial(1);
	pass(10 * NS_PER_S);
	assert_false(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
	(void)dial(1);
	pass(NS_PER_S);
	assert_true(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
	assert_int_equal(before, 10);
	/* It has as many still, or has not grown. */
	hang_up(&w.conns[20]);
	pass(5 * NS_PER_S);
	assert_false(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
	(void)dial(1);
	pass(NS_PER_S);
	assert_true(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
	/* Not what was before that time; and not of a minute ago. */
	assert_false(history_grew(&w.history, w.now_ns + NS_PER_S, 30 * NS_PER_S, 50, &before));
	pass(120 * NS_PER_S);
	assert_false(history_grew(&w.history, 0, 30 * NS_PER_S, 50, &before));
}

static void of_what_grew_the_lives_are_known(void **state)
{
	(void)state;
	live();
	work(dial(1), 1)->last_ns += 2 * NS_PER_S;
	(void)dial(1);
	pass(10 * NS_PER_S);
	assert_int_equal(w.history.new_count, 2);
	assert_int_equal(w.history.new_lives_ns, 2 * NS_PER_S);
	assert_int_equal(w.history.new_newest_ns, START + 60 * NS_PER_S);
	pass(60 * NS_PER_S);
	assert_int_equal(w.history.new_count, 0);
}

static void thrown(uint64_t from_ns, uint32_t all, uint32_t of_brief_life)
{
	uint32_t ended, brief;

	history_thrown(&w.history, from_ns, w.now_ns + NS_PER_S, &ended, &brief);
	assert_int_equal(ended, all);
	assert_int_equal(brief, of_brief_life);
}

static void ends_are_counted_and_brief_lives(void **state)
{
	uint64_t before_ns;

	(void)state;
	pass(10 * NS_PER_S);
	hang_up(work(dial(1), 5));
	hang_up(work(dial(1), 6));	/* more than a little */
	hang_up(dial(1));		/* nothing at all */
	thrown(0, 3, 1);
	(void)work(dial(1), 1);
	pass(5 * NS_PER_S);
	hang_up(work(&w.conns[0], 1));	/* for too long */
	work(dial(1), 1)->adopted = true;
	hang_up(&w.conns[0]);		/* nobody knows how long */
	thrown(0, 5, 1);
	before_ns = w.now_ns;
	pass(10 * NS_PER_S);
	hang_up(work(dial(1), 1));
	thrown(before_ns + NS_PER_S, 1, 1);
	thrown(0, 6, 2);
	pass(301 * NS_PER_S);
	thrown(0, 0, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_dial_that_is_put_to_work_is_an_occasion),
		TEST(a_threads_first_dial_may_be_one_of_its_own),
		TEST(what_ended_is_replaced_within_a_minute),
		TEST(a_fill_is_no_occasion),
		TEST(more_than_a_set_up_is_no_fill),
		TEST(what_is_older_than_we_are_was_not_seen_to_be_dialled),
		TEST(an_idle_one_is_passed_by),
		TEST(no_more_often_than_the_pool_has_grown),
		TEST(what_is_lost_one_after_another_is_a_chain),
		TEST(side_by_side_is_no_chain),
		TEST(growth_is_beyond_the_most_of_ten_minutes),
		TEST(of_what_grew_the_lives_are_known),
		TEST(ends_are_counted_and_brief_lives),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
