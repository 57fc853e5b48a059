// SPDX-License-Identifier: GPL-2.0-or-later
#include "family/house.h"

void house_retire(struct client_pool *p, uint32_t keep)
{
	for (uint32_t i = 0; i < p->idle_count;) {
		struct link *l = p->idle[i];
		bool unused = p->idle_ns && elapsed_ns(l->used_ns, sim_now_ns) >= p->idle_ns;

		if (sim_now_ns >= l->retire_ns || (unused && p->open > keep))
			pool_drop(l);
		else
			i++;
	}
}

void house_ping(struct client_pool *p)
{
	for (uint32_t i = 0; p->keepalive_ns && i < p->idle_count;) {
		struct link *l = p->idle[i];

		if (elapsed_ns(l->pinged_ns, sim_now_ns) < p->keepalive_ns ||
		    elapsed_ns(l->used_ns, sim_now_ns) < p->keepalive_ns || p->endpoint->cut_ns) {
			i++;
			continue;
		}
		if (l->dead) {
			pool_drop(l);
			continue;
		}
		l->pinged_ns = sim_now_ns;
		kernel_count(l->sock, 1, 20, 40);
		kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
		i++;
	}
}

void house_fill(struct client_pool *p)
{
	if (!p->dialling && p->idle_count < p->min_idle && p->open < p->max_open)
		(void)pool_dial(p, false);
}

void house_traffic(struct client_pool *p, double in_use)
{
	p->every_ns = (uint64_t)((double)TRAFFIC_JOB_NS / in_use);
}
