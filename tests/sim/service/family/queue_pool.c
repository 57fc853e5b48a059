// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SQLAlchemy's QueuePool, and psycopg2's pools that resemble it: pool_size stay, what
 * overflows is closed when it comes back; in a queue, oldest first, unless use_lifo; checked
 * before use with pre_ping, replaced when borrowed after `recycle`.  Several workers.
 */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_idle = (uint32_t)chance_between(5, 20);
	p->max_open = p->max_idle + (uint32_t)chance_between(5, 30);
	p->fifo = chance(0.7);
	p->checks = chance(0.6);
	p->lifetime_ns = chance(0.5) ? chance_between(10, 120) * MINUTE : 0;
	p->words.setup = 2;
	p->threads = 20;
	house_traffic(p, p->max_idle * 0.5);
}

static const struct family queue_pool = {
	.name = "queue_pool",
	.share = 20,
	.begin = begin,
};
REGISTER(family, queue_pool);
