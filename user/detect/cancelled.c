// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cancelled: the client gave up on a statement, and its connection is not back.
 *
 * A deadline passed; the driver asked the server, by PostgreSQL's cancel request or MySQL's
 * KILL QUERY, to stop.  Two things go wrong then.  The server does not heed it and not a
 * byte comes, so a connection is taken up by an answer that nobody wants.  Or it does, and
 * the error's way through the program left out the rollback: PostgreSQL's transaction has
 * failed, MySQL's is open.
 *
 * A retry is another statement: bytes pass.  A statement that runs on, cancelled by
 * nobody, is none of this.  A session at rest after a cancel (psql's prompt) is idle and
 * never told.
 *
 * A transaction that is left open so is told once: rather than as idle-in-txn, unless it was
 * told as that already (a shorter grace).  Rules on idle-in-txn mean it too.
 *
 * How it can be wrong: a cancel that came late, for the statement before, when the next had
 * just begun.  What it cannot see: a cancel from another process, a client that gives up
 * without a word or closes the connection, a cancel that is encrypted.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

#define ANSWER_NS (10 * NS_PER_S)	/* so soon a server that heeds it has answered */
#define CLOCK_NS  (20 * NS_PER_MS)	/* last_ns is as coarse; the answer may be as old as the request */

/* Not a byte has passed since it was to stop. */
static bool is_ignored(const struct conn *c)
{
	return c->activity == ACTIVITY_BUSY && c->last_ns <= c->cancelled_ns;
}

/* At most its answer came since: nothing else was asked. */
static bool is_left_open(const struct conn *c)
{
	return c->activity == ACTIVITY_IDLE_IN_TXN && c->queries - c->cancelled_queries <= 1;
}

/* The last that was said is that the statement was given up. */
static bool is_abandoned(const struct conn *c)
{
	return (c->activity == ACTIVITY_FAILED_TXN || is_left_open(c)) && !c->defused_rx_bytes &&
	       c->last_ns + CLOCK_NS > c->cancelled_ns &&
	       c->last_ns < c->cancelled_ns + ANSWER_NS;
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	bool ignored;

	(void)p;
	(void)conf;
	if (!c->cancelled_ns || c->evidence != EVIDENCE_WIRE || c->uncertain ||
	    c->tcp_state != TCP_STATE_ESTABLISHED || conn_quiet_ns(c, now_ns) < base->grace_ns ||
	    elapsed_ns(c->cancelled_ns + c->paused_ns, now_ns) < base->grace_ns)
		return false;
	ignored = is_ignored(c);
	if (!ignored && !is_abandoned(c))
		return false;
	ret->since_ns = c->cancelled_ns;
	ret->confidence = 0.9;
	(void)snprintf(ret->why, sizeof(ret->why), "%s, cancelled by its client %.1f s ago",
		       ignored ? "the server still works on a statement"
			       : "a transaction left open after a statement",
		       ns_to_s(elapsed_ns(c->cancelled_ns, now_ns)));
	return true;
}

static const struct detector cancelled = {
	.name = "cancelled",
	.summary = "given up by its client, and not given back",
	.rather_than = "idle-in-txn",
	.grace_ns = 30 * NS_PER_S,
	.check = check,
};
REGISTER(detector, cancelled);
