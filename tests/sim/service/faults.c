// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes wrong around a service that leaks nothing. */
#include <stddef.h>

#include "faults.h"
#include "judge.h"
#include "lib/cleanup.h"
#include "look.h"
#include "named.h"
#include "pool.h"
#include "traffic.h"

struct fault {
	const char *name;
	double per_day;
	void (*strike)(void);
};

static struct endpoint *any_endpoint(void)
{
	return network_endpoint(chance_below(ENDPOINTS));
}

/* Somebody's deadline passes: the statement is cancelled, and the connection given back. */
static void deadline(void)
{
	struct client_pool *p = pools_any();
	struct link *l = &p->links[chance_below(POOL_LINKS)];

	if (l->state != LINK_LENT || l->leak || l->resumes_ns > sim_now_ns ||
	    p->process->frozen_ns || p->endpoint->cut_ns)
		return;
	if (chance(0.2))
		look_closely(sim_now_ns, sim_now_ns + 2 * NS_PER_S);
	pool_show(l);
	(void)kernel_cancel(l->sock);
	pool_give(l);
}

/* Every connection to a server; `later` of them are noticed when they are used. */
static void lose_all(struct endpoint *e, double later)
{
	for (size_t n = 0; n < pools_count(); n++) {
		struct client_pool *p = pools_get(n);

		for (size_t i = 0; p->endpoint == e && i < POOL_LINKS; i++)
			if (p->links[i].state != LINK_NONE)
				pool_lose(&p->links[i], chance(later));
		pool_breaks_off(p, e);
	}
}

/* A server dies with a reset to everybody, and is back some time later. */
static void crash(void)
{
	struct endpoint *e = any_endpoint();

	e->refuses_until_ns = sim_now_ns + chance_between(1, 120) * NS_PER_S;
	look_closely(sim_now_ns, sim_now_ns + 30 * NS_PER_S);
	lose_all(e, 0);
}

/* Another server takes over at once; what lay idle is found dead only when it is used. */
static void failover(void)
{
	struct endpoint *e = any_endpoint();

	look_closely(sim_now_ns, sim_now_ns + 30 * NS_PER_S);
	lose_all(e, 0.7);
}

/* A server closes what has been idle for too long for it, or is shut down in good order. */
static void farewell(void)
{
	struct endpoint *e = any_endpoint();

	look_closely(sim_now_ns, sim_now_ns + 10 * NS_PER_S);
	socks_for_each(s)
	{
		struct link *l = s->link;

		if (s->endpoint != e || !l || l->state != LINK_FREE || l->dead)
			continue;
		kernel_fin(s);
		pool_lose(l, chance(0.5));
	}
}

static void partition(void)
{
	uint64_t lasts_ns = chance_skewed(20 * NS_PER_S, 1.5);

	look_closely(sim_now_ns, sim_now_ns + 10 * NS_PER_S);
	look_closely(sim_now_ns + lasts_ns - NS_PER_S, sim_now_ns + lasts_ns + 5 * NS_PER_S);
	pools_cut(any_endpoint(), sim_now_ns + lasts_ns);
}

/* What was lost was sent again by now, and came through. */
static void on_calm(void *who, uint64_t tag)
{
	const struct endpoint *e = who;

	(void)tag;
	if (e->cut_ns)
		return;
	socks_for_each(s)
	{
		if (s->endpoint == e && s->retransmits && s->link && s->link->state == LINK_LENT &&
		    s->link->resumes_ns < sim_now_ns)
			kernel_trickle(s, 0, sim_now_ns);
	}
}

static void loss(void)
{
	struct endpoint *e = any_endpoint();

	e->lossy_until_ns = sim_now_ns + chance_skewed(MINUTE, 1);
	judge_overcame(e, e->lossy_until_ns + 2 * MINUTE);
	happen_at(e->lossy_until_ns, on_calm, e, 0);
	look_closely(sim_now_ns, sim_now_ns + 5 * NS_PER_S);
	socks_for_each(s)
	{
		if (s->endpoint != e || !chance(0.3) || !s->link || s->link->state != LINK_LENT)
			continue;
		s->unacked = 100;
		s->retransmits = 1 + (uint32_t)chance_below(2);
		if (chance(0.3))
			kernel_lose_thread(s);
	}
}

/* Stopped, or in a frozen cgroup, or in a debugger. */
static void freeze(void)
{
	struct client_pool *p = pools_any();

	if (p->endpoint->cut_ns)
		return;
	look_closely(sim_now_ns, sim_now_ns + 10 * NS_PER_S);
	pool_freeze(p, chance_skewed(2 * MINUTE, 1.5) + NS_PER_S);
}

static void deploy(void)
{
	pool_restart(pools_any(), chance_between(0, 20) * NS_PER_S);
}

static void burst(void)
{
	struct client_pool *p = pools_any();

	if (p->max_open > 4)
		traffic_burst(p, p->max_open / 3 + (uint32_t)chance_below(p->max_open));
	if (chance(0.1))
		look_closely(sim_now_ns, sim_now_ns + 10 * NS_PER_S);
}

static void on_records_back(void *who, uint64_t tag)
{
	(void)who;
	(void)tag;
	kernel_lose_records(0);
	judge_is_blind(false);
}

static void records(void)
{
	kernel_lose_records(0.5);
	judge_is_blind(true);
	happen_at(sim_now_ns + chance_exp(5 * MINUTE), on_records_back, NULL, 0);
}

static void restart(void)
{
	look_restart();
	look_closely(sim_now_ns, sim_now_ns + 10 * NS_PER_S);
}

/* Nothing at all happens, but somebody looks often. */
static void attention(void)
{
	look_closely(sim_now_ns, sim_now_ns + MINUTE);
}

static const struct fault faults[] = {
	{ "attention", 3, attention }, { "burst", 60, burst },	      { "crash", 0.5, crash },
	{ "deploy", 20, deploy },      { "failover", 0.5, failover }, { "freeze", 6, freeze },
	{ "loss", 8, loss },	       { "partition", 4, partition }, { "records", 1, records },
	{ "restart", 0.7, restart },   { "farewell", 1, farewell },   { "deadline", 200, deadline },
};

static void on_fault(void *who, uint64_t tag)
{
	const struct fault *f = who;

	(void)tag;
	f->strike();
	happen_at(sim_now_ns + chance_exp((uint64_t)((double)DAY / f->per_day)), on_fault, who, 0);
}

void faults_begin(const char *which)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (is_named(faults[i].name, which))
			happen_at(sim_now_ns +
					  chance_exp((uint64_t)((double)DAY / faults[i].per_day)),
				  on_fault, (void *)&faults[i], 0);
}
