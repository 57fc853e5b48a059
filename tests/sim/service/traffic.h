/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the pools: by day and by night, in a steady stream and in bursts. */
#ifndef PLIMSOLL_SIM_TRAFFIC_H
#define PLIMSOLL_SIM_TRAFFIC_H

#include "pool.h"

/* What a job of the usual mixture takes on average. */
#define TRAFFIC_JOB_NS (50 * NS_PER_S)

/*
 * The longest silence inside a healthy transaction, and half of that outside of one: less
 * than the steepest gear leaves of the graces of idle-in-txn and of held.
 */
extern uint64_t traffic_quiet_ns;

struct job traffic_job(void);
struct job traffic_quick(void);

/* The stream of jobs of a pool that begins to run. */
void traffic_start(struct client_pool *p);

/* `n` jobs at once, or nearly so. */
void traffic_burst(struct client_pool *p, uint32_t n);

#endif
