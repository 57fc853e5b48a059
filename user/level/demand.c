// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Demand by counting, latency by Little's law.
 *
 * Nothing is recorded for each query.  Of the time from a request to its answer the
 * part before the acknowledgement is what the kernel takes for the round trip (an
 * answer within some 40 ms acknowledges its request itself, so for most queries that is
 * all of it); the rest is time in which a look finds the connection busy, and the
 * mean of busy connections over the rate of queries is the mean of that time.  The
 * sum is off where few looks were taken, and by the kernel's smoothing.
 */
#include "level/demand.h"
#include "lib/clock.h"

void demand_begin(struct demand *d, uint64_t now_ns)
{
	*d = (struct demand){ .since_ns = now_ns, .looked_ns = now_ns, .second_ns = now_ns };
}

void demand_ended(struct demand *d, const struct ended *e, uint64_t queries)
{
	uint64_t age_ns = elapsed_ns(e->opened_ns, e->last_ns);

	d->queries += queries;
	d->second_queries += queries;
	d->ended++;
	d->ended_young += !e->adopted && age_ns < DEMAND_YOUNG_NS;
	if (age_ns > d->oldest_ns)
		d->oldest_ns = age_ns;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void demand_look(struct demand *d, const struct pool *p, uint64_t now_ns)
{
	double since_s = ns_to_s(elapsed_ns(d->looked_ns, now_ns));
	double second_s = ns_to_s(elapsed_ns(d->second_ns, now_ns));
	bool answered = d->queries != d->looked_queries;

	d->looks++;
	d->looked_queries = d->queries;
	d->looked_ns = now_ns;
	d->seen_s += since_s;
	d->busy_s += p->busy * since_s;
	d->in_use_s += p->in_use * since_s;
	if (p->open > d->open_max)
		d->full_s = 0;
	d->open_max = most(d->open_max, p->open);
	d->in_use_max = most(d->in_use_max, p->in_use);
	d->idle_max = most(d->idle_max, p->idle);
	/* Where nothing is asked any more all of them may be forgotten, which is no limit. */
	if (p->open == d->open_max && p->in_use == p->open && (p->busy || answered))
		d->full_s += since_s;
	if (second_s < 1)
		return;
	if ((double)d->second_queries / second_s > d->peak_per_s)
		d->peak_per_s = (double)d->second_queries / second_s;
	d->second_ns = now_ns;
	d->second_queries = 0;
}

void demand_add(struct demand *d, const struct demand *other)
{
	if (other->since_ns < d->since_ns)
		d->since_ns = other->since_ns;
	d->queries += other->queries;
	d->peak_per_s += other->peak_per_s;
	d->busy_s += other->busy_s;
	d->in_use_s += other->in_use_s;
	d->rtt_n += other->rtt_n;
	d->rtt_us += other->rtt_us;
	d->open_max += other->open_max;
	d->in_use_max += other->in_use_max;
	d->idle_max += other->idle_max;
	d->full_s = 0;	/* all at once, of several: nobody looked */
	d->ended += other->ended;
	d->ended_young += other->ended_young;
	if (other->oldest_ns > d->oldest_ns)
		d->oldest_ns = other->oldest_ns;
}

double demand_latency_s(const struct demand *d)
{
	if (!d->queries || !d->rtt_n)
		return 0;
	return (double)d->rtt_us / (double)d->rtt_n / 1e6 + d->busy_s / (double)d->queries;
}
