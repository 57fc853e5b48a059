/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How threads move from one of a pool's connections to another: the occasions of pools that
 * dial ahead of need, of which a dial says nothing (history.h has those of the others).
 *
 * HikariCP hands a thread the connection that it gave back last; where that is not free,
 * the oldest that is.  So a thread that goes on to another one, new to it, has *deserted*
 * the one it had: that was not free.  And where the other is younger, no older one was free
 * either, whoever had it last: that is an occasion, for all of them that were deserted.
 *
 * A thread may have several at a time.  Where it goes on from one that it asked only one
 * thing, it may be collecting them, and of those that it went on from before nothing is said.
 * Somebody may have borrowed one in between, for a moment, and asked nothing.  Then it is
 * free again, and comes back to work: where one does that was deserted for a younger one,
 * what was seen before is not held against the pool, nor what is seen in the ten minutes
 * after.  That holds for those too whose pool is not known, such as the one with which it
 * began; they are never deserted for others.  Pure.
 */
#ifndef PLIMSOLL_LEVEL_MOVES_H
#define PLIMSOLL_LEVEL_MOVES_H

#include <stdbool.h>
#include <stdint.h>

struct conn;

#define ARRIVALS 16	/* of one look; in such a crowd more tell nothing */
#define LANDINGS 32
#define HURRIES	 16

/* A thread has come to a connection that it did not use last. */
struct arrival {
	uint64_t ns;
	uint64_t opened_ns;	/* of that connection */
	uint32_t borrower, bag;
	bool deserts;		/* an older one */
};

/* The younger connection that was taken on an occasion: no older one was free. */
struct landing {
	uint64_t ns;
	uint64_t opened_ns;
	uint32_t bag;
};

struct moves {
	bool tell;		/* of this pool: else its dials do */
	struct arrival fresh[ARRIVALS], seen[ARRIVALS];	/* at this look, and at the last */
	uint32_t fresh_count, seen_count;
	struct landing landed[LANDINGS];	/* a ring, by time */
	uint64_t landed_count;
	/* Who went on from one used in one go, and since when he had that: the last few. */
	struct hurry {
		uint32_t borrower;
		uint64_t since_ns;
	} hurries[HURRIES];
	uint32_t hurried;
	uint64_t doubted_ns;	/* when a deserted one last came back to work; 0: never */
};

/* A look begins: those that arrived in the last are held against all connections. */
void moves_turn(struct moves *m);

/* `a` was an occasion. */
void moves_land(struct moves *m, const struct arrival *a);

/* `c` has another borrower than at the last look. */
void moves_arrive(struct moves *m, const struct conn *c);

/* How the borrower of a connection went on to another one, first of all. */
struct departure {
	uint64_t ns;		/* 0: did not, as far as was seen */
	bool deserts;		/* and that tells something */
	bool up;		/* to a younger one */
};

/* Whether the borrower of `c`, which is at rest, was seen to arrive elsewhere at the last look. */
struct departure moves_away(struct moves *m, const struct conn *c);

/* Whether what is known by now speaks against `d` of `c`. */
bool moves_excuse(struct moves *m, const struct conn *c, const struct departure *d);

/*
 * On how many occasions a younger one than `c` was taken since `since_ns`, by whomever.
 */
uint32_t moves_past(const struct moves *m, const struct conn *c, uint64_t since_ns,
		    uint64_t *ret_first_ns);

/* One that was deserted is back at work: of the others it is not sure either. */
void moves_doubt(struct moves *m, uint64_t now_ns);

#endif
