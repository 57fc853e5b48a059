/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches whether the owners of silent connections can run at all, and lets the quiet
 * clocks of their connections stand still while they cannot.
 */
#ifndef PLIMSOLL_PAUSES_H
#define PLIMSOLL_PAUSES_H

#include "conn.h"

struct pauses;

/* 0 or -ENOMEM. */
int pauses_new(struct pauses **ret);
void pauses_free(struct pauses *p);

/*
 * One look, now and then; else nothing is done.  `grace_ns`: the shortest of the
 * detectors, of which the steepest gear leaves a quarter.
 */
void pauses_step(struct pauses *p, struct conns *t, uint64_t grace_ns, uint64_t now_ns);

/*
 * Whether the owner of `c`, which is in use and silent, could not run at the last look, or
 * was not looked at often enough to know: nothing is to be said of it until the next look.
 */
bool pauses_is_undecided(struct pauses *p, const struct conn *c, uint64_t now_ns);

/* Whether this very process is there and stopped, traced to a stop, or frozen. */
bool pauses_is_stopped(uint32_t pid, uint32_t start_ticks);

#endif
