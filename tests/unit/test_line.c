// SPDX-License-Identifier: GPL-2.0-or-later
/* What moves the load line and the gear, and what does not: properties over seeded noise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "level/line.h"
#include "lib/clock.h"

#define LOOK_NS (200 * NS_PER_MS)
#define SEEDS	200

static uint64_t seed;

/* splitmix64; in [0, 1). */
static double uniform(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

static struct pool fresh(void)
{
	return (struct pool){ .gear = 1, .decay_factor = { 1, 1, 0, true } };
}

static void holds_what_it_must(const struct pool *p)
{
	uint32_t line = level_watermark(p->rtt_var_ms2.in_force, p->jitter_rate.in_force,
					p->decay_factor.in_force);

	assert_int_equal(p->watermark, line);
	assert_in_range(p->watermark, 16, 1024);
}

static void the_first_value_and_each_clear_rise_count_at_once(void **state)
{
	struct pool p = fresh();
	struct soundings s = { 4, 0.1, 1, true, true };

	(void)state;
	line_draw(&p, &s, NS_PER_S);
	assert_float_equal(p.rtt_var_ms2.in_force, 4, 0);
	assert_float_equal(p.jitter_rate.in_force, 0.1, 0);
	s.rtt_var_ms2 = 30;
	s.jitter_rate = 0.29;
	line_draw(&p, &s, NS_PER_S + 1);
	assert_float_equal(p.rtt_var_ms2.in_force, 30, 0);
	assert_float_equal(p.jitter_rate.in_force, 0.29, 0);
	/* Not beyond the band: no rise. */
	s.rtt_var_ms2 = 33;
	line_draw(&p, &s, NS_PER_S + 2);
	assert_float_equal(p.rtt_var_ms2.in_force, 30, 0);
	assert_float_equal(p.rtt_var_ms2.now, 33, 0);
}

static void what_moves_nothing_is_taken_as_it_is(void **state)
{
	struct pool p = fresh();
	struct soundings s = { 0.3, 0.005, 1, true, true };

	(void)state;
	line_draw(&p, &s, NS_PER_S);
	s.rtt_var_ms2 = 0.0001;
	line_draw(&p, &s, NS_PER_S + 1);
	assert_float_equal(p.rtt_var_ms2.in_force, 0.0001, 0);
	s.rtt_var_ms2 = 900;
	line_draw(&p, &s, NS_PER_S + 2);
	s.rtt_var_ms2 = 60;
	line_draw(&p, &s, NS_PER_S + 3);
	assert_float_equal(p.rtt_var_ms2.in_force, 60, 0);
}

static void a_fall_waits_and_goes_in_steps(void **state)
{
	struct pool p = fresh();
	struct soundings s = { 50, 0.3, 1, true, true };
	uint32_t before, moves = 0;
	uint64_t now_ns = NS_PER_S, last_ns = 0;

	(void)state;
	line_draw(&p, &s, now_ns);
	assert_int_equal(p.watermark, 307);
	s = (struct soundings){ 0.1, 0.01, 0.5, true, true };
	for (; now_ns < 400 * NS_PER_S; now_ns += LOOK_NS) {
		before = p.watermark;
		line_draw(&p, &s, now_ns);
		holds_what_it_must(&p);
		assert_true(p.watermark <= before);
		if (p.watermark == before)
			continue;
		/* A tenth, and what the formula's two cuts to whole numbers add. */
		assert_true(p.watermark + 3 >= before * 0.9);
		assert_true(now_ns - last_ns >= 5 * NS_PER_S);
		assert_true(now_ns >= 11 * NS_PER_S);
		last_ns = now_ns;
		moves++;
	}
	/* As far as their bands. */
	assert_true(p.rtt_var_ms2.in_force <= 0.5 + 0.65 && p.jitter_rate.in_force <= 0.06 &&
		    p.decay_factor.in_force <= 0.52);
	assert_true(moves >= 20);
}

static void of_few_round_trips_only_a_rise_is_believed(void **state)
{
	struct pool p = fresh();
	struct soundings s = { 20, 0.2, 1, true, true };

	(void)state;
	line_draw(&p, &s, NS_PER_S);
	s = (struct soundings){ 0, 0.2, 1, true, false };
	for (uint64_t t = 2; t < 600; t++)
		line_draw(&p, &s, t * NS_PER_S);
	assert_float_equal(p.rtt_var_ms2.in_force, 20, 0);
	s.rtt_var_ms2 = 40;
	line_draw(&p, &s, 600 * NS_PER_S);
	assert_float_equal(p.rtt_var_ms2.in_force, 40, 0);
}

/* The variance of 60 s of round trips, each with noise; and their mean deviation. */
static struct soundings noisy(double *ring, size_t n, size_t at, double mean, double spread)
{
	struct soundings s = { .decay_factor = 1, .has_rtt = true, .has_spread = true };
	double sum = 0, square = 0;

	ring[at % n] = fabs(mean + spread * normal());
	for (size_t i = 0; i < n; i++) {
		sum += ring[i];
		square += ring[i] * ring[i];
	}
	s.rtt_var_ms2 = square / (double)n - sum / (double)n * (sum / (double)n);
	s.jitter_rate = 0.8 * spread * (0.7 + 0.6 * uniform()) / mean;
	return s;
}

/*
 * An hour of a network that is as noisy as it was: after ten minutes to get to know it,
 * the line turns round a few times at most.
 */
static void noise_does_not_make_it_oscillate(void **state)
{
	unsigned int worst = 0, sum = 0;

	(void)state;
	for (uint64_t n = 1; n <= SEEDS; n++) {
		double ring[120], mean, spread;
		unsigned int turns = 0;
		int direction = 0;
		struct pool p = fresh();

		seed = n;
		mean = 0.2 + 40 * uniform();
		spread = mean * 0.3 * uniform();
		for (size_t i = 0; i < 120; i++)
			ring[i] = mean + spread * normal();
		/* Two round trips a second, the fewest that make a window of any meaning. */
		for (size_t i = 0; i < 7200; i++) {
			struct soundings s = noisy(ring, 120, i, mean, spread);
			uint32_t before = p.watermark;
			int went;

			line_draw(&p, &s, NS_PER_S + i * NS_PER_S / 2);
			holds_what_it_must(&p);
			went = (p.watermark > before) - (p.watermark < before);
			turns += i > 1200 && went && went == -direction;
			direction = went ? went : direction;
		}
		sum += turns;
		worst = turns > worst ? turns : worst;
	}
	print_message("# turns of the line in 50 minutes: mean %.2f, worst %u\n",
		      (double)sum / SEEDS, worst);
	assert_true(worst <= 10);
	assert_true(sum <= 2 * SEEDS);
}

static void a_noisier_network_never_has_a_lower_line(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 2000; n++) {
		struct pool a = fresh(), b = fresh();
		struct soundings s;

		seed = n;
		s = (struct soundings){ 60 * uniform(), 0.4 * uniform(), 0.5 + 0.5 * uniform(), true,
					true };
		line_draw(&a, &s, NS_PER_S);
		s.rtt_var_ms2 += 30 * uniform();
		s.jitter_rate += 0.2 * uniform();
		line_draw(&b, &s, NS_PER_S);
		assert_true(b.watermark >= a.watermark);
	}
}

/* --- gears ------------------------------------------------------------------- */

static void gears_by_level_and_line(void **state)
{
	static const struct {
		uint32_t open, gear;
	} rows[] = {
		{ 0, 1 },   { 59, 1 },	{ 60, 2 },  { 79, 2 },	{ 80, 3 },  { 99, 3 },
		{ 100, 4 }, { 124, 4 }, { 125, 5 }, { 149, 5 }, { 150, 6 }, { 100000, 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct pool p = fresh();

		p.line = 100;
		p.open = rows[i].open;
		assert_int_equal(gear_shift(&p, NS_PER_S), 1);
		assert_int_equal(p.gear, rows[i].gear);
	}
}

/* As many open as it may have, and hardly one lent: there is no hurry. */
static void a_pool_s_own_word_comes_first(void **state)
{
	struct pool p = fresh();

	(void)state;
	p.line = p.open = 13;
	p.in_use = 1;
	p.word.known = true;
	(void)gear_shift(&p, NS_PER_S);
	assert_int_equal(p.gear, 1);
	p.in_use = 13;
	(void)gear_shift(&p, NS_PER_S);
	assert_int_equal(p.gear, 4);
}

static void up_at_once_down_one_in_a_minute(void **state)
{
	struct pool p = fresh();

	(void)state;
	p.line = 100;
	p.open = 200;
	(void)gear_shift(&p, NS_PER_S);
	assert_int_equal(p.gear, 6);
	p.open = 0;
	for (uint64_t s = 1; s <= 1 + 5 * 60; s++) {
		(void)gear_shift(&p, s * NS_PER_S);
		assert_int_equal(p.gear, 6 - (s - 1) / 60);
	}
	assert_int_equal(p.gear, 1);
	(void)gear_shift(&p, 3600 * NS_PER_S);
	assert_int_equal(p.gear, 1);
}

/* 10 % below what it shifted up at is still that gear. */
static void at_the_border_it_stays(void **state)
{
	struct pool p = fresh();

	(void)state;
	p.line = 100;
	p.open = 100;
	(void)gear_shift(&p, NS_PER_S);
	for (uint64_t s = 2; s < 3600; s++) {
		p.open = 90 + (uint32_t)(s % 34);
		(void)gear_shift(&p, s * NS_PER_S);
		assert_int_equal(p.gear, 4);
	}
}

/* Whatever the level does: up when it must, and never two gears down within a minute. */
static void never_late_and_never_hasty(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= SEEDS; n++) {
		struct pool p = fresh();
		uint64_t down_ns = 0;

		seed = n;
		p.line = 16 + (uint32_t)(1008 * uniform());
		for (uint64_t t = NS_PER_S; t < 1800 * NS_PER_S; t += LOOK_NS) {
			struct pool wanted = fresh();
			unsigned int from;

			if (uniform() < 0.02)
				p.open = (uint32_t)(2.0 * p.line * uniform());
			wanted.line = p.line;
			wanted.open = p.open;
			(void)gear_shift(&wanted, t);
			from = gear_shift(&p, t);
			assert_true(p.gear >= wanted.gear);
			if (p.gear >= from)
				continue;
			assert_int_equal(p.gear, from - 1);
			assert_true(!down_ns || t - down_ns >= 60 * NS_PER_S);
			down_ns = t;
		}
	}
}

static void a_steeper_gear_leaves_less_grace_never_more(void **state)
{
	(void)state;
	assert_int_equal(gear_grace_ns(1, 30 * NS_PER_S), 30 * NS_PER_S);
	assert_int_equal(gear_grace_ns(6, 30 * NS_PER_S), 22500 * NS_PER_MS);
	for (unsigned int g = 2; g <= GEARS; g++)
		assert_true(gear_grace_ns(g, 30 * NS_PER_S) < gear_grace_ns(g - 1, 30 * NS_PER_S));
	assert_int_equal(gear_grace_ns(0, 77), 77);
	assert_int_equal(gear_grace_ns(99, 77), 77);
	assert_true(gear_grace_ns(5, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_value_and_each_clear_rise_count_at_once),
		cmocka_unit_test(what_moves_nothing_is_taken_as_it_is),
		cmocka_unit_test(a_fall_waits_and_goes_in_steps),
		cmocka_unit_test(of_few_round_trips_only_a_rise_is_believed),
		cmocka_unit_test(noise_does_not_make_it_oscillate),
		cmocka_unit_test(a_noisier_network_never_has_a_lower_line),
		cmocka_unit_test(gears_by_level_and_line),
		cmocka_unit_test(a_pool_s_own_word_comes_first),
		cmocka_unit_test(up_at_once_down_one_in_a_minute),
		cmocka_unit_test(at_the_border_it_stays),
		cmocka_unit_test(never_late_and_never_hasty),
		cmocka_unit_test(a_steeper_gear_leaves_less_grace_never_more),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
