/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table's own pieces; nobody outside user/conn* includes this. */
#ifndef PLIMSOLL_CONN_INTERNAL_H
#define PLIMSOLL_CONN_INTERNAL_H

#include "conn.h"

/* conn.c: its socket is closed, or the slot is another's now.  `ended_ns`: 0 if nobody saw it. */
void conns_end(struct conns *t, struct conn *c, uint64_t ended_ns);

/* records.c: its start-up packet, where that came before the look that made `c` known. */
void conns_apply_early(struct conns *t, struct conn *c);

/* holders.c: one connection's part of a count. */
struct tally {
	uint32_t processes;
	uint32_t last_tgid; /* a process comes with all its descriptors in one go */
	bool owner_seen;
	struct holder oldest;
};

/* Whether a process of that name is such a server. */
bool protocol_is_served_by(const struct protocol *p, const char comm[static 16]);

/* queues.c: the slot is read again: what was seen of the queues is over if it moved. */
void conn_queues_moved(struct conns *t, struct conn *c, const struct slot *s);

/* Its activity, by what the wire says and what lies in its queues. */
void conn_queues_settle(struct conn *c);

#endif
