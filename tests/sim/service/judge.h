/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true, and whether what was said agrees with it.
 *
 * The model knows which connections leak, since when and how.  A finding that is
 * confirmed on anything else is false; a leak that is not confirmed within twice its
 * grace is missed.
 */
#ifndef PLIMSOLL_SIM_JUDGE_H
#define PLIMSOLL_SIM_JUDGE_H

#include "pool.h"
#include "repair.h"

struct leak {
	uint32_t pid;
	const char *kind; /* the detector that has to say so */
	struct client_pool *pool;
	uint64_t cookie;		  /* 0: the pool's */
	uint64_t began_ns, frozen_sum_ns; /* 0: cannot be known yet */
	uint64_t grace_ns;
	bool confirmed, over;
	bool hidden; /* facts about it were lost: it need not be found */
};

/* The settings of the detectors, from which graces are taken. */
void judge_begin(uint64_t seed, bool tells, struct detect_conf *conf);

/* Of which kinds the promises are judged: "all", or names with commas between. */
void judge_only(const char *kinds);

/* Whether there is a detector for it that is on. */
bool judge_knows(const char *kind);

/* A leak begins on `l` of `p`, or on `p`; and ends, mended or given back or dead. */
void judge_leak(const char *kind, struct client_pool *p, struct link *l);
void judge_pool_leak(const char *kind, struct client_pool *p);

/* From now on a pool's leak can be known from what was seen; not before. */
void judge_evident(struct leak *leak);
void judge_over(struct leak *leak);

/* Facts about all that is under way were lost. */
void judge_lost_sight(void);

/* On the way to `e` bytes were lost and come through: silence there proves nothing. */
void judge_overcame(struct endpoint *e, uint64_t until_ns);

/* From now on facts about what pools do are lost, or are not any more. */
void judge_is_blind(bool blind);

void judge_finding(const struct finding *f);
int judge_intent(const struct repair *r);

/* One line of TAP for each thing that was promised.  Whether all was kept. */
bool judge_end(void);

#endif
