// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * churn: connections opened for one query and thrown away.
 *
 * Each costs the client three round trips and more, the server a process, and both a
 * port that stays closed for a minute.  It is what a program does that has no pool, or
 * one whose limit of idle connections is too low.  Told when one process ended at least
 * `rate` connections a minute all through the grace, four out of five of them within five
 * seconds and after five queries at most (a transaction, and what a driver says first).
 *
 * A batch job's end is no churn, for its connections lived; nor is a command in a shell's
 * loop, each a process of its own; nor is a storm of reconnecting, which passes.
 *
 * How it can be wrong: a job that must not keep a connection, and runs this often.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

#define MINUTE_NS     (60 * NS_PER_S)
#define SPAN_NS	      (SPAN_S * NS_PER_S)
#define LONGEST_NS    (285 * NS_PER_S)	/* of what the history keeps */
#define BRIEF_PERCENT 80

struct conf {
	uint64_t rate;
};

static const struct param params[] = {
	{ "rate", "connections thrown away a minute", PARAM_UINT, offsetof(struct conf, rate), 120,
	  6, 100000 },
	{ 0 },
};

static bool throws(const struct history *h, uint64_t from_ns, uint64_t until_ns, uint64_t rate)
{
	uint32_t ended, brief;

	history_thrown(h, from_ns, until_ns, &ended, &brief);
	return ended * MINUTE_NS >= rate * elapsed_ns(from_ns, until_ns) &&
	       brief * 100ULL >= ended * (uint64_t)BRIEF_PERCENT;
}

/* In whole spans: one that has just begun would say that it is over. */
static uint64_t third_of(uint64_t grace_ns)
{
	uint64_t spans = (grace_ns < LONGEST_NS ? grace_ns : LONGEST_NS) / 3 / SPAN_NS;

	return spans ? spans * SPAN_NS : SPAN_NS;
}

static bool check_pool(const struct pool *p, const struct detector_conf *base, const void *conf,
		       uint64_t now_ns, struct symptom *ret)
{
	uint64_t part_ns = third_of(base->grace_ns), until_ns = now_ns - now_ns % SPAN_NS;
	uint64_t from_ns = elapsed_ns(3 * part_ns, until_ns);
	const struct conf *own = conf;
	uint32_t ended, brief;

	if (p->forwards || p->history.begun_ns > from_ns)
		return false;
	for (uint64_t at_ns = from_ns; at_ns < until_ns; at_ns += part_ns)
		if (!throws(&p->history, at_ns, at_ns + part_ns, own->rate))
			return false;
	history_thrown(&p->history, from_ns, until_ns, &ended, &brief);
	ret->since_ns = from_ns;
	ret->confidence = 0.9;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "%u of %u connections that ended in %.0f s were used once and thrown away",
		       brief, ended, ns_to_s(3 * part_ns));
	return true;
}

static const struct detector churn = {
	.name = "churn",
	.summary = "connections opened for one query and thrown away",
	.grace_ns = 120 * NS_PER_S,
	.params = params,
	.conf_size = sizeof(struct conf),
	.check_pool = check_pool,
};
REGISTER(detector, churn);
