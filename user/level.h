/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage level: connections -> pools, how full each is, and how hard to look.
 *
 * A pool is owner x endpoint x database x user: what an application's connection
 * pool looks like from outside.  Pure.
 */
#ifndef PLIMSOLL_LEVEL_H
#define PLIMSOLL_LEVEL_H

#include "conn.h"
#include "level/history.h"

/* What one of a pool's own objects says (an sql.DB), and what it was told. */
struct pool_handle {
	uint32_t max_open;	/* 0: unlimited */
	uint32_t max_idle;
	uint64_t max_lifetime_ns, max_idle_ns;	/* 0: unlimited */
	uint32_t open, idle;
	uint64_t wait_count, wait_ns;
};

#define POOL_HANDLES_MAX 4	/* shown one by one */

/* The pool's own word, where it can be had: the sum over its handles. */
struct pool_word {
	bool known;
	uint32_t max_open;	/* 0: unlimited */
	uint32_t open, idle;
	uint64_t wait_count, wait_ns;
	uint32_t handle_count;
	struct pool_handle handles[POOL_HANDLES_MAX];
};

#define GEARS 6

/* A number the load line is made of; see level/line.c for what moves it. */
struct input {
	double now;		/* as measured last */
	double in_force;	/* what the formula is given */
	uint64_t lower_ns;	/* since when `now` lies well below; 0: it does not */
	bool known;		/* was measured at least once; else both are 0 */
};

struct pool {
	/* identity */
	uint32_t pid, start_ticks, uid;
	struct addr endpoint;
	const struct protocol *protocol;
	char user[NAME_LEN], database[NAME_LEN];
	char comm[16];

	/* the level: open = in_use + idle + unknown; in_txn of those in use */
	uint32_t open, in_use, idle, in_txn, unknown;
	uint32_t busy;		/* of those in use: a statement is under way */
	uint64_t newest_ns;	/* when the newest of them was opened */

	/* the water: see DESIGN section 6 */
	struct input rtt_var_ms2, jitter_rate, decay_factor;
	double rtt_ms;		/* mean of the window, or of the last that was not empty */
	uint32_t rtt_samples;	/* in the window */
	uint32_t watermark;	/* by the formula, of the inputs in force */
	uint32_t cap;		/* a known limit; 0: none */
	uint32_t line;		/* the lower of the two: what the gear goes by */
	uint64_t fell_ns;	/* when an input last went down a step */

	uint8_t gear;		/* 1 patient .. GEARS; 0: before the first update */
	uint64_t gear_ns;	/* when its level was last high enough for it */

	struct pool_word word;
	uint32_t own_max;	/* the limit it was last known to have; 0: none */
	bool forwards;		/* each of its connections has a client elsewhere */
	struct history history;	/* see level/history.h */
};

#define LATELY 64

/* An operator's word on how many connections a pool may have: config/pools.c. */
struct pool_limit {
	char comm[32], endpoint[ADDR_TEXT_LEN], database[NAME_LEN], user[NAME_LEN];
	uint64_t max;
};

/*
 * The gear of `p` went from `from` to p->gear.  `fact_ns` is the kernel's time of the
 * fact that did it: a connection opened; or `now_ns` of the update where it was none.
 */
typedef void (*shift_fn)(const struct pool *p, unsigned int from, uint64_t fact_ns, void *arg);

struct levels {
	struct pool *pools;
	uint32_t count, capacity;
	uint32_t *of_conn;	/* conn slot -> index in pools, or LEVEL_NONE */
	uint8_t *counted_as;	/* and which of its numbers it is in, for as long as it is there */
	struct window *windows;	/* of each pool: round trips of the last 60 s */
	struct demand *demands;	/* of each pool: what was asked of it (level/demand.h) */
	struct reading *readings;	/* of each conn slot: the sums last taken in */
	struct past *pasts;	/* of each conn slot: as it was at the last update */
	/*
	 * Pools that have no connection at the moment: some open one for each query.  A
	 * ring; pid 0: nothing there.
	 */
	struct pool *lately;
	uint32_t lately_next;
	uint32_t *moved;	/* work space: where a pool went when others were dropped */
	struct index by_key;
	uint32_t conn_capacity;
	uint32_t high;		/* entries of of_conn that may be set */
	uint64_t updated_ns;
	uint64_t ended_seen;	/* of conns.ended_count */
	const struct pool_limit *limits;	/* the first that fits counts; not ours */
	size_t limit_count;
	shift_fn shifted;	/* NULL: nobody wants to know */
	void *shifted_arg;
};

#define LEVEL_NONE INDEX_NONE

/* Whether a process of this name forwards what others say, or people at their desks do. */
bool is_forwarder(const char *comm);

/* Whether its pools dial from threads of their own, ahead of need: Java's do. */
bool fills_ahead(const char *comm);

/* Whether `c` belongs to `p`: the same owner, endpoint, protocol, user and database. */
bool pool_owns(const struct pool *p, const struct conn *c);

/* Room for as many pools as there may be connections.  0 or -ENOMEM. */
int levels_init(struct levels *l, uint32_t conn_capacity);
void levels_done(struct levels *l);

/* Counts every pool anew. */
void levels_update(struct levels *l, const struct conns *t, uint64_t now_ns);

/* What the pool of this connection says of itself; it holds until all are forgotten. */
void levels_forget_words(struct levels *l);
void levels_apply_word(struct levels *l, const struct conn *c, const struct pool_word *word);

/*
 * Between two updates: `c` was opened, or is over, as a record says that came at
 * `now_ns` of a fact at `fact_ns`.  Its pool's level and gear are right at once; all
 * else waits for the update.
 */
void levels_opened(struct levels *l, const struct conn *c, uint64_t fact_ns, uint64_t now_ns);
void levels_closed(struct levels *l, const struct conn *c);

/*
 * The pool of a connection, or NULL; valid until the next update.  Cookie 0: of any
 * that has the same owner, endpoint, protocol, user and database.
 */
const struct pool *levels_of(const struct levels *l, const struct conn *c);

/* What was asked of `p`, which is one of l->pools. */
const struct demand *levels_demand(const struct levels *l, const struct pool *p);

/*
 * The watermark formula of DESIGN section 6, exactly.
 *   rtt_var_ms2   clamped to [0.5, 50]
 *   jitter_rate   clamped to [0.01, 0.3]
 *   decay_factor  in (0, 1]
 */
uint32_t level_watermark(double rtt_var_ms2, double jitter_rate, double decay_factor);

/* What is left of a grace period in this gear: all of it in the first. */
uint64_t gear_grace_ns(unsigned int gear, uint64_t grace_ns);

#endif
