// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HikariCP: a thread of its own keeps minimumIdle connections ready, dialling in
 * advance; each is pinged when silent, and retired before maxLifetime, at a time of its own.
 * A thread gets the connection it had before, if that is free.
 */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_open = p->max_idle = (uint32_t)chance_between(10, 60);
	p->min_idle = chance(0.6) ? p->max_open : (uint32_t)chance_between(2, 10);
	p->lifetime_ns = 30 * MINUTE;
	p->lifetime_spread_ns = 45 * NS_PER_S;
	p->idle_ns = 10 * MINUTE;
	p->keepalive_ns = chance(0.7) ? 2 * MINUTE : 0;
	p->any = p->fills_through = p->retires_by_timer = true;
	p->words.setup = 4;
	p->house_ns = 5 * NS_PER_S;
	house_traffic(p, p->max_open * 0.25);
}

static void keep_house(struct client_pool *p)
{
	house_fill(p);
	house_ping(p);
	if (chance(0.17))
		house_retire(p, p->min_idle);
}

static const struct family hikari = {
	.name = "hikari",
	.comm = "java",
	.share = 25,
	.begin = begin,
	.keep_house = keep_house,
};
REGISTER(family, hikari);
