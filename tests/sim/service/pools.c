// SPDX-License-Identifier: GPL-2.0-or-later
/* The service: which programs there are, and the lives of their processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "pool.h"
#include "traffic.h"

#define POOLS	 1024
#define FAMILIES 32

static struct client_pool *pools[POOLS];
static size_t count;

size_t pools_count(void)
{
	return count;
}

struct client_pool *pools_get(size_t n)
{
	return pools[n];
}

struct client_pool *pools_any(void)
{
	return pools[chance_below(count)];
}

void pools_show(void)
{
	for (size_t n = 0; n < count; n++)
		for (size_t i = 0; i < POOL_LINKS && pools[n]->open > pools[n]->idle_count; i++)
			if (pools[n]->links[i].state == LINK_LENT)
				pool_show(&pools[n]->links[i]);
}

static void keep_house(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (!p->runs || p->gen != gen)
		return;
	if (!p->process->frozen_ns)
		p->family->keep_house(p);
	if (p->runs && p->gen == gen)
		happen_at(sim_now_ns + p->house_ns, keep_house, p, gen);
}

static struct client_pool *first_of(struct client_pool *p)
{
	return p->first ? p->first : p;
}

static void start_one(struct client_pool *p, struct process *process)
{
	p->process = process;
	p->runs = true;
	p->gen++;
	p->waiting = 0;
	if (p->family->keep_house)
		happen_at(sim_now_ns + chance_below(NS_PER_S), keep_house, p, p->gen);
	traffic_start(p);
}

void pool_start(struct client_pool *p)
{
	struct process *process = kernel_spawn(first_of(p)->comm);

	for (size_t n = 0; n < count; n++)
		if (first_of(pools[n]) == first_of(p))
			start_one(pools[n], process);
}

static void stop_one(struct client_pool *p)
{
	p->runs = false;
	p->gen++;
	for (size_t i = 0; i < POOL_LINKS; i++) {
		if (p->links[i].state == LINK_NONE)
			continue;
		pool_show(&p->links[i]);
		pool_drop(&p->links[i]);
	}
}

void pool_stop(struct client_pool *p)
{
	if (!p->runs)
		return;
	for (size_t n = 0; n < count; n++)
		if (first_of(pools[n]) == first_of(p))
			stop_one(pools[n]);
	kernel_exit(p->process);
}

static void come_back(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (!p->runs && p->gen == gen)
		pool_start(p);
}

void pool_restart(struct client_pool *p, uint64_t after_ns)
{
	if (!p->runs)
		return;
	pool_stop(p);
	happen_at(sim_now_ns + after_ns, come_back, p, p->gen);
}

struct client_pool *pool_add(const struct family *f)
{
	struct client_pool *p = count < POOLS ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return NULL;
	p->family = f;
	p->endpoint = network_endpoint(chance_below(ENDPOINTS));
	(void)snprintf(p->user, sizeof(p->user), "app%zu", count % 7);
	(void)snprintf(p->database, sizeof(p->database), "shop%zu", count % 3);
	(void)snprintf(p->comm, sizeof(p->comm), "%.10s", f->name);
	p->words = (struct words){ p->user, p->database, chance(0.1), 0 };
	p->max_open = p->max_idle = 1;
	p->house_ns = NS_PER_S;
	p->night = 0.1 + 0.01 * (double)chance_below(60);
	p->phase_ns = chance_below(DAY);
	p->workers = 64;
	f->begin(p);
	for (size_t i = 0; i < POOL_LINKS; i++)
		p->links[i].pool = p;
	pools[count++] = p;
	return p;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct family *const *)a)->name,
		      (*(const struct family *const *)b)->name);
}

/* A second pool of the same program, to the same database, that has little to do. */
static void add_twin(struct client_pool *p)
{
	struct client_pool *twin = pool_add(p->family);

	if (!twin)
		return;
	twin->first = p;
	twin->endpoint = p->endpoint;
	twin->words = p->words;
	twin->every_ns = 20 * p->every_ns;
}

void pools_begin(uint32_t conns)
{
	const struct family *families[FAMILIES];
	size_t n = 0;

	for_each(family, it)
		if (n < FAMILIES)
			families[n++] = *it;
	qsort(families, n, sizeof(families[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		uint32_t sum = 0;

		while (sum * 100 < conns * families[i]->share) {
			struct client_pool *p = pool_add(families[i]);

			if (!p)
				return;
			sum += p->max_idle;
			if (p->max_open > 10 && chance(0.2))
				add_twin(p);
			pool_start(p);
		}
	}
}

void pools_done(void)
{
	while (count)
		free(pools[--count]);
}
