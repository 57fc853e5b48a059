// SPDX-License-Identifier: GPL-2.0-or-later
/* What pools say, held against the connections that are seen; and what levels make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gopools/match.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define CAPACITY 64
#define NOW	 (1000 * NS_PER_S)

static struct conns conns;
static struct levels levels;
static struct conn *of_process[CAPACITY];
static uint8_t lending[CAPACITY], member[CAPACITY];
static struct handle_reading readings[4];
static struct home homes[4];
static struct match m;

static int setup(void **state)
{
	(void)state;
	m = (struct match){
		.of_process = of_process, .lending = lending, .member = member, .read_ns = NOW,
	};
	memset(member, 0, sizeof(member));
	memset(readings, 0, sizeof(readings));
	memset(homes, 0, sizeof(homes));
	return conns_init(&conns, CAPACITY, "0000") || levels_init(&levels, CAPACITY);
}

static int teardown(void **state)
{
	(void)state;
	conns_done(&conns);
	levels_done(&levels);
	return 0;
}

/* An idle connection to 127.0.0.1:`server`, from the port 40000 + its number. */
static struct conn *add_conn(uint16_t server, const char *database)
{
	uint32_t n = m.count;
	struct slot s = {
		.gen = 1, .cookie = 100 + n, .phase = PHASE_READY, .protocol = WIRE_POSTGRESQL,
		.status = 'I', .tcp_state = 1, .tgid = 7, .start_ticks = 1,
		.lport = (uint16_t)(40000 + n), .rport = server, .last_ns = NOW,
	};
	struct conn *c;

	s.laddr[15] = s.raddr[15] = 1;
	c = conns_apply_slot(&conns, n, &s);
	(void)snprintf(c->database, sizeof(c->database), "%s", database);
	of_process[m.count++] = c;
	return c;
}

static struct handle_reading *add_handle(uint32_t open)
{
	uint32_t n = m.handle_count++;

	readings[n] = (struct handle_reading){ .state = HANDLE_READ, .open = open };
	m.handles[n] = (struct match_handle){ &readings[n], &homes[n] };
	return &readings[n];
}

static void add_free(struct handle_reading *r, const struct conn *c)
{
	r->free[r->free_count++] = (struct handle_conn){
		.socket = GO_SOCKET_TCP, .local = c->local, .remote = c->remote,
	};
}

static void rest_is_lent_when_the_sum_is_right(void **state)
{
	struct conn *a = add_conn(5432, "shop"), *b = add_conn(5432, "shop");
	struct handle_reading *r;

	(void)state;
	(void)b;
	add_conn(5432, "shop");
	r = add_handle(3);
	r->max_open = 5;
	r->wait_count = 4;
	add_free(r, a);
	match_run(&m);
	assert_true(m.agreed);
	assert_int_equal(lending[0], LENDING_FREE);
	assert_int_equal(lending[1], LENDING_LENT);
	assert_int_equal(lending[2], LENDING_LENT);
	assert_int_equal(m.word_count, 1);
	assert_int_equal(m.words[0].word.open, 3);
	assert_int_equal(m.words[0].word.idle, 1);
	assert_int_equal(m.words[0].word.max_open, 5);
	assert_int_equal(m.words[0].word.wait_count, 4);
	assert_int_equal(m.words[0].word.handles[0].max_idle, 2);
	/* Again, with nothing free: where it belongs is remembered. */
	r->free_count = 0;
	match_run(&m);
	assert_int_equal(m.word_count, 1);
	assert_int_equal(lending[0], LENDING_LENT);
}

static void nothing_is_lent_when_it_is_not(void **state)
{
	struct conn *a = add_conn(5432, "shop");
	struct handle_reading *r = add_handle(1);

	(void)state;
	add_conn(5432, "shop");	/* one beside the pool */
	add_free(r, a);
	match_run(&m);
	assert_false(m.agreed);
	assert_int_equal(lending[0], LENDING_FREE);
	assert_int_equal(lending[1], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 1);	/* its own connection is known */
	r->open = 3;		/* two that are being dialled */
	match_run(&m);
	assert_int_equal(lending[1], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 0);
}

static void members_are_lent_beside_others(void **state)
{
	struct conn *a = add_conn(5432, "shop"), *b = add_conn(5432, "shop");
	struct handle_reading *r = add_handle(2);

	(void)state;
	add_conn(5432, "shop");	/* one beside the pool */
	add_free(r, a);
	match_run(&m);
	assert_int_equal(lending[1], LENDING_UNKNOWN);	/* which of the two is the pool's? */
	add_free(r, b);
	match_run(&m);
	assert_int_equal(m.word_count, 1);
	r->free_count = 0;
	match_run(&m);
	assert_false(m.agreed);
	assert_int_equal(lending[0], LENDING_LENT);
	assert_int_equal(lending[1], LENDING_LENT);
	assert_int_equal(lending[2], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 1);
	/* One that is being dialled: the sum of all is right by chance. */
	r->open = 3;
	match_run(&m);
	assert_int_equal(lending[2], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 0);
	/* Had it been opened after what was read, it could be the pool's. */
	member[2] = 0;
	r->open = 2;
	m.read_ns = 0;
	match_run(&m);
	assert_int_equal(member[2], 0);
	r->open = 3;
	match_run(&m);
	assert_int_equal(lending[2], LENDING_LENT);
}

static void nothing_is_lent_while_a_free_one_is_not_found(void **state)
{
	struct conn *a = add_conn(5432, "shop");
	struct handle_reading *r = add_handle(2);

	(void)state;
	add_conn(5432, "shop");
	add_free(r, a);
	add_free(r, a);
	r->free[1].local.port = 1;
	match_run(&m);
	assert_false(m.agreed);
	assert_int_equal(lending[1], LENDING_UNKNOWN);
	r->free[1].socket = GO_SOCKET_UNKNOWN;
	match_run(&m);
	assert_false(m.agreed);
	r->free_count = 1;
	r->state = HANDLE_UNSTEADY;
	match_run(&m);
	assert_int_equal(lending[1], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 0);
}

static void each_pool_for_itself(void **state)
{
	struct conn *a = add_conn(5432, "shop"), *b = add_conn(5433, "shop");
	struct handle_reading *first, *second;

	(void)state;
	add_conn(5433, "shop");
	add_conn(5432, "shop");	/* beside the first pool */
	first = add_handle(2);
	second = add_handle(2);
	add_conn(5432, "shop");
	add_free(first, a);
	add_free(second, b);
	match_run(&m);
	assert_false(m.agreed);
	assert_int_equal(lending[2], LENDING_LENT);
	assert_int_equal(lending[3], LENDING_UNKNOWN);
	assert_int_equal(m.word_count, 1);
	assert_int_equal(m.words[0].cookie, b->cookie);
}

static void two_handles_of_one_pool_are_added(void **state)
{
	struct conn *a = add_conn(5432, "shop"), *b = add_conn(5432, "shop");
	struct handle_reading *first = add_handle(2), *second = add_handle(1);

	(void)state;
	add_conn(5432, "shop");
	add_free(first, a);
	add_free(second, b);
	first->max_open = 4;
	second->max_open = 2;
	match_run(&m);
	assert_true(m.agreed);
	assert_int_equal(m.words[0].word.handle_count, 2);
	assert_int_equal(m.words[0].word.open, 3);
	assert_int_equal(m.words[0].word.max_open, 6);
	second->max_open = 0;	/* unlimited */
	match_run(&m);
	assert_int_equal(m.words[0].word.max_open, 0);
}

static void the_last_without_a_home_finds_one(void **state)
{
	struct conn *a = add_conn(5432, "shop");
	struct handle_reading *first;

	(void)state;
	add_conn(5433, "stock");
	add_conn(5433, "stock");
	first = add_handle(1);
	add_handle(2);		/* all of its connections are lent */
	add_free(first, a);
	match_run(&m);
	assert_true(m.agreed);
	assert_int_equal(m.word_count, 2);
	assert_int_equal(lending[1], LENDING_LENT);
	/* Two of them may belong to either: the connections are lent, the words are nobody's. */
	homes[0] = homes[1] = (struct home){ 0 };
	first->free_count = 0;
	match_run(&m);
	assert_true(m.agreed);
	assert_int_equal(m.word_count, 0);
}

static void other_sockets_do_not_count(void **state)
{
	struct conn *a = add_conn(5432, "shop");
	struct handle_reading *unix_pool = add_handle(3), *r = add_handle(1);

	(void)state;
	(void)a;
	unix_pool->free_count = 1;
	unix_pool->free[0].socket = GO_SOCKET_OTHER;
	match_run(&m);
	assert_true(m.agreed);
	assert_int_equal(lending[0], LENDING_LENT);
	assert_int_equal(m.word_count, 1);
	add_free(r, a);
	match_run(&m);
	assert_int_equal(lending[0], LENDING_FREE);
}

static void levels_count_by_the_word(void **state)
{
	struct conn *a = add_conn(5432, "shop"), *b = add_conn(5432, "shop");
	const struct pool_word word = { .known = true, .max_open = 9, .wait_count = 3 };
	const struct pool *p;

	(void)state;
	add_conn(5432, "shop");
	levels_update(&levels, &conns, NOW);
	p = levels_of(&levels, a);
	assert_int_equal(p->idle, 3);
	conns_apply_lending(&conns, a->cookie, LENDING_LENT, NOW, NOW);
	conns_apply_lending(&conns, b->cookie, LENDING_FREE, NOW, NOW);
	levels_apply_word(&levels, a, &word);
	levels_update(&levels, &conns, NOW);
	assert_int_equal(p->in_use, 1);
	assert_int_equal(p->idle, 2);
	assert_int_equal(p->word.max_open, 9);
	assert_int_equal(p->line, 9);
	b->activity = ACTIVITY_BUSY;	/* borrowed since it was said to be free */
	levels_forget_words(&levels);	/* and nobody says anything any more */
	levels_update(&levels, &conns, NOW);
	assert_int_equal(p->in_use, 2);
	assert_false(p->word.known);
	assert_int_equal(p->line, 9);	/* it does not jump for that */
}

static void lent_since_the_first_reading(void **state)
{
	struct conn *a = add_conn(5432, "shop");

	(void)state;
	conns_apply_lending(&conns, a->cookie, LENDING_LENT, NOW, NOW);
	conns_apply_lending(&conns, a->cookie, LENDING_LENT, NOW + 5, NOW + 5);
	assert_int_equal(a->lent_ns, NOW);
	conns_apply_lending(&conns, a->cookie, LENDING_FREE, NOW + 6, NOW + 6);
	assert_int_equal(a->lent_ns, 0);
	conns_apply_lending(&conns, a->cookie, LENDING_LENT, NOW + 7, NOW + 7);
	assert_int_equal(a->lent_ns, NOW + 7);
	conns_apply_lending(&conns, 12345, LENDING_LENT, NOW, NOW);	/* nobody */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rest_is_lent_when_the_sum_is_right),
		TEST(nothing_is_lent_when_it_is_not),
		TEST(members_are_lent_beside_others),
		TEST(nothing_is_lent_while_a_free_one_is_not_found),
		TEST(each_pool_for_itself),
		TEST(two_handles_of_one_pool_are_added),
		TEST(the_last_without_a_home_finds_one),
		TEST(other_sockets_do_not_count),
		TEST(levels_count_by_the_word),
		TEST(lent_since_the_first_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
