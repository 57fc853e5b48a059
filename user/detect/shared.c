// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shared: several processes use one connection, after a fork.
 *
 * A connection is one conversation.  Where parent and child both speak, one reads the
 * other's answers, and the first of them to end says goodbye for both: errors that look
 * like the server's, rows that are somebody else's.  Evidence is who has the socket open
 * (all processes, counted now and then) and who sent on it (the sender of each message, while
 * several have it open): one, another, and the first one again, and both hold it still.
 *
 * Not this: a pre-forking server whose children inherited what only one of them uses; a
 * child that was started with a descriptor too many; a daemon that forked and whose parent
 * is gone; a connection that was handed over by SCM_RIGHTS, which only one sends on at a time
 * and the giver does not come back to.  How it can be wrong: processes that take turns on
 * purpose, under a lock.  How it can be missed: after the first minute only every eighth second
 * is watched, and where the kernel has no such hook (before 6.3), nothing is.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)p;
	(void)conf;
	if (c->holders < 2 || !c->shared_ns || !conn_is_listed(c) ||
	    c->tcp_state != TCP_STATE_ESTABLISHED ||
	    elapsed_ns(c->shared_ns, now_ns) < base->grace_ns)
		return false;
	ret->since_ns = c->shared_ns;
	ret->confidence = 0.9;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "%u processes have it open and send on it in turn for %.1f s", c->holders,
		       ns_to_s(elapsed_ns(c->shared_ns, now_ns)));
	return true;
}

/* Bytes may move: that it is used is what is said. */
static bool agrees(const struct conn *c, const struct sock_facts *facts)
{
	return facts->tcp_state == c->tcp_state;
}

static const struct detector shared = {
	.name = "shared",
	.summary = "several processes use one connection after a fork",
	.grace_ns = 30 * NS_PER_S,
	.check = check,
	.agrees = agrees,
	.at_work = true,
};
REGISTER(detector, shared);
