// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs of a healthy service.  None of them is quiet inside a transaction for longer
 * than traffic_quiet_ns; none computes for longer than twice that with a connection in
 * its hands and nothing asked; a statement may run for hours.
 */
#include <math.h>

#include "traffic.h"

#define MS NS_PER_MS

uint64_t traffic_quiet_ns = 7 * NS_PER_S;

/* Somebody's loop: many short requests, one after another. */
static struct job busy_loop(void)
{
	uint64_t period_ns = chance_skewed(60 * MS, 1);
	uint64_t busy_ns = period_ns * chance_between(2, 70) / 100;
	bool txn = chance(0.4);

	return (struct job){
		.rhythm = { period_ns + 1, busy_ns, txn ? (period_ns - busy_ns) / 2 : 0, false, 0 },
		.lasts_ns = chance_exp(30 * NS_PER_S) + MS,
	};
}

struct job traffic_quick(void)
{
	uint64_t lasts_ns = chance_skewed(20 * MS, 1.2) + MS;

	return (struct job){
		.rhythm = { lasts_ns, lasts_ns / 2, 0, false, 0 },
		.lasts_ns = lasts_ns,
	};
}

/* A transaction with a statement now and then, or a cursor that is read slowly. */
static struct job slow_transaction(void)
{
	uint64_t period_ns = chance_between(500 * MS, traffic_quiet_ns);

	return (struct job){
		.rhythm = { period_ns, chance_between(1, 400) * MS, 0, true, 0 },
		.lasts_ns = chance_exp(3 * MINUTE),
	};
}

static struct job compute(void)
{
	uint64_t period_ns = chance_between(NS_PER_S, 2 * traffic_quiet_ns);

	return (struct job){
		.rhythm = { period_ns, chance_between(1, 500) * MS, 0, false, 0 },
		.lasts_ns = chance_exp(MINUTE),
		.waits_ns = chance(0.5) ? chance_below(traffic_quiet_ns) : 0,
	};
}

/* One statement, for minutes or hours; its answer comes at its end, or all the while. */
static struct job long_statement(bool copies)
{
	uint64_t lasts_ns = chance_skewed(4 * MINUTE, 1.5) + NS_PER_S;

	return (struct job){
		.rhythm = { lasts_ns + MS, lasts_ns, 0, false,
			    copies ? (uint32_t)chance_between(100, 1000000) : 0 },
		.lasts_ns = lasts_ns + MS / 2,
	};
}

struct job traffic_job(void)
{
	switch (chance_below(100)) {
	case 0:
		return long_statement(false);
	case 1:
		return long_statement(true);
	case 2 ... 7:
		return slow_transaction();
	case 8 ... 13:
		return compute();
	case 14 ... 29:
		return traffic_quick();
	default:
		return busy_loop();
	}
}

/* From `night` to 1, highest at the pool's noon. */
static double daylight(const struct client_pool *p)
{
	double day = (double)((sim_now_ns + p->phase_ns) % DAY) / (double)DAY;

	return p->night + (1 - p->night) * (0.5 + 0.5 * cos(2 * M_PI * day));
}

static void on_job(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (!p->runs || p->gen != gen)
		return;
	if (!p->process->frozen_ns)
		pool_want(p);
	happen_at(sim_now_ns + 1 + (uint64_t)((double)chance_exp(p->every_ns) / daylight(p)),
		  on_job, p, gen);
}

void traffic_start(struct client_pool *p)
{
	if (p->every_ns)
		happen_at(sim_now_ns + chance_exp(p->every_ns), on_job, p, p->gen);
}

static void on_burst(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (p->runs && p->gen == gen && !p->process->frozen_ns)
		pool_want(p);
}

void traffic_burst(struct client_pool *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		happen_at(sim_now_ns + chance_below(2 * NS_PER_S), on_burst, p, p->gen);
}
