// SPDX-License-Identifier: GPL-2.0-or-later
/* Detectors whose evidence is a pattern in time: growth, churn, and what all of them cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "detect.h"
#include "lib/clock.h"

#define CAPACITY 2048
#define START	 (1000 * NS_PER_S)
#define LOOK_NS	 (100 * NS_PER_MS)

struct world {
	struct conns conns;
	struct levels levels;
	struct detect detect;
	struct detect_conf conf;
	struct slot *slots;
	uint32_t capacity, used;
	uint64_t now_ns, cookie;
	char told[64];		/* every change of state: letter, first letter of the kind */
	struct finding last;
};

static void open_world(struct world *w, uint32_t capacity)
{
	*w = (struct world){ .capacity = capacity, .now_ns = START };
	w->slots = calloc(capacity, sizeof(*w->slots));
	assert_non_null(w->slots);
	assert_int_equal(conns_init(&w->conns, capacity, "9a2b"), 0);
	assert_int_equal(levels_init(&w->levels, capacity), 0);
	assert_int_equal(detect_init(&w->detect, capacity), 0);
	assert_int_equal(detect_conf_init(&w->conf), 0);
}

static int setup(void **state)
{
	static struct world w;

	open_world(&w, CAPACITY);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	detect_conf_done(&w->conf);
	detect_done(&w->detect);
	levels_done(&w->levels);
	conns_done(&w->conns);
	free(w->slots);
	return 0;
}

static void changed(const struct finding *f, void *arg)
{
	struct world *w = arg;
	size_t len = strlen(w->told);

	if (len + 3 < sizeof(w->told)) {
		w->told[len] = "SCRM"[f->state];
		w->told[len + 1] = f->detector->name[0];
	}
	w->last = *f;
}

/* A connection of process 4711 that was let in just now; the number of its slot. */
static uint32_t dial(struct world *w)
{
	uint32_t n = 0;

	while (w->slots[n].phase != PHASE_FREE)
		n++;
	w->slots[n] = (struct slot){
		.gen = w->slots[n].gen + 1,
		.cookie = ++w->cookie,
		.opened_ns = w->now_ns,
		.last_ns = w->now_ns + NS_PER_MS,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = 'I',
		.tcp_state = 1,
		.tgid = 4711,
		.tid = 4711,
		.start_ticks = 1,
		.rport = 5432,
		.comm = "shop",
	};
	if (n >= w->used)
		w->used = n + 1;
	return n;
}

static void query(struct world *w, uint32_t n)
{
	w->slots[n].queries++;
	w->slots[n].rx_bytes += 60;
	w->slots[n].tx_bytes += 30;
	w->slots[n].last_ns = w->now_ns;
}

static void hang_up(struct world *w, uint32_t n)
{
	struct rec_closed r = {
		.hdr = { REC_CLOSED, sizeof(r), n, w->slots[n].gen, 0, w->slots[n].cookie, w->now_ns },
		.queries = w->slots[n].queries,
	};

	/* As the engine does: its start-up packet made it known, before any look. */
	(void)conns_apply_slot(&w->conns, n, &w->slots[n]);
	conns_apply_record(&w->conns, &r.hdr, sizeof(r));
	w->slots[n].phase = PHASE_FREE;
}

static void look(struct world *w)
{
	for (uint32_t i = 0; i < w->used; i++)
		(void)conns_apply_slot(&w->conns, i, &w->slots[i]);
	levels_update(&w->levels, &w->conns, w->now_ns);
	detect_run(&w->detect, &w->conf, &w->conns, &w->levels, w->now_ns, changed, w);
	findings_for_each(&w->detect, f)
		f->checked = true;
}

static void pass(struct world *w, uint64_t ns)
{
	for (uint64_t end_ns = w->now_ns + ns; w->now_ns < end_ns;) {
		w->now_ns += LOOK_NS;
		look(w);
	}
}

static void only(struct world *w, const char *kind)
{
	for (size_t i = 0; i < w->conf.count; i++)
		w->conf.settings[i].base.enabled =
			strcmp(w->conf.settings[i].detector->name, kind) == 0;
}

/* Ten connections that have been there for five minutes, the first at work. */
static void live(struct world *w)
{
	for (int i = 0; i < 10; i++)
		query(w, dial(w));
	pass(w, 300 * NS_PER_S);
	assert_string_equal(w->told, "");
}

static void a_pool_that_only_grows(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	for (int i = 0; i < 60; i++) {
		uint32_t n = dial(w);

		if (i & 1)
			query(w, n);
		pass(w, 400 * NS_PER_MS);
	}
	/* Told once, soon after there were fifty more, and confirmed. */
	assert_memory_equal(w->told, "SgCg", 4);
	assert_true(finding_is_of_pool(&w->last));
	assert_string_equal(w->last.conn.comm, "shop");
	print_message("# %s\n", w->last.symptom.why);
	assert_non_null(strstr(w->last.symptom.why, "from 10 to 6"));
}

static void the_first_minute_is_no_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	for (int i = 0; i < 150; i++) {
		(void)dial(w);
		pass(w, 200 * NS_PER_MS);
	}
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/* All at work until the burst is over; then what it opened lies idle. */
static void a_burst_is_no_growth(void **state)
{
	struct world *w = *state;
	uint32_t n[80];

	live(w);
	for (int i = 0; i < 80; i++) {
		n[i] = dial(w);
		for (int j = 0; j <= i; j++)
			query(w, n[j]);
		if (i % 8 == 0)
			pass(w, LOOK_NS);
	}
	for (int i = 0; i < 30; i++) {
		for (int j = 0; j < 80; j++)
			query(w, n[j]);
		pass(w, LOOK_NS);
	}
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/* Dialled for one after the other; each asks once, and has other things to do. */
static void a_burst_of_silent_work_is_no_growth(void **state)
{
	struct world *w = *state;
	uint32_t n[80];

	live(w);
	n[0] = dial(w);
	for (int i = 0; i < 20; i++) {
		query(w, n[0]);
		pass(w, NS_PER_S);
	}
	for (int i = 1; i < 80; i++) {
		n[i] = dial(w);
		query(w, n[i]);
		if (i % 4 == 0)
			pass(w, LOOK_NS);
	}
	pass(w, NS_PER_S);
	for (int i = 0; i < 80; i++)
		query(w, n[i]);
	for (int i = 0; i < 60; i++) {
		query(w, n[0]);
		pass(w, NS_PER_S);
	}
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/*
 * Dials `count` one after the other, which takes `dial_ns` each; each is asked `queries` things
 * at once, the next dialled `pause_ns` after the one before was there.
 */
static void dial_slowly_in_line(struct world *w, int count, uint32_t queries, uint64_t dial_ns,
				uint64_t pause_ns)
{
	for (int i = 0; i < count; i++) {
		uint32_t n = dial(w);

		w->now_ns += dial_ns;
		w->slots[n].last_ns = w->now_ns;
		for (uint32_t q = 0; q < queries; q++)
			query(w, n);
		w->now_ns += pause_ns;
		if (i % 4 == 0)
			look(w);
	}
}

static void dial_in_line(struct world *w, int count, uint32_t queries, uint64_t pause_ns)
{
	dial_slowly_in_line(w, count, queries, 20 * NS_PER_MS, pause_ns);
}

/* Short work for many threads: the pool dials for each in turn, and the first are done. */
static void a_burst_in_line_is_no_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	/* One before, and some later, are none of it. */
	(void)dial(w);
	pass(w, 20 * NS_PER_S);
	dial_in_line(w, 60, 2, NS_PER_MS);
	for (int i = 0; i < 3; i++) {
		pass(w, 5 * NS_PER_S);
		(void)dial(w);
	}
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/* A second pool to the same database opens its reserve. */
static void a_fill_is_no_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	dial_in_line(w, 60, 0, NS_PER_MS);
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

static void set(struct world *w, const char *kind, const char *name, const char *value)
{
	for (size_t i = 0; i < w->conf.count; i++) {
		struct detector_setting *s = &w->conf.settings[i];
		char why[128];

		if (strcmp(s->detector->name, kind) == 0)
			assert_int_equal(param_parse(param_find(s->detector->params, name), s->own,
						     value, why, sizeof(why)), 0);
	}
}

/* The same on a host so busy that a dial takes a fifth of a second. */
static void a_slow_burst_in_line_is_no_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	set(w, "growth", "connections", "20");
	set(w, "growth", "window", "5s");
	live(w);
	dial_slowly_in_line(w, 36, 2, 210 * NS_PER_MS, NS_PER_MS);
	pass(w, 600 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

static void with_pauses_it_is_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	dial_in_line(w, 60, 2, 60 * NS_PER_MS);
	pass(w, 10 * NS_PER_S);
	assert_string_equal(w->told, "SgCg");
}

/* What does not stop is no burst, however hurried. */
static void without_an_end_it_is_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	dial_in_line(w, 1600, 1, NS_PER_MS);
	pass(w, 10 * NS_PER_S);
	assert_string_equal(w->told, "SgCg");
}

/* The server restarts: all are gone, and opened again one by one. */
static void a_return_is_no_growth(void **state)
{
	struct world *w = *state;
	uint32_t n[70];

	for (int i = 0; i < 70; i++) {
		n[i] = dial(w);
		query(w, n[i]);
	}
	pass(w, 300 * NS_PER_S);
	for (int i = 1; i < 70; i++)
		hang_up(w, n[i]);
	pass(w, 20 * NS_PER_S);
	for (int i = 1; i < 70; i++) {
		query(w, dial(w));
		pass(w, 200 * NS_PER_MS);
	}
	pass(w, 300 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/* A host that stands still: nobody looked while sixty were opened. */
static void filled_between_two_looks_is_no_growth(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	query(w, dial(w));
	pass(w, 10 * NS_PER_S);
	for (int i = 0; i < 60; i++) {
		w->now_ns += 500 * NS_PER_MS;
		query(w, dial(w));
	}
	w->now_ns += 25 * NS_PER_S;
	look(w);
	pass(w, 60 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/*
 * All are old at the same time: each ends, and another is dialled for it.  Nobody looks
 * meanwhile, and slots are in no order; what came to rest in between was passed by as often
 * as the pool grew since, which is never.
 */
static void a_renewal_between_two_looks_passes_nobody_by(void **state)
{
	struct world *w = *state;
	uint32_t n[12];

	only(w, "held");
	for (int i = 0; i < 12; i++) {
		n[i] = dial(w);
		query(w, n[i]);
	}
	for (int round = 0; round < 6; round++) {
		pass(w, 120 * NS_PER_S);
		for (int i = 0; i < 12; i++) {
			hang_up(w, n[i]);
			w->now_ns += NS_PER_S;
			n[i] = dial(w);
			query(w, n[i]);
			w->now_ns += NS_PER_S;
		}
		look(w);
	}
	pass(w, 300 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

static void more_held_than_may_be(void **state)
{
	struct world *w = *state;

	only(w, "growth");
	live(w);
	for (int i = 0; i < 9; i++) {
		query(w, dial(w));
		pass(w, 5 * NS_PER_S);
	}
	assert_string_equal(w->told, "");
	pass(w, 60 * NS_PER_S);
	assert_string_equal(w->told, "SgCg");
	assert_non_null(strstr(w->last.symptom.why, "connections left idle while it dialled"));
	print_message("# %s\n", w->last.symptom.why);
}

/* `count` connections, one after another, each for one statement. */
static void throw_away(struct world *w, int count, uint64_t every_ns, int queries)
{
	for (int i = 0; i < count; i++) {
		uint32_t n = dial(w);

		for (int j = 0; j < queries; j++)
			query(w, n);
		hang_up(w, n);
		pass(w, every_ns);
	}
}

static void used_once_and_thrown_away(void **state)
{
	struct world *w = *state;

	throw_away(w, 600, 300 * NS_PER_MS, 1);
	assert_string_equal(w->told, "ScCc");
	assert_true(finding_is_of_pool(&w->last));
	assert_int_equal(w->last.conn.pid, 4711);
	/* None of them was open at a look: there is no pool to be listed. */
	assert_int_equal(w->levels.count, 0);
	print_message("# %s\n", w->last.symptom.why);
	/* It stops: over in time. */
	pass(w, 120 * NS_PER_S);
	assert_string_equal(w->told, "ScCcRc");
	assert_int_equal(w->detect.regretted, 0);
}

static void no_churn(void **state)
{
	struct world *w = *state;
	uint32_t n[200];

	/* Too few; for too short; of many queries. */
	throw_away(w, 180, NS_PER_S, 1);
	pass(w, 300 * NS_PER_S);
	throw_away(w, 300, 200 * NS_PER_MS, 1);
	pass(w, 300 * NS_PER_S);
	throw_away(w, 600, 300 * NS_PER_MS, 50);
	pass(w, 300 * NS_PER_S);
	/* A batch job and its end. */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			n[i] = dial(w);
		for (int i = 0; i < 60; i++) {
			for (int j = 0; j < 200; j++)
				query(w, n[j]);
			pass(w, NS_PER_S);
		}
		for (int i = 0; i < 200; i++)
			hang_up(w, n[i]);
	}
	pass(w, 300 * NS_PER_S);
	assert_int_equal(w->detect.suspected, 0);
}

/* A shell's loop: each a process of its own. */
static void a_shell_s_loop_is_no_churn(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t n = dial(w);

		w->slots[n].tgid = w->slots[n].tid = 5000 + i;
		query(w, n);
		hang_up(w, n);
		pass(w, LOOK_NS);
	}
	assert_int_equal(w->detect.suspected, 0);
}

static void regrets_are_counted_by_kind(void **state)
{
	struct world *w = *state;
	uint32_t n = dial(w);

	w->slots[n].status = 'T';
	w->slots[n].txn_ns = w->now_ns;
	query(w, n);
	pass(w, 31 * NS_PER_S);
	assert_string_equal(w->told, "SiCi");
	w->slots[n].status = 'I';
	query(w, n);
	pass(w, LOOK_NS);
	for (size_t i = 0; i < w->detect.score_count; i++) {
		const struct score *s = &w->detect.scores[i];
		bool it = strcmp(s->detector->name, "idle-in-txn") == 0;

		assert_int_equal(s->confirmed, it);
		assert_int_equal(s->regretted, it);
		if (i)
			assert_true(strcmp(s[-1].detector->name, s->detector->name) < 0);
	}
}

#ifdef __SANITIZE_ADDRESS__
#define BAR_NS (200 * NS_PER_MS)
#else
#define BAR_NS (20 * NS_PER_MS)
#endif

static uint64_t cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/*
 * All detectors over 50,000 connections, one in a hundred leaked; the best of some, for
 * others run here too.
 */
static void fifty_thousand_in_time(void **state)
{
	uint64_t best_ns = UINT64_MAX, levels_ns = UINT64_MAX;
	struct world *w = *state;

	(void)teardown(state);
	open_world(w, 50000);
	for (uint32_t i = 0; i < 50000; i++) {
		w->slots[i] = w->slots[0];
		w->slots[i].phase = PHASE_FREE;
	}
	for (uint32_t i = 0; i < 50000; i++) {
		struct slot *s = &w->slots[i];

		*s = (struct slot){
			.gen = 1, .cookie = i + 1, .opened_ns = START - i, .last_ns = START,
			.phase = PHASE_READY, .protocol = WIRE_POSTGRESQL, .status = i % 100 ? (uint8_t)'I' : (uint8_t)'T',
			.tcp_state = 1, .tgid = 100 + i / 500, .tid = 100 + i / 500,
			.start_ticks = 1, .rport = 5432, .queries = i % 7,
		};
	}
	w->used = 50000;
	for (int i = 0; i < 12; i++) {
		uint64_t from_ns, ns;

		w->now_ns += 7 * NS_PER_S;
		for (uint32_t j = 0; j < w->used; j++)
			(void)conns_apply_slot(&w->conns, j, &w->slots[j]);
		from_ns = cpu_ns();
		levels_update(&w->levels, &w->conns, w->now_ns);
		ns = elapsed_ns(from_ns, cpu_ns());
		levels_ns = ns < levels_ns ? ns : levels_ns;
		from_ns = cpu_ns();
		detect_run(&w->detect, &w->conf, &w->conns, &w->levels, w->now_ns, changed, w);
		ns = elapsed_ns(from_ns, cpu_ns());
		best_ns = ns < best_ns ? ns : best_ns;
	}
	print_message("# detectors %.2f ms, levels %.2f ms\n", (double)best_ns / NS_PER_MS,
		      (double)levels_ns / NS_PER_MS);
	assert_true(best_ns <= BAR_NS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pool_that_only_grows),
		TEST(the_first_minute_is_no_growth),
		TEST(a_burst_is_no_growth),
		TEST(a_burst_of_silent_work_is_no_growth),
		TEST(a_burst_in_line_is_no_growth),
		TEST(a_slow_burst_in_line_is_no_growth),
		TEST(a_fill_is_no_growth),
		TEST(with_pauses_it_is_growth),
		TEST(without_an_end_it_is_growth),
		TEST(a_return_is_no_growth),
		TEST(filled_between_two_looks_is_no_growth),
		TEST(a_renewal_between_two_looks_passes_nobody_by),
		TEST(more_held_than_may_be),
		TEST(used_once_and_thrown_away),
		TEST(no_churn),
		TEST(a_shell_s_loop_is_no_churn),
		TEST(regrets_are_counted_by_kind),
		TEST(fifty_thousand_in_time),
	};

	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
