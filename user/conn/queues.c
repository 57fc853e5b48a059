// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lies in the queues of connections that are quiet.
 *
 * A view holds from one byte to the next: when the connection moves it is over.  What
 * was lost again and again and then came through is remembered for its endpoint: where
 * that happens, silence proves nothing.
 */
#include <string.h>

#include "conn/queues.h"
#include "lib/clock.h"

#define TCP_STATE_ESTABLISHED 1
#define LOSSY_NS (3600 * NS_PER_S)	/* for how long a loss is held against a path */
#define UNREAD_NS NS_PER_S		/* what lies no longer is on its way */
#define SEGMENT	 1460			/* a server does not send for less room than that */

static bool is_path(const struct lossy_path *p, const struct conn *c)
{
	return p->overcome_ns && p->netns == c->netns && addr_equal(&p->remote, &c->remote);
}

static void note_overcome(struct conns *t, const struct conn *c, uint64_t now_ns)
{
	struct lossy_path *p = &t->lossy[0];

	for (size_t i = 0; i < LOSSY_PATHS; i++) {
		if (is_path(&t->lossy[i], c)) {
			p = &t->lossy[i];
			break;
		}
		if (t->lossy[i].overcome_ns < p->overcome_ns)
			p = &t->lossy[i];
	}
	*p = (struct lossy_path){ c->netns, c->remote, now_ns };
}

static bool is_lossy(const struct conns *t, const struct conn *c, uint64_t now_ns)
{
	for (size_t i = 0; i < LOSSY_PATHS; i++)
		if (is_path(&t->lossy[i], c) &&
		    elapsed_ns(t->lossy[i].overcome_ns, now_ns) < LOSSY_NS)
			return true;
	return false;
}

void conn_queues_moved(struct conns *t, struct conn *c, const struct slot *s)
{
	if (c->last_ns == s->last_ns)
		return;
	if (c->view.retransmits)
		note_overcome(t, c, s->last_ns);
	c->view = (struct sock_view){ 0 };
}

void conn_queues_settle(struct conn *c)
{
	bool lies = conn_answer_is_unread(c) &&
		    elapsed_ns(c->view.unread_ns, c->view.asked_ns) >= UNREAD_NS;

	c->activity = lies ? ACTIVITY_UNREAD : c->said;
}

void conns_apply_queues(struct conns *t, const struct queues *q, uint64_t now_ns)
{
	struct conn *c = q->slot < t->capacity ? &t->table[q->slot] : NULL;
	struct sock_view *v;

	if (!c || !c->used || c->cookie != q->cookie || c->gen != q->gen)
		return;
	t->viewed++;
	v = &c->view;
	if (q->unread < v->unread)
		v->read_ns = now_ns;
	if (!q->unread)
		v->unread_ns = 0;
	else if (!v->unread_ns || q->unread < v->unread)
		v->unread_ns = now_ns;
	if (!q->retransmits && !q->held)
		v->stalled_ns = 0;
	else if (!v->stalled_ns)
		v->stalled_ns = now_ns;
	v->asked_ns = now_ns;
	v->unread = q->unread;
	v->unacked = q->unacked;
	v->room = q->room;
	v->retransmits = q->retransmits;
	v->error = q->error;
	v->held = q->held;
	v->lossy = q->retransmits && is_lossy(t, c, now_ns);
	conn_queues_settle(c);
}

void conns_queues_begin(struct conns *t, uint64_t now_ns)
{
	t->walked_ns = now_ns;
	t->viewed = 0;
}

void conns_queues_end(struct conns *t)
{
	conns_for_each(t, c) {
		if (c->view.asked_ns >= t->walked_ns || !(c->view.unread || c->view.unacked))
			continue;
		c->view = (struct sock_view){
			.asked_ns = t->walked_ns,
			.read_ns = c->view.unread ? t->walked_ns : c->view.read_ns,
		};
		conn_queues_settle(c);
	}
}

bool conn_answer_is_unread(const struct conn *c)
{
	if (!c->view.unread || c->evidence != EVIDENCE_WIRE || c->uncertain ||
	    c->tcp_state != TCP_STATE_ESTABLISHED || conn_is_opaque(c))
		return false;
	switch (c->said) {
	case ACTIVITY_BUSY:
		return c->view.room < SEGMENT && c->named && !c->replicates;
	case ACTIVITY_IDLE:
	case ACTIVITY_IDLE_IN_TXN:
	case ACTIVITY_FAILED_TXN:
		/* Of a Unix socket the answer's end is heard when it is read. */
		if (conn_is_unix(c))
			return false;
		return c->protocol->wire != WIRE_POSTGRESQL ||
		       c->view.unread > (uint32_t)c->rx_bytes - c->answered;
	default:
		return false;
	}
}
