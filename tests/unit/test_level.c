// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools, the window of round trips, and the load line. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "level/demand.h"
#include "lib/clock.h"

#define CAPACITY 256
#define START	 (1000 * NS_PER_S)

struct world {
	struct conns conns;
	struct levels levels;
	uint64_t cookie;
};

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	if (conns_init(&w.conns, CAPACITY, "0000") < 0 || levels_init(&w.levels, CAPACITY) < 0)
		return -1;
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	levels_done(&w->levels);
	conns_done(&w->conns);
	return 0;
}

/* An open connection of process `pid` in slot `slot`, silent since START. */
static struct slot add(struct world *w, uint32_t slot, uint32_t pid, char status)
{
	struct slot s = {
		.gen = 1,
		.cookie = ++w->cookie,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = (uint8_t)status,
		.tcp_state = 1,
		.tgid = pid,
		.start_ticks = 1,
		.rport = 5432,
		.last_ns = START,
	};

	(void)conns_apply_slot(&w->conns, slot, &s);
	return s;
}

/* `n` samples of `us` each on top of what the slot has. */
static void sample(struct world *w, uint32_t slot, struct slot *s, uint32_t n, uint32_t us)
{
	s->rtt_n += n;
	s->rtt_sum_us += (uint64_t)n * us;
	s->rtt_sq_us2 += (uint64_t)n * us * us;
	s->rtt_us = us;
	(void)conns_apply_slot(&w->conns, slot, s);
}

static void close_slot(struct world *w, uint32_t slot)
{
	(void)conns_apply_slot(&w->conns, slot, &(struct slot){ 0 });
}

static const struct pool *pool_of(struct world *w, uint32_t slot)
{
	return levels_of(&w->levels, &w->conns.table[slot]);
}

static void formula(void **state)
{
	static const struct {
		double var, jitter, decay;
		uint32_t line;
	} rows[] = {
		/* base = int(64 * 1.02) = 65; int(65 * 1.02) = 66 */
		{ 0.5, 0.01, 1, 66 },
		{ 0, 0, 1, 66 },
		/* base = int(64 * 1.04) = 66; int(66 * 1.2 * 0.5) = int(39.6) */
		{ 1, 0.1, 0.5, 39 },
		/* base = 128; int(128 * 1.1) = int(140.8) */
		{ 25, 0.05, 1, 140 },
		/* base = 192; int(192 * 1.6) = int(307.2) */
		{ 50, 0.3, 1, 307 },
		{ 9999, 7, 3, 307 },
		/* base = int(64 * 1.12) = int(71.68) = 71, cut before the rest: int(71 * 1.2) =
		 * int(85.2), not int(86.01) */
		{ 3, 0.1, 1, 85 },
		/* int(65 * 1.02 * 0.2) = 13, below the least */
		{ 0.5, 0.01, 0.2, 16 },
		{ NAN, NAN, 1, 66 },
		{ 0.5, 0.01, NAN, 16 },
		{ -5, -5, -5, 16 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t line = level_watermark(rows[i].var, rows[i].jitter, rows[i].decay);

		if (line != rows[i].line)
			fail_msg("row %zu: %u, expected %u", i, line, rows[i].line);
	}
}

static void the_balance_is_by_time_however_it_is_told(void **state)
{
	struct balance b = { 0 };

	(void)state;
	assert_int_equal(balance_now(&b), 0);
	balance_step(&b, 30, 1);
	balance_step(&b, 10, 1);
	balance_step(&b, 20, -1);
	balance_step(&b, 5, 1);
	/* 5: 1, 10: 2, 20: 1, 30: 2 */
	assert_int_equal(balance_at(&b, 4), 0);
	assert_int_equal(balance_at(&b, 5), 1);
	assert_int_equal(balance_at(&b, 19), 2);
	assert_int_equal(balance_at(&b, 20), 1);
	assert_int_equal(balance_now(&b), 2);
	assert_int_equal(balance_most(&b, 6, 20), 2);
	assert_int_equal(balance_most(&b, 20, 30), 1);
	assert_int_equal(balance_most(&b, 20, 31), 2);
	assert_true(balance_knows(&b, 0));
	/* What is forgotten is known to be. */
	for (uint64_t i = 0; i < STEPS; i++)
		balance_step(&b, 100 + i, 1);
	assert_int_equal(balance_now(&b), 2 + STEPS);
	assert_int_equal(balance_at(&b, 100), 3);
	assert_true(balance_knows(&b, 100));
	assert_false(balance_knows(&b, 99));
}

static void counts_what_each_connection_does(void **state)
{
	struct world *w = *state;
	const struct pool *p;
	struct slot s;

	(void)add(w, 0, 1, 'I');
	(void)add(w, 1, 1, 'I');
	(void)add(w, 2, 1, 'T');
	(void)add(w, 3, 1, 'E');
	(void)add(w, 4, 1, 0);
	s = add(w, 5, 1, 'T');
	s.flags = SLOT_BUSY;
	s.txn_ns = START;
	(void)conns_apply_slot(&w->conns, 5, &s);
	s = add(w, 6, 1, 0);
	s.phase = PHASE_AUTH;
	(void)conns_apply_slot(&w->conns, 6, &s);
	levels_update(&w->levels, &w->conns, START);
	assert_int_equal(w->levels.count, 1);
	p = &w->levels.pools[0];
	assert_int_equal(p->open, 7);
	assert_int_equal(p->idle, 2);
	assert_int_equal(p->in_use, 4);
	assert_int_equal(p->in_txn, 3);
	assert_int_equal(p->unknown, 1);
}

static void a_pool_is_owner_endpoint_database_and_user(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 7; i++)
		(void)add(w, i, 1, 'I');
	w->conns.table[1].pid = 2;
	w->conns.table[2].start_ticks = 2;
	w->conns.table[3].remote.port = 6432;
	(void)snprintf(w->conns.table[4].database, NAME_LEN, "shop");
	(void)snprintf(w->conns.table[5].user, NAME_LEN, "shop");
	levels_update(&w->levels, &w->conns, START);
	assert_int_equal(w->levels.count, 6);
	assert_int_equal(pool_of(w, 0)->open, 2);
	assert_ptr_equal(pool_of(w, 0), pool_of(w, 6));
	assert_string_equal(pool_of(w, 4)->database, "shop");
	assert_int_equal(pool_of(w, 3)->endpoint.port, 6432);
}

static void unlisted_connections_have_no_pool(void **state)
{
	struct world *w = *state;
	struct slot s = add(w, 0, 1, 'I');

	s.tcp_state = 4;
	(void)conns_apply_slot(&w->conns, 0, &s);
	levels_update(&w->levels, &w->conns, START);
	assert_int_equal(w->levels.count, 0);
	assert_null(pool_of(w, 0));
	assert_null(levels_of(&w->levels, &(struct conn){ .slot = 100000 }));
}

static void pools_end_with_their_last_connection(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 60; i++)
		(void)add(w, i, 1 + i % 20, 'I');
	levels_update(&w->levels, &w->conns, START);
	assert_int_equal(w->levels.count, 20);
	for (uint32_t i = 0; i < 60; i++)
		if (i % 20 < 7 || i % 20 == 19)
			close_slot(w, i);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(w->levels.count, 12);
	conns_for_each(&w->conns, c) {
		assert_int_equal(levels_of(&w->levels, c)->pid, c->pid);
		assert_int_equal(levels_of(&w->levels, c)->open, 3);
	}
	for (uint32_t i = 0; i < 60; i++)
		close_slot(w, i);
	levels_update(&w->levels, &w->conns, START + 2 * NS_PER_S);
	assert_int_equal(w->levels.count, 0);
}

static void mean_and_variance_of_the_window(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I'), b = add(w, 1, 1, 'I');
	const struct pool *p;

	/* 1, 1, 3, 3 ms: mean 2, variance 1; deviations of 0.2 and 0.4 ms: 0.3 / 2 */
	a.mdev_us = 200;
	b.mdev_us = 400;
	sample(w, 0, &a, 2, 1000);
	sample(w, 1, &b, 2, 3000);
	levels_update(&w->levels, &w->conns, START);
	p = pool_of(w, 0);
	assert_int_equal(p->rtt_samples, 4);
	assert_float_equal(p->rtt_ms, 2.0, 1e-9);
	assert_float_equal(p->rtt_var_ms2.in_force, 1.0, 1e-9);
	assert_float_equal(p->jitter_rate.in_force, 0.15, 1e-9);
	assert_float_equal(p->decay_factor.in_force, 1.0, 1e-9);
	/* base = int(64 * 1.04) = 66; int(66 * 1.3) = int(85.8) */
	assert_int_equal(p->watermark, 85);
}

static void unclamped_for_the_reader_clamped_for_the_line(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	a.mdev_us = 90000;
	sample(w, 0, &a, 1, 1000);
	sample(w, 0, &a, 1, 41000);
	levels_update(&w->levels, &w->conns, START);
	assert_float_equal(pool_of(w, 0)->rtt_var_ms2.in_force, 400.0, 1e-6);
	assert_true(pool_of(w, 0)->jitter_rate.in_force > 4);
	assert_int_equal(pool_of(w, 0)->watermark, 307);
}

static void a_sample_counts_for_sixty_seconds(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	sample(w, 0, &a, 5, 1000);
	for (uint64_t s = 0; s < 60; s++) {
		levels_update(&w->levels, &w->conns, START + s * NS_PER_S);
		assert_int_equal(pool_of(w, 0)->rtt_samples, 5);
	}
	levels_update(&w->levels, &w->conns, START + 60 * NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 0);
}

static void a_long_pause_empties_the_window(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	sample(w, 0, &a, 5, 1000);
	levels_update(&w->levels, &w->conns, START);
	sample(w, 0, &a, 2, 4000);
	levels_update(&w->levels, &w->conns, START + 3600 * NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 2);
	assert_float_equal(pool_of(w, 0)->rtt_ms, 4.0, 1e-9);
}

static void time_that_stands_still_is_no_harm(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	sample(w, 0, &a, 5, 1000);
	levels_update(&w->levels, &w->conns, START);
	levels_update(&w->levels, &w->conns, START);
	levels_update(&w->levels, &w->conns, START - 5 * NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 5);
}

static void a_new_connection_in_a_slot_starts_from_nothing(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I'), b;

	sample(w, 0, &a, 100, 1000);
	levels_update(&w->levels, &w->conns, START);
	b = add(w, 0, 1, 'I');
	sample(w, 0, &b, 3, 1000);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 103);
}

static void sums_may_wrap(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	a.rtt_n = UINT32_MAX - 1;
	(void)conns_apply_slot(&w->conns, 0, &a);
	levels_update(&w->levels, &w->conns, START);
	a.rtt_n += 4;
	a.rtt_sum_us += 4000;
	(void)conns_apply_slot(&w->conns, 0, &a);
	levels_update(&w->levels, &w->conns, START + 61 * NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 4);
	assert_float_equal(pool_of(w, 0)->rtt_ms, 1.0, 1e-9);
}

static void the_line_falls_as_connections_go_stale(void **state)
{
	struct world *w = *state;

	(void)add(w, 0, 1, 'I');
	(void)add(w, 1, 1, 'I');
	w->conns.table[1].last_ns = START - 300 * NS_PER_S;
	levels_update(&w->levels, &w->conns, START);
	/* One fresh, one a half-life old. */
	assert_float_equal(pool_of(w, 0)->decay_factor.now, 0.75, 1e-9);
	for (uint64_t s = 1; s < 600; s++) {
		const struct pool *p;

		levels_update(&w->levels, &w->conns, START + s * NS_PER_S);
		p = pool_of(w, 0);
		assert_in_range(p->watermark, 33, 66);
		assert_int_equal(p->watermark, level_watermark(0, 0, p->decay_factor.in_force));
	}
	assert_float_equal(pool_of(w, 0)->decay_factor.now, 0.5, 1e-9);
	assert_in_range(pool_of(w, 0)->watermark, 33, 34);
}

static void what_was_measured_stays_when_a_pool_falls_silent(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	assert_false(w->levels.count);
	levels_update(&w->levels, &w->conns, START);
	assert_false(pool_of(w, 0)->rtt_var_ms2.known);
	assert_int_equal(pool_of(w, 0)->watermark, 66);
	a.mdev_us = 400;
	sample(w, 0, &a, 50, 1000);
	sample(w, 0, &a, 50, 9000);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	levels_update(&w->levels, &w->conns, START + 3600 * NS_PER_S);
	assert_int_equal(pool_of(w, 0)->rtt_samples, 0);
	assert_true(pool_of(w, 0)->rtt_var_ms2.known);
	assert_float_equal(pool_of(w, 0)->rtt_var_ms2.in_force, 16.0, 1e-9);
	assert_float_equal(pool_of(w, 0)->rtt_ms, 5.0, 1e-9);
}

static void an_operator_s_limit_caps_the_line_not_the_watermark(void **state)
{
	struct world *w = *state;
	const struct pool_limit limits[] = {
		{ .comm = "other*", .max = 3 },
		{ .endpoint = "*:5432", .max = 20 },
		{ .max = 7 },
	};

	w->levels.limits = limits;
	w->levels.limit_count = 3;
	for (uint32_t i = 0; i < 15; i++)
		(void)add(w, i, 1, 'I');
	levels_update(&w->levels, &w->conns, START);
	assert_int_equal(pool_of(w, 0)->watermark, 66);
	assert_int_equal(pool_of(w, 0)->cap, 20);
	assert_int_equal(pool_of(w, 0)->line, 20);
	assert_int_equal(pool_of(w, 0)->gear, 2);
	w->levels.limit_count = 0;
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(pool_of(w, 0)->line, 66);
}

/* --- between two updates ---------------------------------------------------- */

struct shifts {
	unsigned int count, from, to;
	uint64_t fact_ns;
};

static void on_shift(const struct pool *p, unsigned int from, uint64_t fact_ns, void *arg)
{
	struct shifts *s = arg;

	*s = (struct shifts){ s->count + 1, from, p->gear, fact_ns };
}

static void a_record_shifts_the_gear_before_the_next_look(void **state)
{
	struct world *w = *state;
	struct shifts seen = { 0 };

	w->levels.shifted = on_shift;
	w->levels.shifted_arg = &seen;
	for (uint32_t i = 0; i < 40; i++) {
		(void)add(w, i, 1, 'I');
		levels_opened(&w->levels, &w->conns.table[i], START + i, START + i + 5);
		/* Said twice, counted once. */
		levels_opened(&w->levels, &w->conns.table[i], START + i, START + i + 5);
		assert_int_equal(pool_of(w, i)->open, i + 1);
		assert_int_equal(seen.count, i >= 39);
	}
	/* 40 of 66 is 60 % and a bit. */
	assert_int_equal(seen.from, 1);
	assert_int_equal(seen.to, 2);
	assert_int_equal(seen.fact_ns, START + 39);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(pool_of(w, 0)->open, 40);
	assert_int_equal(seen.count, 1);
}

static void those_that_close_at_once_never_add_up(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t slot = i % 200;

		(void)add(w, slot, 1, 'I');
		levels_opened(&w->levels, &w->conns.table[slot], START + i, START + i);
		assert_int_equal(pool_of(w, slot)->open, 1);
		levels_closed(&w->levels, &w->conns.table[slot]);
		assert_int_equal(w->levels.pools[0].open, 0);
		assert_int_equal(w->levels.pools[0].idle, 0);
		close_slot(w, slot);
	}
	assert_int_equal(w->levels.pools[0].gear, 1);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(w->levels.count, 0);
}

static void a_slot_used_again_unseen_is_one_connection(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 100; i++) {
		(void)add(w, 3, 1 + i % 2, 'I');
		levels_opened(&w->levels, &w->conns.table[3], START + i, START + i);
		assert_int_equal(pool_of(w, 3)->open, 1);
	}
}

/* --- what was asked of a pool ------------------------------------------------ */

static const struct demand *demand_of(struct world *w, uint32_t slot)
{
	return levels_demand(&w->levels, pool_of(w, slot));
}

static void queries_are_counted_to_the_last_one(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I'), b = add(w, 1, 1, 'I');

	levels_update(&w->levels, &w->conns, START);
	a.queries = 30;
	b.queries = 10;
	(void)conns_apply_slot(&w->conns, 0, &a);
	(void)conns_apply_slot(&w->conns, 1, &b);
	levels_update(&w->levels, &w->conns, START + 2 * NS_PER_S);
	assert_int_equal(demand_of(w, 0)->queries, 40);
	assert_float_equal(demand_of(w, 0)->peak_per_s, 20, 1e-9);
	/* Eight more that no look saw, and a connection that none saw at all. */
	b.queries = 18;
	(void)conns_apply_slot(&w->conns, 1, &b);
	close_slot(w, 1);
	b = add(w, 1, 1, 'I');
	b.queries = 5;
	(void)conns_apply_slot(&w->conns, 1, &b);
	close_slot(w, 1);
	levels_update(&w->levels, &w->conns, START + 3 * NS_PER_S);
	assert_int_equal(demand_of(w, 0)->queries, 53);
	assert_int_equal(demand_of(w, 0)->ended, 2);
	assert_float_equal(demand_of(w, 0)->peak_per_s, 20, 1e-9);
}

static void latency_is_round_trip_and_time_busy(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'I');

	levels_update(&w->levels, &w->conns, START);
	assert_float_equal(demand_latency_s(demand_of(w, 0)), 0, 0);
	/* Of ten seconds five busy, for 50 queries: 0.1 s each, behind 40 ms. */
	for (uint64_t s = 1; s <= 10; s++) {
		a.flags = s <= 5 ? SLOT_BUSY : 0;
		a.queries += 5;
		sample(w, 0, &a, 5, 40000);
		levels_update(&w->levels, &w->conns, START + s * NS_PER_S);
	}
	assert_float_equal(demand_of(w, 0)->busy_s, 5, 1e-9);
	assert_float_equal(demand_latency_s(demand_of(w, 0)), 0.14, 1e-9);
	assert_int_equal(demand_of(w, 0)->in_use_max, 1);
}

static void all_that_are_forgotten_are_no_limit(void **state)
{
	struct world *w = *state;
	struct slot a = add(w, 0, 1, 'T');

	(void)add(w, 1, 1, 'T');
	levels_update(&w->levels, &w->conns, START);
	a.queries = 1;
	(void)conns_apply_slot(&w->conns, 0, &a);
	levels_update(&w->levels, &w->conns, START + NS_PER_S);
	assert_int_equal(demand_of(w, 0)->in_use_max, 2);
	assert_float_equal(demand_of(w, 0)->full_s, 1, 1e-9);
	/* In use they stay, and nobody asks anything. */
	levels_update(&w->levels, &w->conns, START + 9 * NS_PER_S);
	assert_float_equal(demand_of(w, 0)->full_s, 1, 1e-9);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formula),
		cmocka_unit_test(the_balance_is_by_time_however_it_is_told),
		TEST(counts_what_each_connection_does),
		TEST(a_pool_is_owner_endpoint_database_and_user),
		TEST(unlisted_connections_have_no_pool),
		TEST(pools_end_with_their_last_connection),
		TEST(mean_and_variance_of_the_window),
		TEST(unclamped_for_the_reader_clamped_for_the_line),
		TEST(a_sample_counts_for_sixty_seconds),
		TEST(a_long_pause_empties_the_window),
		TEST(time_that_stands_still_is_no_harm),
		TEST(a_new_connection_in_a_slot_starts_from_nothing),
		TEST(sums_may_wrap),
		TEST(the_line_falls_as_connections_go_stale),
		TEST(what_was_measured_stays_when_a_pool_falls_silent),
		TEST(an_operator_s_limit_caps_the_line_not_the_watermark),
		TEST(a_record_shifts_the_gear_before_the_next_look),
		TEST(those_that_close_at_once_never_add_up),
		TEST(a_slot_used_again_unseen_is_one_connection),
		TEST(queries_are_counted_to_the_last_one),
		TEST(latency_is_round_trip_and_time_busy),
		TEST(all_that_are_forgotten_are_no_limit),
	};

	return cmocka_run_group_tests_name("level", tests, NULL, NULL);
}
