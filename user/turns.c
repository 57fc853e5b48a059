// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watch costs every message of the host a little, and a pre-forking server shares
 * connections for as long as it lives: so they are watched without a break for a minute,
 * and then one second of eight.
 */
#include "events.h"
#include "lib/clock.h"
#include "turns.h"

#define STEP_NS	  NS_PER_S
#define CLOSE_NS  (60 * NS_PER_S)
#define ONE_OF	  8

void turns_step(struct turns *n, struct events *e, struct conns *t, uint64_t now_ns)
{
	uint32_t shared = 0;

	if (elapsed_ns(n->stepped_ns, now_ns) < STEP_NS)
		return;
	n->stepped_ns = now_ns;
	conns_for_each(t, c) {
		if (c->holders >= 2 && conn_is_listed(c)) {
			conn_apply_turns(c, events_turns(e, c->slot, c->gen), now_ns);
			shared++;
		} else if (c->shared_ns) {
			conn_apply_turns(c, 0, now_ns);
		}
	}
	if (shared > n->shared)
		n->grown_ns = now_ns;
	n->shared = shared;
	events_watch_turns(e, shared && (elapsed_ns(n->grown_ns, now_ns) < CLOSE_NS ||
					 now_ns / STEP_NS % ONE_OF == 0));
}
