// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * close-wait: the server closed the connection, and the client never did.
 *
 * The kernel keeps the socket in CLOSE_WAIT until its owner closes it too: a
 * descriptor and a place in the owner's pool that nothing can come of.  Whoever
 * borrows it fails.  Evidence is the TCP state and the time since the server's FIN.
 *
 * A close in progress is over long before the grace.  A client that still reads what
 * the server said last is given the grace anew with each read.  How it can be wrong:
 * a pool that looks at its idle connections only when one is borrowed (database/sql,
 * HikariCP between keep-alives) finds out by itself, at the price of a failed borrow or
 * two.  One that lay idle is therefore less sure than one that was in use.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

static bool is_reading(const struct conn *c, uint64_t grace_ns, uint64_t now_ns)
{
	return c->view.unread && elapsed_ns(c->view.unread_ns, now_ns) < grace_ns;
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	bool idle = c->said == ACTIVITY_IDLE && c->lending != LENDING_LENT;
	uint64_t quiet_ns = conn_quiet_ns(c, now_ns);

	(void)p;
	(void)conf;
	if (c->tcp_state != TCP_STATE_CLOSE_WAIT || !conn_is_listed(c) || c->paused ||
	    quiet_ns < base->grace_ns || is_reading(c, base->grace_ns, now_ns))
		return false;
	ret->since_ns = c->last_ns;
	ret->confidence = idle || c->evidence != EVIDENCE_WIRE ? 0.8 : 1.0;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "the server closed it %.1f s ago, the client has not%s", ns_to_s(quiet_ns),
		       c->view.unread ? " and left its last words unread" : "");
	return true;
}

static bool agrees(const struct conn *c, const struct sock_facts *facts)
{
	return facts->tcp_state == TCP_STATE_CLOSE_WAIT && facts->bytes_received == c->rx_bytes &&
	       facts->unread == c->view.unread;
}

static const struct detector close_wait = {
	.name = "close-wait",
	.summary = "the server closed the connection and the client never did",
	.grace_ns = 60 * NS_PER_S,
	.check = check,
	.agrees = agrees,
};
REGISTER(detector, close_wait);
