// SPDX-License-Identifier: GPL-2.0-or-later
/* The five stages of a connection's life, and the quiet clock of one that cannot run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
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

static void from_the_first_packet_to_ready(void **state)
{
	static const uint8_t early[] = { PHASE_OPENING, PHASE_HELLO, PHASE_NEGOTIATE, PHASE_AUTH };

	(void)state;
	for (size_t i = 0; i < sizeof(early); i++) {
		slot.phase = early[i];
		/* Not even retransmissions make one degraded that never was ready. */
		assert_int_equal(look(i, 3), STAGE_ESTABLISHING);
	}
	slot.phase = PHASE_READY;
	assert_int_equal(look(9, 0), STAGE_READY);
}

static void encrypted_and_adopted_ones_are_ready(void **state)
{
	(void)state;
	slot.phase = PHASE_BLIND;
	assert_int_equal(look(1, 0), STAGE_READY);
	slot.phase = PHASE_ADOPTED;
	assert_int_equal(look(2, 0), STAGE_READY);
	/* What was lost sight of is our trouble. */
	slot.phase = PHASE_READY;
	slot.flags = SLOT_UNFRAMED;
	assert_int_equal(look(3, 0), STAGE_READY);
}

static void retransmissions_degrade_and_ten_good_seconds_mend(void **state)
{
	(void)state;
	assert_int_equal(look(0, 1), STAGE_READY);
	assert_int_equal(look(1, 2), STAGE_DEGRADED);
	assert_int_equal(look(2, 3), STAGE_DEGRADED);
	heard(3);
	assert_int_equal(look(3, 0), STAGE_RECOVERING);
	heard(8);
	assert_int_equal(look(8, 0), STAGE_RECOVERING);
	assert_int_equal(look(11, 0), STAGE_RECOVERING);
	assert_int_equal(look(12, 0), STAGE_READY);
}

static void trouble_while_it_recovers_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(look(1, 2), STAGE_DEGRADED);
	heard(2);
	assert_int_equal(look(2, 0), STAGE_RECOVERING);
	assert_int_equal(look(9, 2), STAGE_DEGRADED);
	heard(10);
	assert_int_equal(look(10, 0), STAGE_RECOVERING);
	assert_int_equal(look(18, 0), STAGE_RECOVERING);
	assert_int_equal(look(19, 0), STAGE_READY);
}

/* Nobody asked the socket again, or it gave up counting: that is no proof of health. */
static void without_a_byte_it_stays_degraded(void **state)
{
	(void)state;
	assert_int_equal(look(1, 4), STAGE_DEGRADED);
	assert_int_equal(look(2, 0), STAGE_DEGRADED);
	assert_int_equal(look(3600, 0), STAGE_DEGRADED);
	heard(3601);
	assert_int_equal(look(3602, 0), STAGE_RECOVERING);
}

static void samples(uint32_t n, uint32_t us)
{
	slot.rtt_n += n;
	slot.rtt_sum_us += (uint64_t)n * us;
	slot.rtt_us = us;
}

static void a_round_trip_far_above_its_mean_degrades(void **state)
{
	(void)state;
	samples(1000, 20000);
	assert_int_equal(look(1, 0), STAGE_READY);
	/* A server that thinks before it acknowledges. */
	samples(1, 240000);
	assert_int_equal(look(2, 0), STAGE_READY);
	samples(1, 400000);
	assert_int_equal(look(3, 0), STAGE_DEGRADED);
	heard(4);
	samples(1, 300000);
	assert_int_equal(look(4, 0), STAGE_DEGRADED);
	heard(5);
	samples(1, 60000);
	assert_int_equal(look(5, 0), STAGE_RECOVERING);
	assert_int_equal(look(14, 0), STAGE_READY);
}

static void a_slow_network_is_not_a_degraded_one(void **state)
{
	(void)state;
	samples(1000, 300000);
	assert_int_equal(look(1, 0), STAGE_READY);
	samples(1, 900000);
	assert_int_equal(look(2, 0), STAGE_READY);
	samples(1, 1300000);
	assert_int_equal(look(3, 0), STAGE_DEGRADED);
	heard(4);
	samples(1, 700000);
	assert_int_equal(look(4, 0), STAGE_DEGRADED);
	heard(5);
	samples(1, 500000);
	assert_int_equal(look(5, 0), STAGE_RECOVERING);
}

static void of_few_round_trips_nobody_knows_the_mean(void **state)
{
	(void)state;
	samples(10, 100);
	samples(1, 2000000);
	assert_int_equal(look(1, 0), STAGE_READY);
}

static void closed_by_the_server_and_then_by_the_client(void **state)
{
	(void)state;
	assert_int_equal(look(1, 0), STAGE_READY);
	slot.tcp_state = 8;
	heard(2);
	assert_int_equal(look(2, 0), STAGE_DEGRADED);
	heard(3);
	assert_int_equal(look(60, 0), STAGE_DEGRADED);
	slot.tcp_state = 9;
	assert_int_equal(look(61, 0), STAGE_TERMINATED);
}

static void from_every_stage_it_may_end(void **state)
{
	(void)state;
	slot.phase = PHASE_AUTH;
	assert_int_equal(look(0, 0), STAGE_ESTABLISHING);
	slot.tcp_state = 7;
	assert_int_equal(look(0, 0), STAGE_TERMINATED);
	slot.tcp_state = 1;
	slot.phase = PHASE_READY;
	assert_int_equal(look(1, 2), STAGE_DEGRADED);
	slot.tcp_state = 4;
	assert_int_equal(look(2, 0), STAGE_TERMINATED);
}

static void the_next_in_the_slot_inherits_no_stage(void **state)
{
	(void)state;
	assert_int_equal(look(1, 5), STAGE_DEGRADED);
	slot.cookie = 8;
	slot.gen = 2;
	assert_int_equal(look(2, 0), STAGE_READY);
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
	const struct CMUnitTest tests[] = {
		TEST(from_the_first_packet_to_ready),
		TEST(encrypted_and_adopted_ones_are_ready),
		TEST(retransmissions_degrade_and_ten_good_seconds_mend),
		TEST(trouble_while_it_recovers_begins_anew),
		TEST(without_a_byte_it_stays_degraded),
		TEST(a_round_trip_far_above_its_mean_degrades),
		TEST(a_slow_network_is_not_a_degraded_one),
		TEST(of_few_round_trips_nobody_knows_the_mean),
		TEST(closed_by_the_server_and_then_by_the_client),
		TEST(from_every_stage_it_may_end),
		TEST(the_next_in_the_slot_inherits_no_stage),
		TEST(the_quiet_clock_stands_while_the_owner_cannot_run),
		TEST(a_stop_that_was_always_there_takes_all_of_the_silence),
		TEST(a_byte_begins_it_anew),
		TEST(no_time_is_never_much_time),
	};

	return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
