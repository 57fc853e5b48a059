// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * half-dead: the server is gone and nobody was told.
 *
 * A route was dropped, a host lost its power, a firewall forgot the flow: no FIN and no
 * reset comes, and the client waits for an answer until the kernel gives up, a quarter of
 * an hour later.  Evidence is what the client sent and nobody acknowledged, sent again
 * and again (or probes of a closed window without an answer), and no segment since.
 *
 * Loss alone looks the same at first.  Where 30 % are lost each way, half of all that is sent
 * goes unacknowledged, and three times in a row is every eighth time.  So:
 *   - at `retransmissions` in a row (3; the kernel's probe of the tail, sent before its
 *     timer counts, is the first) it is a suspicion, no more; and not even that while other
 *     connections to the same endpoint are answered: then the way is open;
 *   - it is sure when the bytes cannot even leave this host (no route, no link) or the network
 *     says that the server cannot be reached, and that for the grace (30 s: links flap, laptops
 *     wake up without a network);
 *   - else at `sure` in a row (9: some 50 s at the usual 200 ms), which outlasts restarts of
 *     switches and moves of virtual machines;
 *   - and never on a path that lost as much within the last hour and then came through: there
 *     even nine in a row happen (2 in 1000 requests), and the kernel's own end is waited for.
 * How it can be wrong: an outage longer than that which ends while the server still holds its
 * end; a network that begins to lose half of everything, for the first time, has one chance in
 * a hundred to be taken for it.  Not seen: connections that have nothing to send (their
 * keep-alive probes are the kernel's affair), and a server that was restarted, unless it is
 * spoken to: then it answers with a reset, and the connection is over.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

#define SUSPECTED 0.3
#define SURE	  0.95

struct conf {
	uint64_t retransmissions, sure;
};

static const struct param params[] = {
	{ "retransmissions", "of the same bytes in a row, to be suspected", PARAM_UINT,
	  offsetof(struct conf, retransmissions), 3, 2, 15 },
	{ "sure", "of the same bytes in a row, to be confirmed", PARAM_UINT,
	  offsetof(struct conf, sure), 9, 3, 16 },
	{ 0 },
};

/* The kernel's timer has counted all but the first. */
static uint64_t sent_again(const struct sock_view *v)
{
	return v->retransmits ? v->retransmits + 1 : 0;
}

static bool cannot_leave(const struct sock_view *v)
{
	return v->held || v->error == EHOSTUNREACH || v->error == ENETUNREACH;
}

static bool is_sure(const struct sock_view *v, const struct conf *conf, uint64_t grace_ns,
		    uint64_t now_ns)
{
	if (cannot_leave(v))
		return elapsed_ns(v->stalled_ns, now_ns) >= grace_ns;
	return sent_again(v) >= conf->sure;
}

static void explain(const struct conn *c, uint64_t now_ns, struct symptom *s)
{
	double silent_s = ns_to_s(elapsed_ns(c->last_ns, now_ns));

	if (cannot_leave(&c->view))
		(void)snprintf(s->why, sizeof(s->why),
			       "%u bytes cannot reach the server from here, nothing heard for %.1f s",
			       c->view.unacked, silent_s);
	else
		(void)snprintf(s->why, sizeof(s->why),
			       "%u bytes sent again %lu times, nothing heard for %.1f s",
			       c->view.unacked, sent_again(&c->view), silent_s);
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *own, uint64_t now_ns, struct symptom *ret)
{
	const struct conf *conf = own;
	const struct sock_view *v = &c->view;

	(void)p;
	if (c->tcp_state != TCP_STATE_ESTABLISHED || !conn_is_listed(c) || !v->unacked)
		return false;
	if (!cannot_leave(v) &&
	    (v->lossy || sent_again(v) < (v->alive ? conf->sure : conf->retransmissions)))
		return false;
	ret->since_ns = c->last_ns;
	ret->confidence = is_sure(v, conf, base->grace_ns, now_ns) ? SURE : SUSPECTED;
	explain(c, now_ns, ret);
	return true;
}

static bool agrees(const struct conn *c, const struct sock_facts *facts)
{
	return facts->tcp_state == c->tcp_state && facts->unacked >= c->view.unacked &&
	       (cannot_leave(&c->view) || facts->retransmits >= c->view.retransmits) &&
	       facts->bytes_received == c->rx_bytes && facts->bytes_acked == c->tx_bytes;
}

static const struct detector half_dead = {
	.name = "half-dead",
	.summary = "the server is gone and nobody was told",
	.grace_ns = 30 * NS_PER_S,
	.params = params,
	.conf_size = sizeof(struct conf),
	.check = check,
	.agrees = agrees,
};
REGISTER(detector, half_dead);
