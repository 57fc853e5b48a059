// SPDX-License-Identifier: GPL-2.0-or-later
/* The service: which programs there are, and the lives of their processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "judge.h"
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
	p->waiting = p->dialled = 0;
	p->started_ns = sim_now_ns;
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

/* With the process its leak is over. */
static void forgive(struct client_pool *p)
{
	if (!p->leak)
		return;
	judge_over(p->leak);
	p->leak = NULL;
	p->work = NULL;
	p->loses = 0;
	if (p->had_idle)
		p->max_idle = p->had_idle;
	p->had_idle = 0;
	p->lost = p->chain = 0;
	p->lost_ns = 0;
}

static void stop_one(struct client_pool *p)
{
	p->runs = false;
	p->gen++;
	forgive(p);
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
	(void)snprintf(p->comm, sizeof(p->comm), "%.10s", f->comm ? f->comm : f->name);
	p->words = (struct words){ p->user, p->database, chance(0.1), 0 };
	p->max_open = p->max_idle = 1;
	p->house_ns = NS_PER_S;
	p->night = 0.1 + 0.01 * (double)chance_below(60);
	p->phase_ns = chance_below(DAY);
	p->workers = 64;
	p->threads = 1;
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

static const struct family *family_find(const char *name)
{
	for_each(family, it)
		if (strcmp((*it)->name, name) == 0)
			return *it;
	abort();
}

/* A second pool of the same program, to the same database. */
static struct client_pool *add_twin(struct client_pool *p, const struct family *f)
{
	struct client_pool *twin = pool_add(f);

	if (!twin)
		return NULL;
	twin->first = p;
	twin->endpoint = p->endpoint;
	twin->words = p->words;
	twin->words.setup += !p->words.setup;
	return twin;
}

/* Beside a pool: another that has little to do, a listener, a leader's lock. */
static void add_company(struct client_pool *p)
{
	struct client_pool *twin = chance(0.2) ? add_twin(p, p->family) : NULL;

	if (twin)
		twin->every_ns = 20 * p->every_ns;
	if (chance(0.15) && p->endpoint->wire == WIRE_POSTGRESQL)
		(void)add_twin(p, chance(0.5) ? family_find("listener") : family_find("leader"));
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
			if (p->max_open > 4)
				add_company(p);
			pool_start(p);
		}
	}
}

void pools_done(void)
{
	while (count)
		free(pools[--count]);
}
