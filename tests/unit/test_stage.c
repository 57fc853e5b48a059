// SPDX-License-Identifier: GPL-2.0-or-later
/* The five stages of a connection's life, and the quiet clock of one that cannot run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define START (1000 * NS_PER_S)

static struct conns conns;
static struct slot slot;

static int setup(void **state)
{
	(void)state;
	slot = (struct slot){
		.gen = 1,
		.cookie = 7,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = 'I',
		.tcp_state = 1,
		.tgid = 4711,
		.start_ticks = 9,
		.last_ns = START,
	};
	return conns_init(&conns, 4, "0000");
}

static int teardown(void **state)
{
	(void)state;
	conns_done(&conns);
	return 0;
}

/* One look `seconds` after START, where the socket shows this many retransmissions. */
static enum stage look(uint64_t seconds, uint32_t retransmits)
{
	struct conn *c = conns_apply_slot(&conns, 0, &slot);

	c->view.retransmits = retransmits;
	c->view.unacked = retransmits ? 100 : 0;
	conns_judge_stages(&conns, START + seconds * NS_PER_S);
	return c->stage;
}

static void heard(uint64_t seconds)
{
	slot.last_ns = START + seconds * NS_PER_S;
}

#define LOOKS 8

/* What the slot says at a look, and the stage it is in then. */
struct moment {
	uint64_t at_s;
	uint32_t retransmits;
	uint64_t heard_s;	/* when the last byte came; 0: as before */
	uint8_t phase;		/* 0: as before, as all below */
	uint8_t tcp_state;
	uint32_t flags;
	uint32_t rtt_n, rtt_us;	/* round trips since the look before */
	uint64_t cookie;
	enum stage stage;
};

static void happen(const struct moment *m)
{
	if (m->heard_s)
		heard(m->heard_s);
	if (m->phase)
		slot.phase = m->phase;
	if (m->tcp_state)
		slot.tcp_state = m->tcp_state;
	if (m->flags)
		slot.flags = m->flags;
	if (m->cookie) {
		slot.cookie = m->cookie;
		slot.gen++;
	}
	if (m->rtt_n) {
		slot.rtt_n += m->rtt_n;
		slot.rtt_sum_us += (uint64_t)m->rtt_n * m->rtt_us;
		slot.rtt_us = m->rtt_us;
	}
}

static const struct life {
	const char *what;
	struct moment moments[LOOKS];	/* up to one at no time, with nothing in it */
} lives[] = {
	/* Not even retransmissions make one degraded that never was ready. */
	{ "from the first packet to ready", {
		{ 0, 3, .phase = PHASE_OPENING, .stage = STAGE_ESTABLISHING },
		{ 1, 3, .phase = PHASE_HELLO, .stage = STAGE_ESTABLISHING },
		{ 2, 3, .phase = PHASE_NEGOTIATE, .stage = STAGE_ESTABLISHING },
		{ 3, 3, .phase = PHASE_AUTH, .stage = STAGE_ESTABLISHING },
		{ 9, 0, .phase = PHASE_READY, .stage = STAGE_READY },
	} },
	/* What was lost sight of is our trouble. */
	{ "encrypted and adopted ones are ready", {
		{ 1, 0, .phase = PHASE_BLIND, .stage = STAGE_READY },
		{ 2, 0, .phase = PHASE_ADOPTED, .stage = STAGE_READY },
		{ 3, 0, .phase = PHASE_READY, .flags = SLOT_UNFRAMED, .stage = STAGE_READY },
	} },
	{ "retransmissions degrade, and ten good seconds mend", {
		{ 1, 1, .stage = STAGE_READY },
		{ 1, 2, .stage = STAGE_DEGRADED },
		{ 2, 3, .stage = STAGE_DEGRADED },
		{ 3, 0, .heard_s = 3, .stage = STAGE_RECOVERING },
		{ 8, 0, .heard_s = 8, .stage = STAGE_RECOVERING },
		{ 11, 0, .stage = STAGE_RECOVERING },
		{ 12, 0, .stage = STAGE_READY },
	} },
	{ "trouble while it recovers begins anew", {
		{ 1, 2, .stage = STAGE_DEGRADED },
		{ 2, 0, .heard_s = 2, .stage = STAGE_RECOVERING },
		{ 9, 2, .stage = STAGE_DEGRADED },
		{ 10, 0, .heard_s = 10, .stage = STAGE_RECOVERING },
		{ 18, 0, .stage = STAGE_RECOVERING },
		{ 19, 0, .stage = STAGE_READY },
	} },
	/* Nobody asked the socket again, or it gave up counting: that is no proof of health. */
	{ "without a byte it stays degraded", {
		{ 1, 4, .stage = STAGE_DEGRADED },
		{ 2, 0, .stage = STAGE_DEGRADED },
		{ 3600, 0, .stage = STAGE_DEGRADED },
		{ 3602, 0, .heard_s = 3601, .stage = STAGE_RECOVERING },
	} },
	/* At the second look a server thinks before it acknowledges. */
	{ "a round trip far above its mean degrades", {
		{ 1, .rtt_n = 1000, .rtt_us = 20000, .stage = STAGE_READY },
		{ 2, .rtt_n = 1, .rtt_us = 240000, .stage = STAGE_READY },
		{ 3, .rtt_n = 1, .rtt_us = 400000, .stage = STAGE_DEGRADED },
		{ 4, .heard_s = 4, .rtt_n = 1, .rtt_us = 300000, .stage = STAGE_DEGRADED },
		{ 5, .heard_s = 5, .rtt_n = 1, .rtt_us = 60000, .stage = STAGE_RECOVERING },
		{ 14, .stage = STAGE_READY },
	} },
	{ "a slow network is not a degraded one", {
		{ 1, .rtt_n = 1000, .rtt_us = 300000, .stage = STAGE_READY },
		{ 2, .rtt_n = 1, .rtt_us = 900000, .stage = STAGE_READY },
		{ 3, .rtt_n = 1, .rtt_us = 1300000, .stage = STAGE_DEGRADED },
		{ 4, .heard_s = 4, .rtt_n = 1, .rtt_us = 700000, .stage = STAGE_DEGRADED },
		{ 5, .heard_s = 5, .rtt_n = 1, .rtt_us = 500000, .stage = STAGE_RECOVERING },
	} },
	{ "of few round trips nobody knows the mean", {
		{ 1, .rtt_n = 10, .rtt_us = 100, .stage = STAGE_READY },
		{ 1, .rtt_n = 1, .rtt_us = 2000000, .stage = STAGE_READY },
	} },
	{ "closed by the server and then by the client", {
		{ 1, .stage = STAGE_READY },
		{ 2, .tcp_state = TCP_STATE_CLOSE_WAIT, .heard_s = 2, .stage = STAGE_DEGRADED },
		{ 60, .heard_s = 3, .stage = STAGE_DEGRADED },
		{ 61, .tcp_state = TCP_STATE_LAST_ACK, .stage = STAGE_TERMINATED },
	} },
	{ "while it is established it may end", {
		{ 1, .phase = PHASE_AUTH, .stage = STAGE_ESTABLISHING },
		{ 1, .tcp_state = TCP_STATE_CLOSE, .stage = STAGE_TERMINATED },
	} },
	{ "while it is degraded it may end", {
		{ 1, 2, .stage = STAGE_DEGRADED },
		{ 2, .tcp_state = TCP_STATE_FIN_WAIT1, .stage = STAGE_TERMINATED },
	} },
	{ "the next in the slot inherits no stage", {
		{ 1, 5, .stage = STAGE_DEGRADED },
		{ 2, .cookie = 8, .stage = STAGE_READY },
	} },
};

static void live(void **state)
{
	const struct life *l = *state;

	for (size_t i = 0; i < LOOKS && (i == 0 || l->moments[i].at_s); i++) {
		const struct moment *m = &l->moments[i];
		enum stage stage;

		happen(m);
		stage = look(m->at_s, m->retransmits);
		if (stage != m->stage)
			fail_msg("look %zu: %s, not %s", i, stage_name(stage), stage_name(m->stage));
	}
}

/* --- the quiet clock -------------------------------------------------------- */

static uint64_t quiet_s(struct conn *c, uint64_t seconds)
{
	return conn_quiet_ns(c, START + seconds * NS_PER_S) / NS_PER_S;
}

static void pause_for(struct conn *c, uint64_t from, bool paused, uint64_t now)
{
	conn_apply_pause(c, START + from * NS_PER_S, paused, START + now * NS_PER_S);
}

static void the_quiet_clock_stands_while_the_owner_cannot_run(void **state)
{
	struct conn *c = conns_apply_slot(&conns, 0, &slot);

	(void)state;
	assert_int_equal(quiet_s(c, 10), 10);
	/* Seen running at 9, stopped at 10. */
	pause_for(c, 9, true, 10);
	assert_int_equal(quiet_s(c, 10), 9);
	assert_int_equal(quiet_s(c, 500), 9);
	pause_for(c, 10, true, 500);
	assert_int_equal(quiet_s(c, 600), 9);
	/* At 600 it runs again, somewhen since 500. */
	pause_for(c, 500, false, 600);
	assert_int_equal(quiet_s(c, 600), 9);
	assert_int_equal(quiet_s(c, 621), 30);
}

static void a_stop_that_was_always_there_takes_all_of_the_silence(void **state)
{
	struct conn *c = conns_apply_slot(&conns, 0, &slot);

	(void)state;
	conn_apply_pause(c, 0, true, START + 77 * NS_PER_S);
	assert_int_equal(quiet_s(c, 77), 0);
	pause_for(c, 77, false, 78);
	assert_int_equal(quiet_s(c, 80), 2);
}

static void a_byte_begins_it_anew(void **state)
{
	struct conn *c = conns_apply_slot(&conns, 0, &slot);

	(void)state;
	pause_for(c, 5, true, 10);
	heard(20);
	c = conns_apply_slot(&conns, 0, &slot);
	/* The server's byte, while its owner is stopped still. */
	assert_int_equal(quiet_s(c, 25), 0);
	pause_for(c, 10, true, 30);
	pause_for(c, 30, false, 31);
	assert_int_equal(quiet_s(c, 31), 0);
	assert_int_equal(quiet_s(c, 36), 5);
}

/*
 * In suspend CLOCK_MONOTONIC, which all times here are of, does not go on, and nobody
 * can set it: a night in a bag is no time at all, and a time that seems to lie behind is
 * none either.
 */
static void no_time_is_never_much_time(void **state)
{
	struct conn *c = conns_apply_slot(&conns, 0, &slot);

	(void)state;
	assert_int_equal(conn_quiet_ns(c, START - 1), 0);
	conn_apply_pause(c, START, false, START - 5);
	assert_int_equal(c->paused_ns, 0);
	assert_int_equal(look(0, 2), STAGE_DEGRADED);
	heard(1);
	assert_int_equal(look(1, 0), STAGE_RECOVERING);
	conns_judge_stages(&conns, START - 500 * NS_PER_S);
	assert_int_equal(c->stage, STAGE_RECOVERING);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest clocks[] = {
		TEST(the_quiet_clock_stands_while_the_owner_cannot_run),
		TEST(a_stop_that_was_always_there_takes_all_of_the_silence),
		TEST(a_byte_begins_it_anew),
		TEST(no_time_is_never_much_time),
	};
	struct CMUnitTest stages[ARRAY_SIZE(lives)];

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++)
		stages[i] = (struct CMUnitTest){ lives[i].what, live, setup, teardown,
						 (void *)(uintptr_t)&lives[i] };
	return cmocka_run_group_tests_name("stage", stages, NULL, NULL) +
	       cmocka_run_group_tests_name("quiet", clocks, NULL, NULL);
}
