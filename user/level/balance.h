/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many connections a pool had open, and when: the last steps up and down, by the
 * kernel's time of each, however many fell between two looks.  Pure.
 */
#ifndef PLIMSOLL_LEVEL_BALANCE_H
#define PLIMSOLL_LEVEL_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#define STEPS 64

struct change {
	uint64_t ns;
	int32_t open; /* from then on */
};

struct balance {
	struct change step[STEPS]; /* by time */
	uint32_t count;
	int32_t before; /* open before the first of them */
	bool forgot;	/* there were more */
};

/* One opened (`by` 1) or ended (-1) at `ns`, which may lie before steps that are known. */
void balance_step(struct balance *b, uint64_t ns, int32_t by);

int32_t balance_now(const struct balance *b);

/* The most that were open at any time from `from_ns` until before `until_ns`. */
int32_t balance_most(const struct balance *b, uint64_t from_ns, uint64_t until_ns);

/* How many were open at `ns`, that of the instant included. */
int32_t balance_at(const struct balance *b, uint64_t ns);

/* The last steps up: how many; of them, how many came soon after the one before, in what time. */
struct rises {
	uint32_t count, near;
	uint64_t near_ns;
};

/* Of the last `most`, soon being `ns`. */
struct rises balance_rises(const struct balance *b, uint32_t most, uint64_t ns);

/* Whether the steps kept reach back to `ns`. */
bool balance_knows(const struct balance *b, uint64_t ns);

#endif
