/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What drivers do with connections that lie in the pool. */
#ifndef PLIMSOLL_SIM_HOUSE_H
#define PLIMSOLL_SIM_HOUSE_H

#include "pool.h"
#include "traffic.h"

/* Closes what is too old, or was not used for too long while more than `keep` are open. */
void house_retire(struct client_pool *p, uint32_t keep);

/* Asks a little question on what has been silent for `keepalive_ns`. */
void house_ping(struct client_pool *p);

/* Dials one connection when fewer than `min_idle` are free. */
void house_fill(struct client_pool *p);

/* So many jobs that `in_use` connections are in use at noon, on average. */
void house_traffic(struct client_pool *p, double in_use);

#endif
