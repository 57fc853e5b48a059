// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Go's database/sql: opens on demand up to MaxOpen, closes on return what is more than
 * MaxIdle, and by a timer what is older than its life.  The latest that came back goes
 * out first (the oldest, in older versions); with a limit of open ones, others wait.
 */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_open = (uint32_t)chance_between(20, 100);
	p->max_idle = (uint32_t)chance_between(2, p->max_open);
	p->lifetime_ns = chance(0.5) ? chance_between(5, 60) * MINUTE : 0;
	p->idle_ns = chance(0.4) ? chance_between(1, 30) * MINUTE : 0;
	p->fifo = chance(0.3);
	p->tells = chance(0.5);
	p->words.setup = (uint32_t)chance_below(3);
	p->house_ns = 5 * NS_PER_S;
	p->threads = 12;
	house_traffic(p, p->max_open * 0.3);
}

static void keep_house(struct client_pool *p)
{
	house_retire(p, 0);
}

static const struct family database_sql = {
	.name = "database_sql",
	.share = 25,
	.begin = begin,
	.keep_house = keep_house,
};
REGISTER(family, database_sql);
