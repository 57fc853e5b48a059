// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stuck: half of a request was sent, and never the rest.
 *
 * The server waits for it inside of a message: it works on nothing, yet holds what the
 * transaction holds, and no time-out of its own ends that (to it the connection is
 * active).  It comes of a thread that died or blocked while it was sending, or of a proxy
 * that lost a piece.
 *
 * A statement that runs for long is never this, however long, nor is an answer that stops
 * in the middle: a server sends what fits its buffer and goes on when the next row is
 * found, an hour later if need be.  COPY sends parts of messages too, at its own pace; once
 * the server has said to go on nothing is said here.
 *
 * How it can be wrong: a parameter of a statement that its application reads from
 * somewhere slow while it sends it.  What it cannot see: MySQL's requests, and what
 * is encrypted.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)p;
	(void)conf;
	if (!c->half_asked || c->activity != ACTIVITY_BUSY || c->uncertain ||
	    c->tcp_state != TCP_STATE_ESTABLISHED || conn_quiet_ns(c, now_ns) < base->grace_ns)
		return false;
	ret->since_ns = c->last_ns;
	ret->confidence = 0.9;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "only a part of a request was sent, and nothing since, for %.1f s",
		       ns_to_s(conn_quiet_ns(c, now_ns)));
	return true;
}

static const struct detector stuck = {
	.name = "stuck",
	.summary = "half of a request was sent and never the rest",
	.grace_ns = 60 * NS_PER_S,
	.check = check,
};
REGISTER(detector, stuck);
