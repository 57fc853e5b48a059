// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections that are in no pool, and silent for good reasons: psql at its prompt, a
 * listener for notifications, a replica, a leader who holds an advisory lock.
 */
#include "family/house.h"

#define FOREVER (1000 * DAY)

/* ---- psql: somebody types, now and then; comes in the morning, leaves in the evening */

static struct job typed(struct client_pool *p)
{
	(void)p;
	return traffic_quick();
}

static void begin_psql(struct client_pool *p)
{
	p->work = typed;
	p->every_ns = chance_between(5 * MINUTE, 3 * HOUR);
	p->night = 0.02;
	p->workers = 1;
}

static const struct family psql = { .name = "psql", .share = 1, .begin = begin_psql };
REGISTER(family, psql);

/* ---- LISTEN: one statement, then only the server speaks */

static void begin_listener(struct client_pool *p)
{
	p->min_idle = 1;
	p->words.setup = 1;
	p->words.tls = false;
	p->house_ns = chance_between(1, 30) * NS_PER_S;
}

/* It reads at once, or when its loop comes round. */
static void hear(struct client_pool *p)
{
	struct link *l = p->idle_count ? p->idle[0] : NULL;

	house_fill(p);
	if (!l || l->dead)
		return;
	l->sock->unread = 0;
	if (!p->endpoint->cut_ns && chance(0.05)) {
		kernel_trickle(l->sock, 40, sim_now_ns);
		l->sock->unread = chance(0.3) ? 40 : 0;
	}
}

static const struct family listener = {
	.name = "listener",
	.share = 1,
	.begin = begin_listener,
	.keep_house = hear,
};
REGISTER(family, listener);

/* ---- replication: one request that never ends */

static struct job stream(struct client_pool *p)
{
	(void)p;
	return (struct job){
		.rhythm = { FOREVER, FOREVER, 0, false, (uint32_t)chance_between(10, 100000) },
		.lasts_ns = FOREVER,
	};
}

static void begin_replica(struct client_pool *p)
{
	p->work = stream;
	p->house_ns = 5 * NS_PER_S;
}

static void follow(struct client_pool *p)
{
	if (!p->open)
		pool_want(p);
}

static const struct family replica = {
	.name = "replica",
	.share = 1,
	.begin = begin_replica,
	.keep_house = follow,
};
REGISTER(family, replica);

/* ---- leader: takes an advisory lock and is there */

static void begin_leader(struct client_pool *p)
{
	p->min_idle = 1;
	p->words.setup = 1;
	p->house_ns = 10 * NS_PER_S;
	p->keepalive_ns = chance(0.5) ? 30 * NS_PER_S : 0;
}

static void lead(struct client_pool *p)
{
	house_fill(p);
	house_ping(p);
}

static const struct family leader = {
	.name = "leader",
	.share = 1,
	.begin = begin_leader,
	.keep_house = lead,
};
REGISTER(family, leader);
