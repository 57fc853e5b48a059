/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An engine without a kernel: what the slots of a few connections would have made it. */
#ifndef PLIMSOLL_TESTS_FIXTURE_H
#define PLIMSOLL_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "lib/clock.h"

#define FIXTURE_CONNS 4096

static inline void fixture_open(struct engine *e)
{
	*e = (struct engine){ .started_ns = clock_now_ns() };
	assert_int_equal(config_init(&e->config), 0);
	assert_int_equal(conns_init(&e->conns, FIXTURE_CONNS, "ab12"), 0);
	assert_int_equal(levels_init(&e->levels, FIXTURE_CONNS), 0);
	assert_int_equal(detect_init(&e->detect, FIXTURE_CONNS), 0);
}

static inline void fixture_close(struct engine *e)
{
	detect_done(&e->detect);
	levels_done(&e->levels);
	conns_done(&e->conns);
	config_done(&e->config);
}

/* PostgreSQL connection number `i` of uid's process 100+i; status 'I', 'T' or 'E'. */
static inline struct conn *fixture_conn(struct engine *e, uint32_t i, uint32_t uid, char status)
{
	uint64_t now_ns = clock_now_ns(), quiet_ns = 3600 * NS_PER_S;
	struct slot s = {
		.gen = 1,
		.last_ns = now_ns > quiet_ns ? now_ns - quiet_ns : 1,
		.opened_ns = 1,
		.status = (uint8_t)status,
		.phase = PHASE_READY,
		.tcp_state = 1,
		.protocol = WIRE_POSTGRESQL,
		.queries = 3,
		.cookie = 0x100 + i,
		.tgid = 100 + i,
		.start_ticks = 7,
		.uid = uid,
		.tid = 100 + i,
		.rport = 5432,
		.lport = (uint16_t)(40000 + i),
		.laddr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
		.raddr = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
	};
	struct conn *c;

	if (status != 'I')
		s.txn_ns = s.last_ns;
	(void)snprintf(s.comm, sizeof(s.comm), "app%u", i);
	c = conns_apply_slot(&e->conns, i, &s);
	assert_non_null(c);
	levels_update(&e->levels, &e->conns, now_ns);
	return c;
}

static inline void fixture_changed(const struct finding *f, void *arg)
{
	(void)f;
	(void)arg;
}

/* Lets the detectors look, agree with what they say, and look again. */
static inline void fixture_detect(struct engine *e)
{
	for (int i = 0; i < 3; i++) {
		detect_run(&e->detect, &e->config.detect, &e->conns, &e->levels, clock_now_ns(),
			   fixture_changed, NULL);
		findings_for_each(&e->detect, f)
			f->checked = true;
	}
}

#endif
