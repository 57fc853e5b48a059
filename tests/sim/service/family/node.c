// SPDX-License-Identifier: GPL-2.0-or-later
/* node-postgres and mysql2: on demand up to max, the latest first, and closed after 10 s unused. */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_open = p->max_idle = (uint32_t)chance_between(10, 30);
	p->idle_ns = chance(0.8) ? 10 * NS_PER_S : 0;
	p->lifetime_ns = chance(0.2) ? HOUR : 0;
	p->house_ns = 2 * NS_PER_S;
	house_traffic(p, p->max_open * 0.3);
}

static void keep_house(struct client_pool *p)
{
	house_retire(p, 0);
}

static const struct family node = {
	.name = "node",
	.share = 8,
	.begin = begin,
	.keep_house = keep_house,
};
REGISTER(family, node);
