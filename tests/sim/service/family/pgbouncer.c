// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pgbouncer's server side: hundreds of connections, the latest first, lives of an hour;
 * a round of its house-keeping dials one, when fewer than min_pool_size are open.
 */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_open = p->max_idle = (uint32_t)chance_between(60, 140);
	p->min_idle = chance(0.5) ? (uint32_t)chance_between(1, 20) : 0;
	p->idle_ns = 10 * MINUTE;
	p->lifetime_ns = HOUR;
	p->house_ns = NS_PER_S;
	p->fifo = chance(0.3);
	p->words.setup = chance(0.3) ? 1 : 0;
	house_traffic(p, p->max_open * 0.35);
}

static void keep_house(struct client_pool *p)
{
	/* min_pool_size counts all; one a round. */
	if (p->open < p->min_idle)
		(void)pool_dial(p, false);
	house_retire(p, p->min_idle);
}

static const struct family pgbouncer = {
	.name = "pgbouncer",
	.pooler = true,
	.share = 12,
	.begin = begin,
	.keep_house = keep_house,
};
REGISTER(family, pgbouncer);
