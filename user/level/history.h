/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a pool did with its connections over time: part of stage level.
 *
 * From outside a leak shows only as a pattern.  A pool that has an idle connection
 * does not dial another; where it does so again and again, on separate occasions, it
 * no longer knows of the idle one.  So the history keeps the *occasions* on which a
 * pool dialled: a dial is one when
 *   - its connection was put to work at once,
 *   - its thread had dialled for this pool before (else each thread may have one of
 *     its own),
 *   - there were more open then than at any time of the minute before (else it replaces
 *     one that ended), and
 *   - it did not follow upon the dial before, that one being no more than set up (else
 *     a pool is being filled).
 * Of pools that dial ahead of need no dial for work is one, but what their threads do
 * (level/moves.h).
 * Pure, and of fixed size whatever happens.
 */
#ifndef PLIMSOLL_LEVEL_HISTORY_H
#define PLIMSOLL_LEVEL_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "level/balance.h"
#include "level/moves.h"
#include "lib/clock.h"

struct conn;
struct ended;

#define OCCASIONS    32
#define FRESH	     8
#define SPAN_S	     5
#define OPEN_SPANS   120	/* ten minutes */
#define THROWN_SPANS 60		/* five minutes */
#define HISTORY_NEW_NS (60 * NS_PER_S)

/* A dial that was, or may be, an occasion. */
struct dial {
	uint64_t opened_ns;
	uint64_t rested_ns;	/* end of what was said on it at first; 0: it went on */
	uint32_t tid;
	uint32_t queries;	/* until then */
	bool used;		/* whether it was put to work at once */
};

/* Connections that came to their end in one span. */
struct thrown {
	uint16_t ended;
	uint16_t brief;		/* of those: of a short life and few queries */
};

struct history {
	uint64_t begun_ns;
	/* Dials on separate occasions, a ring, by time: those that were used, and not. */
	uint64_t used_ns[OCCASIONS], unused_ns[OCCASIONS];
	uint64_t used_count, unused_count;
	struct moves moves;
	uint32_t tids[OCCASIONS];	/* who dialled last */
	uint32_t tid_count;
	struct dial last;	/* of all dials */
	struct dial fresh[FRESH];	/* seen at this look, by time */
	uint32_t fresh_count;
	struct balance balance;	/* connections seen less those that ended */
	int32_t open_then;	/* by it, before what this look saw opened */
	bool stepped, stepped_then;	/* since the last look; and before that */

	/* The longest an overtaken connection lay idle and then went back to work. */
	uint64_t woke_after_ns;

	/*
	 * Of the connections overtaken at this look, by the occasion that brought them
	 * (the first: none of those kept): the first occasion that overtook one, and by
	 * that occasion how many.
	 */
	uint8_t rested_at[OCCASIONS + 1];
	uint16_t overtaken[OCCASIONS];
	/* Of all, by the occasion that brought them: when one that lay idle last worked. */
	uint64_t worked_ns[OCCASIONS + 1];
	/* Of unused_ns, those kept, a bit each: its connection lies there still. */
	uint32_t unused_open, unused_then;	/* the latter at the last look */

	/* Of the connections opened in the last HISTORY_NEW_NS: what was worked with each. */
	uint64_t new_lives_ns, new_opened_ns, new_newest_ns;	/* sum, mean, last */
	uint64_t new_first_ns;	/* sum: from the dial to its last word, a quarter of a second at most */
	uint32_t new_count;

	uint64_t span;		/* the newest, of SPAN_S seconds */
	uint16_t open[OPEN_SPANS];	/* the most that were open in it */
	uint16_t open_last;	/* at the last look */
	struct thrown thrown[THROWN_SPANS];
};

/* What was known of a slot's connection at the last look. */
struct past {
	uint64_t cookie, last_ns;
	uint64_t resumed_ns;	/* when it last worked after it was seen idle; 0: never */
	int32_t balance;	/* of its pool, when it came to rest */
	bool at_rest;		/* nothing was said since the look before */
	bool late;		/* it was not young when it was first seen */
	bool settled;		/* its dial was taken in */
	bool idle;		/* it was used before, and nothing was under way */
	uint64_t borrowed_ns;	/* since when it had the borrower it has */
	struct departure left;	/* how that one went on to another since it was last used */
};

/* A look: one begin, one take of each open connection of the pool, one end. */
void history_begin(struct history *h, uint64_t now_ns);
/* Also says of `c` how often it was overtaken: c->overtaken, c->overtaken_ns. */
void history_take(struct history *h, struct past *past, struct conn *c, uint64_t now_ns);
void history_end(struct history *h, uint32_t open);

/* A connection that is over; `past` is its slot's. */
void history_ended(struct history *h, const struct past *past, const struct ended *e,
		   uint64_t now_ns);

/*
 * How many overtaken connections there are of which each was dialled when the one
 * before had come to rest for good: dialled no sooner than `from_ns`, overtaken no later
 * than `until_ns`.  A pool that loses what it dials makes such a chain; several pools
 * side by side, or one that is filled, do not.
 */
uint32_t history_chain(const struct history *h, uint64_t from_ns, uint64_t until_ns);

/*
 * Whether one that was there before `from_ns` (0: before any was overtaken) lay idle and has
 * worked since `since_ns`.  A pool that loses its connections has new ones at work; who dials
 * beside a pool leaves it the old.
 */
bool history_outlived(const struct history *h, uint64_t from_ns, uint64_t since_ns);

/* How many connections were overtaken, no later than `until_ns`. */
uint32_t history_overtaken(const struct history *h, uint64_t until_ns);

/*
 * Whether it grew by `by` connections within `window_ns`, in the last HISTORY_NEW_NS but
 * not before `from_ns`, beyond the most there were in the ten minutes before, and still
 * has as many.
 */
bool history_grew(const struct history *h, uint64_t from_ns, uint64_t window_ns, uint64_t by,
		  uint32_t *ret_before);

/*
 * Whether of the last `count` dials (of those that are kept) most came right behind one
 * another: when one was there and had begun, the next was on its way.  And how long all new
 * ones took at that rate.
 */
bool history_in_a_row(const struct history *h, uint64_t count, uint64_t *ret_ns);

/*
 * The ends in the spans that began between the two, of the last five minutes, and of those
 * the ones of a brief life.
 */
void history_thrown(const struct history *h, uint64_t from_ns, uint64_t until_ns,
		    uint32_t *ret_ended, uint32_t *ret_brief);

#endif
