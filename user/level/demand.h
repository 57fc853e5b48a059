/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked of a pool since it was first seen, for those who size it
 * (ask/advise.c).  A pool is forgotten with its last connection, and so is this.
 */
#ifndef PLIMSOLL_LEVEL_DEMAND_H
#define PLIMSOLL_LEVEL_DEMAND_H

#include "level.h"

struct demand {
	uint64_t since_ns, looked_ns;
	uint64_t looks;

	uint64_t queries;	/* answers, of all its connections */
	uint64_t second_ns;	/* when the second under way began */
	uint64_t second_queries;	/* and what it brought so far */
	double peak_per_s;	/* most of any second */

	/*
	 * Sums over time.  A request is `busy` from its acknowledgement to its answer;
	 * what lies before, the round trips say.
	 */
	double busy_s, in_use_s, seen_s;
	uint64_t rtt_n, rtt_us;

	uint32_t open_max, in_use_max, idle_max;
	double full_s;		/* how long all of open_max were in use at once, and at work */
	uint64_t looked_queries;	/* at the last look */
	uint64_t ended;		/* connections seen to end */
	uint64_t ended_young;	/* of these, within DEMAND_YOUNG_NS of their opening */
	uint64_t oldest_ns;	/* greatest age of any, a lower bound */
};

#define DEMAND_YOUNG_NS (60000000000ULL)

void demand_begin(struct demand *d, uint64_t now_ns);

/* A connection is over; `queries` of it were not counted yet. */
void demand_ended(struct demand *d, const struct ended *e, uint64_t queries);

/* After the pool was counted: `now_ns` of the look. */
void demand_look(struct demand *d, const struct pool *p, uint64_t now_ns);

/* Takes in what was asked of another pool: of one that serves alike in another process. */
void demand_add(struct demand *d, const struct demand *other);

/* Seconds from sending a request to its answer, on the mean.  0: not known. */
double demand_latency_s(const struct demand *d);

#endif
