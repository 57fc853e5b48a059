// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unused: opened, authenticated, never asked anything.
 *
 * A connection nobody uses costs the server a process and its memory.  But a pool keeps
 * some in reserve, and opens them before they are needed: that is no leak, however long
 * it lasts.  So one is told only when the owner goes on opening connections past it that
 * are not used either: a health check that forgets what it opened, a connect() in a loop.
 * A pool fills its reserve in one go, which counts as nothing; what it opens for those
 * that ended has nothing more lying there than before.
 *
 * How it can be wrong: a reserve that grows one by one, each seconds after the last, and
 * is not used for the grace.  What it cannot see: a program that opens them all in one
 * go, which is what a pool does; drivers that say something to set a connection
 * up, for then it was asked; what is encrypted.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

struct conf {
	uint64_t followed;
};

static const struct param params[] = {
	{ "followed", "how many its owner opened later and did not use either", PARAM_UINT,
	  offsetof(struct conf, followed), 3, 1, 16 },
	{ 0 },
};

static bool is_untouched(const struct conn *c)
{
	return c->activity == ACTIVITY_IDLE && !c->queries && !c->adopted && !c->uncertain &&
	       c->evidence == EVIDENCE_WIRE && c->tcp_state == TCP_STATE_ESTABLISHED &&
	       c->lending != LENDING_FREE;
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	const struct conf *own = conf;

	if (!p || p->forwards || !is_untouched(c) || conn_quiet_ns(c, now_ns) < base->grace_ns ||
	    c->overtaken < own->followed)
		return false;
	ret->since_ns = c->opened_ns;
	ret->confidence = 0.9;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "open for %.1f s and never used, as %u that were opened later",
		       ns_to_s(elapsed_ns(c->opened_ns, now_ns)), c->overtaken);
	return true;
}

static const struct detector unused = {
	.name = "unused",
	.summary = "opened, authenticated, never used",
	.grace_ns = 600 * NS_PER_S,
	.params = params,
	.conf_size = sizeof(struct conf),
	.check = check,
};
REGISTER(detector, unused);
