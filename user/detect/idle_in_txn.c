// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * idle-in-txn: the client opened a transaction and went silent.
 *
 * Such a connection holds row locks and a snapshot, and costs its client nothing,
 * so nobody notices until something else waits for it.  Only the server's own word
 * counts: the last ready mark says "in a transaction", every byte of it was
 * accounted for, and not a byte has passed in either direction since.  A running
 * statement, a COPY or a cursor being read each move bytes or leave the
 * connection busy, and are never this.
 *
 * A transaction that failed holds no locks but keeps its backend and its
 * connection; it is reported unless it was our own repair that made it fail.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

static bool is_open(const struct conn *c)
{
	switch (c->activity) {
	case ACTIVITY_IDLE_IN_TXN:
		return true;
	case ACTIVITY_FAILED_TXN:
		return !c->defused_rx_bytes || c->defused_rx_bytes != c->rx_bytes;
	default:
		return false;
	}
}

static void explain(const struct conn *c, uint64_t now_ns, struct symptom *s)
{
	const char *what = c->activity == ACTIVITY_FAILED_TXN ? "failed transaction" : "transaction";
	double quiet_s = ns_to_s(conn_quiet_ns(c, now_ns));

	if (c->txn_ns)
		(void)snprintf(s->why, sizeof(s->why), "%s open for %s%.1f s, client silent for %.1f s",
			       what, c->adopted ? "at least " : "",
			       ns_to_s(elapsed_ns(c->txn_ns, now_ns)), quiet_s);
	else
		(void)snprintf(s->why, sizeof(s->why), "%s open, client silent for %.1f s", what,
			       quiet_s);
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)p;
	(void)conf;
	if (c->evidence != EVIDENCE_WIRE || c->uncertain || c->tcp_state != TCP_STATE_ESTABLISHED)
		return false;
	if (!is_open(c) || conn_quiet_ns(c, now_ns) < base->grace_ns)
		return false;
	ret->since_ns = c->last_ns;
	ret->confidence = c->adopted ? 0.9 : 1.0;
	explain(c, now_ns, ret);
	return true;
}

static const struct detector idle_in_txn = {
	.name = "idle-in-txn",
	.summary = "a transaction left open by a silent client",
	.grace_ns = 30 * NS_PER_S,
	.check = check,
};
REGISTER(detector, idle_in_txn);
