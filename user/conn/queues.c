// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lies in the queues of connections that are quiet.
 *
 * A view holds from one byte to the next: when the connection moves it is over.  What
 * was lost again and again and then came through is remembered for its endpoint: where
 * that happens, silence proves nothing.  Nor does that of one connection prove much as long
 * as others to its endpoint are answered.
 */
#include <string.h>

#include "conn/internal.h"
#include "lib/clock.h"

#define LOSSY_NS (3600 * NS_PER_S)	/* for how long a loss is held against a path */
#define ASK_NS	 (NS_PER_S / 10)	/* all connections are asked of a path as often */
#define UNREAD_NS NS_PER_S		/* what lies no longer is on its way */
#define SEGMENT	 1460			/* a server does not send for less room than that */

static bool is_path(const struct path *p, const struct conn *c)
{
	return p->used && p->netns == c->netns && addr_equal(&p->remote, &c->remote);
}

/* Its entry; a new one takes a free place, or that of the one that came through longest ago. */
static struct path *path_of(struct conns *t, const struct conn *c)
{
	struct path *p = &t->paths[0];

	for (size_t i = 0; i < PATHS; i++) {
		struct path *at = &t->paths[i];

		if (is_path(at, c))
			return at;
		if (p->used && (!at->used || at->overcome_ns < p->overcome_ns))
			p = at;
	}
	*p = (struct path){ .used = true, .netns = c->netns, .remote = c->remote };
	return p;
}

/* Whether any connection on the path heard of the server after `since_ns`. */
static bool is_alive(const struct conns *t, struct path *p, uint64_t since_ns, uint64_t now_ns)
{
	if (p->heard_ns <= since_ns && elapsed_ns(p->asked_ns, now_ns) >= ASK_NS) {
		p->asked_ns = now_ns;
		conns_for_each(t, c)
			if (is_path(p, c) && c->last_ns > p->heard_ns)
				p->heard_ns = c->last_ns;
	}
	return p->heard_ns > since_ns;
}

/* What the path of a connection that sends in vain is known for. */
static void judge_path(struct conns *t, struct conn *c, uint64_t now_ns)
{
	struct sock_view *v = &c->view;
	struct path *p = path_of(t, c);

	v->lossy = p->overcome_ns && elapsed_ns(p->overcome_ns, now_ns) < LOSSY_NS;
	v->alive = is_alive(t, p, v->stalled_ns, now_ns);
}

void conn_queues_moved(struct conns *t, struct conn *c, const struct slot *s)
{
	if (c->last_ns == s->last_ns)
		return;
	if (c->view.retransmits)
		path_of(t, c)->overcome_ns = s->last_ns;
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
	v->lossy = v->alive = false;
	if (q->retransmits)
		judge_path(t, c, now_ns);
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
		return c->protocol->wire != WIRE_POSTGRESQL ||
		       c->view.unread > (uint32_t)c->rx_bytes - c->answered;
	default:
		return false;
	}
}
