// SPDX-License-Identifier: GPL-2.0-or-later
/* What lies in queues, and the detectors whose evidence that is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "detect.h"
#include "lib/clock.h"

#define START (1000 * NS_PER_S)
#define AT(s) (START + (s) * NS_PER_S)

struct world {
	struct conns conns;
	struct detect_conf conf;
	struct slot slot;
	struct conn *c;
};

static int setup(void **state)
{
	static struct world w;
	struct rec_startup named = {
		.hdr = { REC_STARTUP, sizeof(named), 0, 1, 0, 77, START },
		.bytes = "\0\0\0\0\0\0\0\0user\0app\0",
		.copied = 18,
	};

	memset(&w, 0, sizeof(w));
	if (conns_init(&w.conns, 8, "9a2b") < 0 || detect_conf_init(&w.conf) < 0)
		return -1;
	w.slot = (struct slot){
		.gen = 1,
		.cookie = 77,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = 'I',
		.tcp_state = 1,
		.tgid = 4711,
		.start_ticks = 9,
		.last_ns = START,
		.rx_bytes = 300,
		.tx_bytes = 200,
		.answered = 300,
	};
	w.c = conns_apply_slot(&w.conns, 0, &w.slot);
	conns_apply_record(&w.conns, &named.hdr, sizeof(named));
	*state = &w;
	return w.c && w.c->named ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	detect_conf_done(&w->conf);
	conns_done(&w->conns);
	return 0;
}

static void apply(struct world *w)
{
	w->c = conns_apply_slot(&w->conns, 0, &w->slot);
}

/* One walk that finds `q`. */
static void walk(struct world *w, uint64_t s, struct queues q)
{
	q.cookie = 77;
	q.gen = 1;
	conns_queues_begin(&w->conns, AT(s));
	if (q.unread || q.unacked)
		conns_apply_queues(&w->conns, &q, AT(s));
	conns_queues_end(&w->conns);
}

static bool says(const struct world *w, const char *kind, uint64_t s, struct symptom *ret)
{
	struct detector_setting *set = detect_conf_find((struct detect_conf *)&w->conf, kind);

	assert_non_null(set);
	return set->detector->check(w->c, NULL, &set->base, set->own, AT(s), ret);
}

static bool found(const struct world *w, const char *kind, uint64_t s)
{
	struct symptom ignored;

	return says(w, kind, s, &ignored);
}

static void a_view_lasts_until_the_next_byte(void **state)
{
	struct world *w = *state;

	walk(w, 10, (struct queues){ .unread = 500, .retransmits = 1, .unacked = 30 });
	assert_int_equal(w->c->view.unread, 500);
	apply(w);
	assert_int_equal(w->c->view.unread, 500);
	w->slot.last_ns++;
	apply(w);
	assert_int_equal(w->c->view.unread, 0);
	assert_int_equal(w->c->view.asked_ns, 0);
}

static void what_a_walk_does_not_name_is_empty(void **state)
{
	struct world *w = *state;

	walk(w, 10, (struct queues){ .unread = 500 });
	walk(w, 11, (struct queues){ 0 });
	assert_int_equal(w->c->view.unread, 0);
	assert_int_equal(w->c->view.unread_ns, 0);
	assert_int_equal(w->c->view.asked_ns, AT(11));
}

static void the_queues_of_another_are_not_taken(void **state)
{
	struct world *w = *state;
	struct queues q = { .cookie = 78, .gen = 1, .unread = 9 };

	conns_apply_queues(&w->conns, &q, AT(1));
	q.cookie = 77;
	q.gen = 2;
	conns_apply_queues(&w->conns, &q, AT(1));
	q.gen = 1;
	q.slot = 8;
	conns_apply_queues(&w->conns, &q, AT(1));
	q.slot = 1;
	conns_apply_queues(&w->conns, &q, AT(1));
	assert_int_equal(w->c->view.unread, 0);
}

static void each_read_begins_the_time_anew(void **state)
{
	struct world *w = *state;

	walk(w, 10, (struct queues){ .unread = 500 });
	walk(w, 20, (struct queues){ .unread = 500 });
	assert_int_equal(w->c->view.unread_ns, AT(10));
	walk(w, 30, (struct queues){ .unread = 499 });
	assert_int_equal(w->c->view.unread_ns, AT(30));
}

static void a_record_tells_before_a_walk(void **state)
{
	struct world *w = *state;
	struct rec_stalled r = {
		.hdr = { REC_STALLED, sizeof(r), 0, 1, 0, 77, AT(5) },
		.queues = { 77, 0, 1, 0, 30, 0, 2, 0, 0 },
	};

	conns_apply_record(&w->conns, &r.hdr, sizeof(r) - 1);
	assert_int_equal(w->c->view.retransmits, 0);
	conns_apply_record(&w->conns, &r.hdr, sizeof(r));
	assert_int_equal(w->c->view.retransmits, 2);
	assert_int_equal(w->c->view.stalled_ns, AT(5));
}

static void unread_is_told_from_its_likes(void **state)
{
	static const struct {
		const char *what;
		uint32_t unread, room, answered;
		uint8_t phase, status, flags, tcp_state;
		bool replicates, unnamed, found;
	} rows[] = {
		{ "window closed", 9000, 0, 300, PHASE_READY, 'I', SLOT_BUSY, 1, 0, 0, true },
		{ "server may send", 9000, 5000, 300, PHASE_READY, 'I', SLOT_BUSY, 1, 0, 0, false },
		{ "replication", 9000, 0, 300, PHASE_READY, 'I', SLOT_BUSY, 1, 1, 0, false },
		{ "may replicate", 9000, 0, 300, PHASE_READY, 'I', SLOT_BUSY, 1, 0, 1, false },
		{ "whole answer", 20, 5000, 300, PHASE_READY, 'I', 0, 1, 0, 0, true },
		{ "in transaction", 20, 5000, 300, PHASE_READY, 'T', 0, 1, 0, 0, true },
		{ "notification", 20, 5000, 280, PHASE_READY, 'I', 0, 1, 0, 0, false },
		{ "and an answer", 21, 5000, 280, PHASE_READY, 'I', 0, 1, 0, 0, true },
		{ "uncertain", 20, 5000, 300, PHASE_READY, 'I', SLOT_UNFRAMED, 1, 0, 0, false },
		{ "encrypted", 20, 0, 300, PHASE_BLIND, 'I', SLOT_TLS, 1, 0, 0, false },
		{ "logging in", 20, 0, 300, PHASE_AUTH, 0, 0, 1, 0, 0, false },
		{ "goodbye", 20, 5000, 300, PHASE_READY, 'I', 0, 8, 0, 0, false },
		{ "nothing", 0, 5000, 300, PHASE_READY, 'I', 0, 1, 0, 0, false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->slot.answered = rows[i].answered;
		w->slot.phase = rows[i].phase;
		w->slot.status = rows[i].status;
		w->slot.flags = rows[i].flags;
		w->slot.tcp_state = rows[i].tcp_state;
		w->slot.last_ns++;
		apply(w);
		w->c->replicates = rows[i].replicates;
		w->c->named = !rows[i].unnamed;
		walk(w, 1, (struct queues){ .unread = rows[i].unread, .room = rows[i].room });
		walk(w, 3, (struct queues){ .unread = rows[i].unread, .room = rows[i].room });
		if ((w->c->activity == ACTIVITY_UNREAD) != rows[i].found)
			fail_msg("%s: activity %s", rows[i].what, activity_name(w->c->activity));
		if (found(w, "unread", 300))
			fail_msg("%s: found before the grace", rows[i].what);
		if (found(w, "unread", 301) != rows[i].found)
			fail_msg("%s: found is not %d", rows[i].what, rows[i].found);
	}
}

static void unread_waits_while_its_owner_cannot_run(void **state)
{
	struct world *w = *state;

	walk(w, 1, (struct queues){ .unread = 20 });
	assert_true(found(w, "unread", 301));
	w->c->paused_ns = 100 * NS_PER_S;
	assert_false(found(w, "unread", 400));
	assert_true(found(w, "unread", 401));
	w->c->paused = true;
	assert_false(found(w, "unread", 1000));
}

static void unread_is_borne_out_by_the_same_queue(void **state)
{
	struct world *w = *state;
	struct finding f = { .detector = detect_conf_find(&w->conf, "unread")->detector };
	struct sock_facts facts = { 1, 20, 0, 300, 200, 0 };

	walk(w, 1, (struct queues){ .unread = 20 });
	f.conn = *w->c;
	assert_true(finding_is_borne_out(&f, &facts));
	facts.bytes_received = 290;	/* the buffer was full: what came is to come again */
	assert_true(finding_is_borne_out(&f, &facts));
	facts.unread = 19;
	assert_false(finding_is_borne_out(&f, &facts));
	facts.unread = 20;
	facts.bytes_received = 301;
	assert_false(finding_is_borne_out(&f, &facts));
}

static void half_dead_is_sure_when_it_lasts(void **state)
{
	static const struct {
		uint32_t retransmits, error, held, seconds;
		double confidence; /* 0: nothing is said */
	} rows[] = {
		{ 1, 0, 0, 60, 0 },	       { 2, 0, 0, 0, 0.3 },	   { 2, 0, 0, 1, 0.3 },
		{ 7, 0, 0, 60, 0.3 },	       { 8, 0, 0, 60, 0.95 },	   { 0, 0, 1, 0, 0.3 },
		{ 0, 0, 1, 30, 0.95 },	       { 1, EHOSTUNREACH, 0, 30, 0.95 },
		{ 1, ENETUNREACH, 0, 29, 0.3 }, { 1, ECONNREFUSED, 0, 60, 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct symptom s = { 0 };
		struct queues q = { .unacked = 30, .retransmits = rows[i].retransmits,
				    .error = rows[i].error, .held = rows[i].held };

		memset(w->conns.paths, 0, sizeof(w->conns.paths));
		w->slot.last_ns++;
		apply(w);
		memset(w->conns.paths, 0, sizeof(w->conns.paths));
		walk(w, 100, q);
		if (says(w, "half-dead", 100 + rows[i].seconds, &s) != (rows[i].confidence > 0) ||
		    (rows[i].confidence > 0 && s.confidence != rows[i].confidence))
			fail_msg("row %zu: %s, %g", i, s.why, s.confidence);
		if (rows[i].confidence > 0)
			assert_int_equal(s.since_ns, w->slot.last_ns);
	}
}

static void what_came_through_once_is_held_against_its_path(void **state)
{
	const struct queues q = { .unacked = 30, .retransmits = 8 };
	struct world *w = *state;

	walk(w, 100, q);
	assert_true(found(w, "half-dead", 160));
	w->slot.last_ns = AT(160);
	apply(w);
	walk(w, 170, q);
	assert_false(found(w, "half-dead", 300));
	/* A way that lost nothing for an hour is trusted again; one to elsewhere always was. */
	walk(w, 3761, q);
	assert_true(found(w, "half-dead", 3800));
	w->conns.paths[0].remote.port = 1;
	walk(w, 171, q);
	assert_true(found(w, "half-dead", 172));
}

static void where_others_are_answered_the_way_is_open(void **state)
{
	const struct queues q = { .unacked = 30, .retransmits = 2 };
	struct world *w = *state;
	struct slot other = w->slot;

	other.cookie = 78;
	other.last_ns = AT(99);
	assert_non_null(conns_apply_slot(&w->conns, 1, &other));
	walk(w, 100, q);
	assert_true(found(w, "half-dead", 100));
	other.last_ns = AT(101);
	(void)conns_apply_slot(&w->conns, 1, &other);
	walk(w, 102, q);
	assert_false(found(w, "half-dead", 102));
	walk(w, 150, (struct queues){ .unacked = 30, .retransmits = 8 });
	assert_true(found(w, "half-dead", 150));

	/* To another server it says nothing. */
	w->slot.last_ns = AT(3000);
	apply(w);
	memset(w->conns.paths, 0, sizeof(w->conns.paths));
	walk(w, 3001, q);
	other.rport = 1;
	other.gen++;
	other.cookie = 79;
	other.last_ns = AT(3002);
	(void)conns_apply_slot(&w->conns, 1, &other);
	walk(w, 3003, q);
	assert_true(found(w, "half-dead", 3003));
}

static void half_dead_is_borne_out_by_silence(void **state)
{
	struct world *w = *state;
	struct finding f = { .detector = detect_conf_find(&w->conf, "half-dead")->detector };
	struct sock_facts facts = { 1, 0, 30, 300, 200, 3 };

	walk(w, 1, (struct queues){ .unacked = 30, .retransmits = 3 });
	f.conn = *w->c;
	assert_true(finding_is_borne_out(&f, &facts));
	facts.retransmits = 0;
	assert_false(finding_is_borne_out(&f, &facts));
	facts.retransmits = 4;
	facts.bytes_acked = 201;
	assert_false(finding_is_borne_out(&f, &facts));
}

static void close_wait_is_less_sure_of_what_lay_idle(void **state)
{
	struct world *w = *state;
	struct symptom s;

	assert_false(found(w, "close-wait", 1000));
	w->slot.tcp_state = 8;
	w->slot.last_ns = AT(1);
	apply(w);
	assert_false(found(w, "close-wait", 60));
	assert_true(says(w, "close-wait", 61, &s));
	assert_int_equal(s.since_ns, AT(1));
	assert_float_equal(s.confidence, 0.8, 0);
	w->c->lending = LENDING_LENT;
	assert_true(says(w, "close-wait", 61, &s));
	assert_float_equal(s.confidence, 1.0, 0);
	w->c->paused = true;
	assert_false(found(w, "close-wait", 61));
}

static void shared_takes_two_that_come_back(void **state)
{
	struct world *w = *state;
	struct symptom s;

	w->c->holders = 2;
	conn_apply_turns(w->c, 1, AT(10));
	assert_false(found(w, "shared", 1000));	/* handed over */
	conn_apply_turns(w->c, 2, AT(20));
	conn_apply_turns(w->c, 9, AT(40));
	assert_false(found(w, "shared", 49));
	assert_true(says(w, "shared", 50, &s));
	assert_int_equal(s.since_ns, AT(20));
	w->c->holders = 1;
	assert_false(found(w, "shared", 50));
	conn_apply_turns(w->c, 9, AT(60));
	w->c->holders = 2;
	assert_false(found(w, "shared", 1000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_view_lasts_until_the_next_byte),
		TEST(what_a_walk_does_not_name_is_empty),
		TEST(the_queues_of_another_are_not_taken),
		TEST(each_read_begins_the_time_anew),
		TEST(a_record_tells_before_a_walk),
		TEST(unread_is_told_from_its_likes),
		TEST(unread_waits_while_its_owner_cannot_run),
		TEST(unread_is_borne_out_by_the_same_queue),
		TEST(half_dead_is_sure_when_it_lasts),
		TEST(what_came_through_once_is_held_against_its_path),
		TEST(where_others_are_answered_the_way_is_open),
		TEST(half_dead_is_borne_out_by_silence),
		TEST(close_wait_is_less_sure_of_what_lay_idle),
		TEST(shared_takes_two_that_come_back),
	};

	return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
