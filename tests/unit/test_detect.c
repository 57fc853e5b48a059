// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a finding, and the detector idle-in-txn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "detect.h"
#include "lib/clock.h"

#define CAPACITY 64
#define START	 (1000 * NS_PER_S)

struct world {
	struct conns conns;
	struct levels levels;
	struct detect detect;
	struct detect_conf conf;
	char told[256];	     /* every change of state, one letter each */
	struct finding last; /* as it was told */
	struct slot slots[CAPACITY];
};

static int setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	if (conns_init(&w.conns, CAPACITY, "9a2b") < 0 || levels_init(&w.levels, CAPACITY) < 0 ||
	    detect_init(&w.detect, 8) < 0 || detect_conf_init(&w.conf) < 0)
		return -1;
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
	return 0;
}

static void changed(const struct finding *f, void *arg)
{
	struct world *w = arg;
	char *end = w->told + strlen(w->told);

	*end = (char)("SCRM"[f->state]);
	w->last = *f;
}

static struct conn *apply(struct world *w, uint32_t slot)
{
	return conns_apply_slot(&w->conns, slot, &w->slots[slot]);
}

/* A connection in a transaction, silent since `last_ns`. */
static struct slot *leak(struct world *w, uint32_t slot, uint64_t last_ns)
{
	w->slots[slot] = (struct slot){
		.gen = 1,
		.cookie = 100 + slot,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = 'T',
		.tcp_state = 1,
		.tgid = 4711,
		.start_ticks = 9,
		.last_ns = last_ns,
		.txn_ns = last_ns - 2 * NS_PER_S,
		.rx_bytes = 300,
		.tx_bytes = 200,
	};
	(void)apply(w, slot);
	return &w->slots[slot];
}

/* One run `seconds` after START; returns what was told, since the last run. */
static const char *run(struct world *w, uint64_t seconds)
{
	uint64_t now_ns = START + seconds * NS_PER_S;

	memset(w->told, 0, sizeof(w->told));
	levels_update(&w->levels, &w->conns, now_ns);
	detect_run(&w->detect, &w->conf, &w->conns, &w->levels, now_ns, changed, w);
	return w->told;
}

static void agree(struct world *w)
{
	findings_for_each(&w->detect, f)
		f->checked = true;
}

static void defaults_are_the_detector_s_own(void **state)
{
	struct world *w = *state;
	struct detector_setting *s = detect_conf_find(&w->conf, "idle-in-txn");

	assert_non_null(s);
	assert_int_equal(s->base.enabled, 1);
	assert_int_equal(s->base.grace_ns, 30 * NS_PER_S);
	assert_null(detect_conf_find(&w->conf, "no-such"));
}

static void suspect_after_the_grace_then_confirmed(void **state)
{
	struct world *w = *state;

	(void)leak(w, 0, START);
	assert_string_equal(run(w, 29), "");
	assert_string_equal(run(w, 30), "S");
	assert_int_equal(w->last.symptom.since_ns, START);
	assert_float_equal(w->last.symptom.confidence, 1.0, 0);
	assert_string_equal(run(w, 31), "");
	agree(w);
	assert_string_equal(run(w, 32), "C");
	assert_int_equal(w->last.confirmed_ns, START + 32 * NS_PER_S);
	assert_string_equal(w->last.symptom.why,
			    "transaction open for 34.0 s, client silent for 32.0 s");
	assert_string_equal(run(w, 33), "");
	assert_int_equal(w->detect.suspected, 1);
	assert_int_equal(w->detect.confirmed, 1);
}

static void never_confirmed_by_the_run_that_found_it(void **state)
{
	struct world *w = *state;

	(void)leak(w, 0, START);
	(void)run(w, 30);
	agree(w);
	assert_string_equal(run(w, 30), "");
	assert_string_equal(run(w, 31), "C");
}

static void denied_stays_suspect(void **state)
{
	struct world *w = *state;

	(void)leak(w, 0, START);
	(void)run(w, 30);
	agree(w);
	w->detect.findings[0].denied = true;
	assert_string_equal(run(w, 31), "");
	assert_string_equal(run(w, 300), "");
}

static void goes_back_to_work_while_suspect(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	(void)run(w, 30);
	s->flags = SLOT_BUSY;
	(void)apply(w, 0);
	assert_string_equal(run(w, 31), "R");
	assert_int_equal(w->detect.retracted, 1);
	assert_int_equal(w->detect.regretted, 0);
	assert_int_equal(w->detect.count, 0);
}

static void goes_back_to_work_when_confirmed_is_a_regret(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	(void)run(w, 30);
	agree(w);
	(void)run(w, 31);
	s->status = 'I';
	s->rx_bytes += 20;
	s->last_ns = START + 31 * NS_PER_S;
	(void)apply(w, 0);
	assert_string_equal(run(w, 32), "R");
	assert_int_equal(w->last.ended_ns, START + 32 * NS_PER_S);
	assert_int_equal(w->detect.regretted, 1);
}

static void an_end_is_no_regret(void **state)
{
	static const struct {
		uint8_t phase, tcp_state;
	} ends[] = {
		{ PHASE_FREE, 0 }, { PHASE_READY, 4 }, { PHASE_READY, 8 }, { PHASE_CLOSED, 1 }
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct world *w = *state;
		struct slot *s = leak(w, 0, START);

		s->cookie = 1000 + i;
		(void)apply(w, 0);
		(void)run(w, 30);
		agree(w);
		assert_string_equal(run(w, 31), "C");
		s->phase = ends[i].phase;
		s->tcp_state = ends[i].tcp_state;
		s->rx_bytes += 5;
		(void)apply(w, 0);
		assert_string_equal(run(w, 32), "R");
		assert_int_equal(w->detect.regretted, 0);
	}
}

static void lost_facts_are_no_regret(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	(void)run(w, 30);
	agree(w);
	(void)run(w, 31);
	s->flags = SLOT_UNCOUNTED;
	(void)apply(w, 0);
	assert_string_equal(run(w, 32), "R");
	assert_int_equal(w->detect.regretted, 0);
}

static void the_same_trouble_anew_is_a_new_finding(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);
	char first[FINDING_ID_LEN];

	(void)run(w, 30);
	agree(w);
	(void)run(w, 31);
	memcpy(first, w->last.id, sizeof(first));
	/* Between two runs it moved, and fell silent for the grace again. */
	s->last_ns = START + 40 * NS_PER_S;
	s->rx_bytes += 50;
	(void)apply(w, 0);
	assert_string_equal(run(w, 80), "RS");
	assert_string_not_equal(w->last.id, first);
	assert_false(w->last.checked);
	assert_int_equal(w->detect.regretted, 1);
}

static void the_grace_begins_anew_with_every_byte(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	(void)run(w, 30);
	agree(w);
	s->last_ns = START + 31 * NS_PER_S;
	(void)apply(w, 0);
	assert_string_equal(run(w, 32), "R");
	assert_string_equal(run(w, 60), "");
	assert_string_equal(run(w, 61), "S");
}

static void the_id_says_what_and_since_when(void **state)
{
	struct world *w = *state;
	char first[FINDING_ID_LEN];

	(void)leak(w, 3, START);
	(void)run(w, 40);
	memcpy(first, w->last.id, sizeof(first));
	assert_int_equal(strlen(first), 13);
	assert_int_equal(first[0], 'f');
	assert_int_equal(strspn(first + 1, "0123456789abcdef"), 12);
	assert_ptr_equal(detect_find(&w->detect, first), &w->detect.findings[0]);
	assert_ptr_equal(detect_find(&w->detect, "c9a2b.67"), &w->detect.findings[0]);
	assert_null(detect_find(&w->detect, "f000000000000"));

	/* A restarted observer, which looks at another moment, gives the same name. */
	detect_done(&w->detect);
	assert_int_equal(detect_init(&w->detect, 8), 0);
	(void)run(w, 95);
	assert_string_equal(w->last.id, first);
}

static void a_full_table_counts_what_it_loses(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < 10; i++)
		(void)leak(w, i, START);
	assert_string_equal(run(w, 30), "SSSSSSSS");
	assert_int_equal(w->detect.lost, 2);
	/* A place that comes free is used. */
	w->slots[2].phase = PHASE_FREE;
	(void)apply(w, 2);
	assert_string_equal(run(w, 31), "R");
	assert_string_equal(run(w, 32), "S");
}

static void a_repair_under_way_is_not_judged(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);
	struct conn *c;

	(void)run(w, 30);
	agree(w);
	(void)run(w, 31);
	w->detect.findings[0].under_repair = true;
	s->status = 'E';
	s->rx_bytes += 60;
	s->last_ns = START + 31 * NS_PER_S;
	c = apply(w, 0);
	assert_string_equal(run(w, 32), "");
	c->defused_rx_bytes = c->rx_bytes;
	memset(w->told, 0, sizeof(w->told));
	detect_mend(&w->detect, &w->detect.findings[0], START + 33 * NS_PER_S, changed, w);
	assert_string_equal(w->told, "M");
	assert_int_equal(w->last.ended_ns, START + 33 * NS_PER_S);
	assert_int_equal(w->detect.mended, 1);
	assert_int_equal(w->detect.regretted, 0);
	/* What our repair left behind is no trouble. */
	assert_string_equal(run(w, 300), "");
}

static void a_long_repair_is_not_judged_either(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	(void)run(w, 30);
	w->detect.findings[0].under_repair = true;
	s->last_ns = START + 31 * NS_PER_S;
	(void)apply(w, 0);
	assert_string_equal(run(w, 90), "");
	w->detect.findings[0].under_repair = false;
	assert_string_equal(run(w, 91), "RS");
}

/* Whatever the activity says: what is uncertain is not judged. */
static void uncertain_is_never_idle_in_txn(void **state)
{
	struct world *w = *state;
	struct detector_setting *set = detect_conf_find(&w->conf, "idle-in-txn");
	struct symptom s;
	struct conn c;

	(void)leak(w, 0, START);
	c = w->conns.table[0];
	assert_true(set->detector->check(&c, NULL, &set->base, set->own, 2 * START, &s));
	c.uncertain = true;
	assert_false(set->detector->check(&c, NULL, &set->base, set->own, 2 * START, &s));
}

static void disabled_finds_nothing_and_drops_what_it_had(void **state)
{
	struct world *w = *state;

	(void)leak(w, 0, START);
	(void)run(w, 30);
	detect_conf_find(&w->conf, "idle-in-txn")->base.enabled = 0;
	assert_string_equal(run(w, 31), "R");
	assert_string_equal(run(w, 32), "");
}

static bool is_found(struct world *w, const char *kind)
{
	findings_for_each(&w->detect, f)
		if (strcmp(f->detector->name, kind) == 0)
			return true;
	return false;
}

/* One trouble has one finding: the one that says more, or the one that is there. */
static void what_was_cancelled_is_told_once(void **state)
{
	struct world *w = *state;

	leak(w, 0, START)->status = 'E';
	apply(w, 0)->cancelled_ns = START;
	assert_string_equal(run(w, 40), "S");
	assert_true(is_found(w, "cancelled"));
	assert_false(is_found(w, "idle-in-txn"));
	detect_conf_find(&w->conf, "idle-in-txn")->base.grace_ns = 10 * NS_PER_S;
	w->slots[0].last_ns = START + 50 * NS_PER_S;
	apply(w, 0)->cancelled_ns = START + 50 * NS_PER_S;
	assert_string_equal(run(w, 65), "SR");
	assert_string_equal(run(w, 90), "");
	assert_true(is_found(w, "idle-in-txn"));
	assert_false(is_found(w, "cancelled"));
}

/* A host so busy that its pool is read once, and then not for a minute: it lay there since. */
static void held_is_lent_from_one_reading_to_another(void **state)
{
	struct world *w = *state;
	uint64_t read_ns = START + 2 * NS_PER_S;

	leak(w, 0, START)->status = 'I';
	conns_apply_lending(&w->conns, apply(w, 0)->cookie, LENDING_LENT, START + NS_PER_S, read_ns);
	assert_string_equal(run(w, 100), "");
	/* What was read was read at some time in between: it counts as of the first moment. */
	conns_apply_lending(&w->conns, 100, LENDING_LENT, read_ns + 59 * NS_PER_S, START + 110 * NS_PER_S);
	assert_string_equal(run(w, 110), "");
	conns_apply_lending(&w->conns, 100, LENDING_LENT, read_ns + 60 * NS_PER_S, START + 111 * NS_PER_S);
	(void)run(w, 111);
	assert_true(is_found(w, "held"));
	/* And it was silent from one to the other. */
	w->slots[0].last_ns = START + 112 * NS_PER_S;
	(void)apply(w, 0);
	conns_apply_lending(&w->conns, 100, LENDING_LENT, START + 113 * NS_PER_S, START + 113 * NS_PER_S);
	(void)run(w, 180);
	assert_false(is_found(w, "held"));
}

static void idle_in_txn_is_told_from_its_likes(void **state)
{
	static const struct {
		const char *what;
		uint8_t status, phase, flags, tcp_state, protocol, pending;
		bool found;
	} rows[] = {
		{ "in a transaction", 'T', PHASE_READY, 0, 1, WIRE_POSTGRESQL, 0, true },
		{ "failed", 'E', PHASE_READY, 0, 1, WIRE_POSTGRESQL, 0, true },
		{ "idle", 'I', PHASE_READY, 0, 1, WIRE_POSTGRESQL, 0, false },
		{ "no mark", 0, PHASE_READY, 0, 1, WIRE_POSTGRESQL, 0, false },
		{ "running", 'T', PHASE_READY, SLOT_BUSY, 1, WIRE_POSTGRESQL, 0, false },
		{ "asked", 'T', PHASE_READY, 0, 1, WIRE_POSTGRESQL, 1, false },
		{ "unframed", 'T', PHASE_READY, SLOT_UNFRAMED, 1, WIRE_POSTGRESQL, 0, false },
		{ "uncounted", 'T', PHASE_READY, SLOT_UNCOUNTED, 1, WIRE_POSTGRESQL, 0, false },
		{ "server closed", 'T', PHASE_READY, 0, 8, WIRE_POSTGRESQL, 0, false },
		{ "closing", 'T', PHASE_READY, 0, 4, WIRE_POSTGRESQL, 0, false },
		{ "encrypted", 'T', PHASE_BLIND, SLOT_TLS, 1, WIRE_POSTGRESQL, 0, false },
		{ "starting", 'T', PHASE_AUTH, 0, 1, WIRE_POSTGRESQL, 0, false },
		{ "other protocol", 'T', PHASE_READY, 0, 1, WIRE_UNKNOWN, 0, false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slot *s = leak(w, 0, START);

		s->cookie = 5000 + i;
		s->status = rows[i].status;
		s->phase = rows[i].phase;
		s->flags = rows[i].flags;
		s->tcp_state = rows[i].tcp_state;
		s->protocol = rows[i].protocol;
		s->pending = rows[i].pending;
		(void)apply(w, 0);
		(void)run(w, 60 + i);
		if (is_found(w, "idle-in-txn") != rows[i].found)
			fail_msg("%s: found is not %d", rows[i].what, rows[i].found);
	}
}

static void an_adopted_one_is_less_sure(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	s->cookie = 7;
	s->flags = SLOT_ADOPTED;
	(void)apply(w, 0);
	(void)run(w, 31);
	assert_float_equal(w->last.symptom.confidence, 0.9, 1e-9);
	assert_string_equal(w->last.symptom.why,
			    "transaction open for at least 33.0 s, client silent for 31.0 s");
}

static void a_failed_transaction_says_so(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);

	s->status = 'E';
	s->txn_ns = 0;
	(void)apply(w, 0);
	(void)run(w, 31);
	assert_string_equal(w->last.symptom.why,
			    "failed transaction open, client silent for 31.0 s");
}

static void a_defused_one_that_went_on_is_judged_again(void **state)
{
	struct world *w = *state;
	struct slot *s = leak(w, 0, START);
	struct conn *c;

	s->status = 'E';
	c = apply(w, 0);
	c->defused_rx_bytes = c->rx_bytes;
	assert_string_equal(run(w, 40), "");
	/* The client tried a statement, was told that it failed, and forgot it again. */
	s->rx_bytes += 80;
	s->last_ns = START + 40 * NS_PER_S;
	(void)apply(w, 0);
	assert_string_equal(run(w, 70), "S");
}

static bool is_crowded(const struct pool *p, const struct detector_conf *base, const void *conf,
		       uint64_t now_ns, struct symptom *ret)
{
	(void)base;
	(void)conf;
	(void)now_ns;
	ret->since_ns = START;
	ret->confidence = 1;
	return p->open >= 2;
}

static void a_pool_s_finding_lives_as_a_connection_s(void **state)
{
	static const struct detector crowded = { .name = "crowded", .check_pool = is_crowded };
	struct detector_setting only = { .detector = &crowded, .base = { .enabled = 1 } };
	struct world *w = *state;
	struct detect_conf all = w->conf;
	char id[FINDING_ID_LEN];

	w->conf = (struct detect_conf){ &only, 1 };
	(void)leak(w, 0, START);
	assert_string_equal(run(w, 1), "");
	(void)leak(w, 1, START);
	assert_string_equal(run(w, 2), "S");
	assert_true(finding_is_of_pool(&w->last));
	assert_true(conn_is_listed(&w->last.conn));
	assert_int_equal(w->last.conn.pid, 4711);
	assert_string_equal(w->last.conn.id, "");
	memcpy(id, w->last.id, sizeof(id));
	assert_ptr_equal(levels_of(&w->levels, &w->last.conn), &w->levels.pools[0]);
	/* No socket to ask: what was seen twice is confirmed. */
	assert_string_equal(run(w, 3), "C");
	assert_string_equal(w->last.id, id);
	w->slots[1].phase = PHASE_FREE;
	(void)apply(w, 1);
	assert_string_equal(run(w, 4), "R");
	w->conf = all;
}

static bool always(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		   const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)c;
	(void)p;
	(void)base;
	(void)conf;
	(void)now_ns;
	(void)ret;
	return true;
}

static bool something_is_unread(const struct conn *c, const struct sock_facts *facts)
{
	(void)c;
	return facts->unread > 0;
}

static bool maybe(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	ret->confidence = 0.4;
	return always(c, p, base, conf, now_ns, ret);
}

static void what_is_less_sure_than_half_stays_a_suspicion(void **state)
{
	static const struct detector unsure = { .name = "unsure", .check = maybe };
	struct detector_setting only = { .detector = &unsure, .base = { .enabled = 1 } };
	struct world *w = *state;
	struct detect_conf all = w->conf;

	w->conf = (struct detect_conf){ &only, 1 };
	(void)leak(w, 0, START);
	assert_string_equal(run(w, 1), "S");
	agree(w);
	assert_string_equal(run(w, 2), "");
	assert_string_equal(run(w, 300), "");
	w->conf = all;
}

static void a_detector_may_say_what_bears_it_out(void **state)
{
	static const struct detector own = { "own", .check = always,
					     .agrees = something_is_unread };
	static const struct detector plain = { "plain", .check = always };
	const struct sock_facts still = { .tcp_state = 1, .bytes_received = 300, .bytes_acked = 200 };
	struct sock_facts unread = still;
	struct finding f = { .conn = { .tcp_state = 1, .rx_bytes = 300, .tx_bytes = 200 } };

	(void)state;
	unread.unread = 1;
	f.detector = &plain;
	assert_true(finding_is_borne_out(&f, &still));
	assert_false(finding_is_borne_out(&f, &unread));
	f.detector = &own;
	assert_false(finding_is_borne_out(&f, &still));
	assert_true(finding_is_borne_out(&f, &unread));
}

static void nobody_is_quiet_while_he_cannot_run(void **state)
{
	struct world *w = *state;
	struct conn *c;

	(void)leak(w, 0, START);
	c = conns_find_cookie(&w->conns, 100);
	c->paused_ns = 5 * NS_PER_S;
	assert_string_equal(run(w, 34), "");
	assert_string_equal(run(w, 35), "S");
	w->slots[0].last_ns = START + 36 * NS_PER_S;
	(void)apply(w, 0);
	assert_int_equal(c->paused_ns, 0);
}

/* 63 connections of one pool: 95 % of the line, third gear, 90 % of the grace. */
static void the_grace_is_the_gear_s(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 1; i < 64; i++)
		(void)leak(w, i, START + 1000 * NS_PER_S);
	(void)leak(w, 0, START);
	assert_string_equal(run(w, 26), "");
	assert_int_equal(levels_of(&w->levels, &w->conns.table[0])->gear, 3);
	assert_string_equal(run(w, 27), "S");
	assert_int_equal(w->last.grace_ns, 27 * NS_PER_S);
}

/* The pool gets emptier, and a minute later patient again; the leak is still one. */
static void a_patient_gear_is_no_excuse(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 1; i < 64; i++)
		(void)leak(w, i, START + 1000 * NS_PER_S);
	(void)leak(w, 0, START);
	(void)run(w, 27);
	agree(w);
	assert_string_equal(run(w, 28), "C");
	/* Nobody's grace any more, but for this one. */
	detect_conf_find(&w->conf, "idle-in-txn")->base.grace_ns = 35 * NS_PER_S;
	assert_string_equal(run(w, 29), "");
	/* It went on after all. */
	w->slots[0].last_ns = START + 30 * NS_PER_S;
	w->slots[0].rx_bytes += 10;
	(void)apply(w, 0);
	assert_string_equal(run(w, 30), "R");
	assert_int_equal(w->detect.regretted, 1);
}

/* No gear ever leaves so little of it: then the setting was changed. */
static void a_setting_far_beyond_takes_it_back(void **state)
{
	struct world *w = *state;

	(void)leak(w, 0, START);
	assert_string_equal(run(w, 30), "S");
	detect_conf_find(&w->conf, "idle-in-txn")->base.grace_ns = 600 * NS_PER_S;
	assert_string_equal(run(w, 31), "R");
}

/* What cannot run is not silent; found before, it stays found. */
static void a_stopped_owner_is_given_time(void **state)
{
	struct world *w = *state;
	struct conn *c;

	(void)leak(w, 0, START);
	c = &w->conns.table[0];
	conn_apply_pause(c, START + 10 * NS_PER_S, true, START + 20 * NS_PER_S);
	assert_string_equal(run(w, 500), "");
	conn_apply_pause(c, START + 20 * NS_PER_S, false, START + 500 * NS_PER_S);
	assert_string_equal(run(w, 519), "");
	assert_string_equal(run(w, 520), "S");
	agree(w);
	assert_string_equal(run(w, 521), "C");
	/* Last seen running before it was found: its clock is set back to then. */
	conn_apply_pause(c, START + 518 * NS_PER_S, true, START + 522 * NS_PER_S);
	assert_string_equal(run(w, 900), "");
	conn_apply_pause(c, START + 522 * NS_PER_S, false, START + 901 * NS_PER_S);
	assert_string_equal(run(w, 901), "");
	w->slots[0].status = 'I';
	(void)apply(w, 0);
	assert_string_equal(run(w, 902), "R");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_the_detector_s_own),
		TEST(suspect_after_the_grace_then_confirmed),
		TEST(never_confirmed_by_the_run_that_found_it),
		TEST(denied_stays_suspect),
		TEST(goes_back_to_work_while_suspect),
		TEST(goes_back_to_work_when_confirmed_is_a_regret),
		TEST(an_end_is_no_regret),
		TEST(lost_facts_are_no_regret),
		TEST(the_same_trouble_anew_is_a_new_finding),
		TEST(the_grace_begins_anew_with_every_byte),
		TEST(the_id_says_what_and_since_when),
		TEST(a_full_table_counts_what_it_loses),
		TEST(a_repair_under_way_is_not_judged),
		TEST(a_long_repair_is_not_judged_either),
		TEST(uncertain_is_never_idle_in_txn),
		TEST(disabled_finds_nothing_and_drops_what_it_had),
		TEST(what_was_cancelled_is_told_once),
		TEST(held_is_lent_from_one_reading_to_another),
		TEST(idle_in_txn_is_told_from_its_likes),
		TEST(an_adopted_one_is_less_sure),
		TEST(a_failed_transaction_says_so),
		TEST(a_defused_one_that_went_on_is_judged_again),
		TEST(a_pool_s_finding_lives_as_a_connection_s),
		TEST(what_is_less_sure_than_half_stays_a_suspicion),
		TEST(a_detector_may_say_what_bears_it_out),
		TEST(nobody_is_quiet_while_he_cannot_run),
		TEST(the_grace_is_the_gear_s),
		TEST(a_patient_gear_is_no_excuse),
		TEST(a_setting_far_beyond_takes_it_back),
		TEST(a_stopped_owner_is_given_time),
	};

	return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
