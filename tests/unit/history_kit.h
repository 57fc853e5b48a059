/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool's connections as the history of a pool sees them: looked at every tenth of a second. */
#ifndef PLIMSOLL_TESTS_HISTORY_KIT_H
#define PLIMSOLL_TESTS_HISTORY_KIT_H

#include <stdint.h>

#include "level.h"
#include "level/history.h"

#define START	(10000 * NS_PER_S)
#define MOST	200
#define LOOK_NS (100 * NS_PER_MS)

static const struct protocol protocol = { .name = "postgresql", .wire = WIRE_POSTGRESQL };

static struct world {
	struct history history;
	struct conn conns[MOST];	/* cookie 0: none */
	struct past pasts[MOST];
	uint64_t now_ns, cookie;
	uint32_t open;
} w;

static void look(void)
{
	history_begin(&w.history, w.now_ns);
	/* Slots are in no order of time. */
	for (uint32_t i = MOST; i-- > 0;)
		if (w.conns[i].cookie)
			history_take(&w.history, &w.pasts[i], &w.conns[i], w.now_ns);
	history_end(&w.history, w.open);
}

static void pass(uint64_t ns)
{
	for (uint64_t end_ns = w.now_ns + ns; w.now_ns < end_ns;) {
		w.now_ns += LOOK_NS;
		look();
	}
}

/* Opened just now by this thread, let in, and asked nothing. */
static struct conn *dial(uint32_t tid)
{
	uint32_t i = 0;

	while (w.conns[i].cookie)
		i++;
	w.conns[i] = (struct conn){
		.cookie = ++w.cookie,
		.slot = i,
		.pid = 7,
		.tid = tid,
		.protocol = &protocol,
		.evidence = EVIDENCE_WIRE,
		.stage = STAGE_READY,
		.activity = ACTIVITY_IDLE,
		.said = ACTIVITY_IDLE,
		.phase = PHASE_READY,
		.tcp_state = 1,
		.opened_ns = w.now_ns,
		.last_ns = w.now_ns,
		.used = true,
	};
	w.open++;
	return &w.conns[i];
}

#endif
