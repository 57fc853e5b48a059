// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HikariCP's pools are known by the thread that dialled (lib/hikari.h); of others nothing is
 * made, but that a thread uses theirs too.  The kernel side marks who sent last, and only
 * when that is another than before the stack that was taken of him is read, for his name: a
 * thread mostly gets the connection that it had.
 */
#include "borrowers.h"
#include "events.h"
#include "level.h"
#include "lib/hikari.h"
#include "lib/proc.h"

static uint32_t bag_of(const struct events *e, const struct conn *c)
{
	struct stack_snapshot dialler;
	char keeper[16];

	if (c->adopted || !events_snapshot(e, c->slot, c->gen, DEED_CONNECTED, &dialler))
		return 0;
	if (hikari_is_cut(dialler.thread, keeper) && proc_threads_called(c->pid, keeper) != 1)
		return 0;	/* whose of two it is, the name does not tell */
	return hikari_dials_for(dialler.thread);
}

static void look(const struct events *e, struct conn *c)
{
	uint32_t sender = events_sender(e, c->slot);
	struct stack_snapshot last;

	if (sender == c->sender) {
		conn_apply_sender(c, sender, c->borrower, c->borrowed_ns);
		return;
	}
	if (!sender || !events_snapshot(e, c->slot, c->gen, DEED_SENT, &last) ||
	    last.sender != sender)
		conn_apply_sender(c, 0, 0, 0);
	else
		conn_apply_sender(c, sender, hikari_may_borrow(last.thread) ? sender : 0,
				  last.since_ns);
}

void borrowers_step(const struct events *e, struct conns *t)
{
	conns_for_each(t, c) {
		if (c->sender_seen_ns == c->last_ns || c->phase != PHASE_READY ||
		    !fills_ahead(c->comm))
			continue;
		if (!c->sender_seen_ns)
			c->bag = bag_of(e, c);
		look(e, c);
	}
}
