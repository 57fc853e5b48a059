/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage level: connections -> pools, and how full each is.
 *
 * A pool is owner x endpoint x database x user: what an application's connection
 * pool looks like from outside.  Pure.
 */
#ifndef PLIMSOLL_LEVEL_H
#define PLIMSOLL_LEVEL_H

#include "level/history.h"

struct pool {
	/* identity */
	uint32_t pid, start_ticks, uid;
	struct addr endpoint;
	const struct protocol *protocol;
	char user[NAME_LEN], database[NAME_LEN];
	char comm[16];

	/* the level: open = in_use + idle + unknown; in_txn of those in use */
	uint32_t open, in_use, idle, in_txn, unknown;

	/* the water: see DESIGN section 6 */
	double rtt_ms, rtt_var_ms2, jitter_rate, decay_factor;
	uint32_t rtt_samples;	/* in the window; 0: the four above are not known */
	uint32_t watermark;

	struct history history;	/* see level/history.h */
};

#define LATELY 64

struct levels {
	struct pool *pools;
	uint32_t count, capacity;
	uint32_t *of_conn;	/* conn slot -> index in pools, or LEVEL_NONE */
	struct window *windows;	/* of each pool: round trips of the last 60 s */
	struct reading *readings;	/* of each conn slot: the sums last taken in */
	struct past *pasts;	/* of each conn slot: as it was at the last update */
	/*
	 * Pools that have no connection at the moment: some open one for each query.  A
	 * ring; pid 0: nothing there.
	 */
	struct pool *lately;
	uint32_t lately_next;
	uint64_t ended_taken;	/* of conns.ended_count */
	uint32_t *moved;	/* work space: where a pool went when others were dropped */
	struct index by_key;
	uint32_t conn_capacity;
	uint32_t high;		/* entries of of_conn that may be set */
};

#define LEVEL_NONE INDEX_NONE

/* Room for as many pools as there may be connections.  0 or -ENOMEM. */
int levels_init(struct levels *l, uint32_t conn_capacity);
void levels_done(struct levels *l);

/* Counts every pool anew. */
void levels_update(struct levels *l, const struct conns *t, uint64_t now_ns);

/*
 * The pool of a connection, or NULL; valid until the next update.  Cookie 0: of any
 * that has the same owner, endpoint, protocol, user and database.
 */
const struct pool *levels_of(const struct levels *l, const struct conn *c);

/*
 * The watermark formula of DESIGN section 6, exactly.
 *   rtt_var_ms2   clamped to [0.5, 50]
 *   jitter_rate   clamped to [0.01, 0.3]
 *   decay_factor  in (0, 1]
 */
uint32_t level_watermark(double rtt_var_ms2, double jitter_rate, double decay_factor);

#endif
