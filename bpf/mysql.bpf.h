/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MySQL and MariaDB, at the client's end: the conversation.
 *
 * The server greets first, the client answers who it is, and from then on each
 * command gets its answer.  Whether a transaction is open stands in the status
 * flags at the end of an answer, but where that end is depends on the command,
 * so every command is read (mysql_request.bpf.h) and every answer followed packet
 * by packet (mysql_answer.bpf.h).  A length, a number, a body: nothing is taken
 * for a mark but by its place.
 *
 * When the thread is lost - a hole, a late start - the state is unknown until a
 * command is followed by an answer that begins as one and is whole in one segment.
 */
#ifndef PLIMSOLL_MYSQL_BPF_H
#define PLIMSOLL_MYSQL_BPF_H

#include "mysql_answer.bpf.h"
#include "mysql_login.bpf.h"

/* Between packets, or in what is passed over of one: slot.rx_left bytes to the next. */
static __always_inline bool mysql_is_between(const struct slot *s)
{
	return (s->my.step & STEP_MASK) == STEP_LENGTH;
}

static __always_inline void mysql_lose(struct slot *s, __u32 index)
{
	__u8 caps = s->my.caps & ~(CAP_FULL | CAP_MULTI);

	forget_prepared(index);
	if (s->protocol == WIRE_MYSQL && s->flags & SLOT_USING) {
		s->flags &= ~SLOT_USING;
		mysql_report_use(index, 0);
	}
	s->flags |= SLOT_UNFRAMED;
	s->flags &= ~SLOT_BUSY;
	s->status = 0;
	s->txn_ns = 0;
	s->rx_left = 0;
	s->pending = 0;
	s->asked = 0;
	s->my.columns = 0;
	s->my.part = PART_NONE;
	s->my.step &= ~STEP_MASK;	/* what is held of a request's header stays */
	s->my.caps = caps;
}

/*
 * Counts the commands that were just acknowledged.  False when they could not be
 * read: answers can then not be told apart.
 */
static __always_inline bool mysql_count(struct sock *sk, struct slot *s, __u32 index, __u32 ack,
					struct mysql_asked **ret)
{
	bool strict = s->flags & SLOT_UNCOUNTED;
	__u8 have = strict ? 0 : s->my.step >> STEP_BITS;
	struct mysql_asked *w;
	__u32 seq;

	*ret = NULL;
	if (!strict && !have && (__s32)(ack - s->tx_msg) <= 0)
		return true;	/* still inside a packet that was counted */
	seq = strict || have ? s->tx_next : s->tx_msg;
	w = mysql_asked_begin();
	if (!w)
		return false;
	w->sk = address_of(sk);
	w->seq = seq;
	w->at.end = ack - seq;
	w->asked = s->asked;
	w->part = s->my.part & PART_MASK;
	w->caps = s->my.caps | (strict ? CAP_DOUBTFUL : 0);
	w->have = have;
	w->head = have ? s->tx_msg : 0;
	w->strict = strict;
	w->index = index;
	w->at_work = s->status != 'I' || s->my.caps & CAP_MANUAL || is_text_wanted(index);
	mysql_walk_requests(w->at.end);
	w = mysql_asked();
	if (!w || w->bad || (strict && (w->have || w->at.off != w->at.end)))
		return false;
	s->asked = w->asked;
	s->my.part = (s->my.part & ~PART_MASK) | w->part;
	s->my.caps = w->caps;
	s->my.step = (s->my.step & STEP_MASK) | w->have << STEP_BITS;
	s->tx_msg = w->have ? w->head : seq + w->at.off;
	note_texts(index, seq, s->tx_msg, w->at_work && !w->have ? w->texts : TEXTS_LOST);
	if (w->uses)
		s->flags |= SLOT_USING;
	*ret = w;
	return true;
}

static __always_inline void mysql_take(struct slot *s, const struct mysql_walk *w)
{
	s->asked = w->asked;
	s->my.columns = w->columns;
	s->my.part = w->part | w->skip << PART_BITS;
	s->my.step = (s->my.step & ~STEP_MASK) | w->step;
	s->my.half = w->half;
	s->my.caps = w->caps;
	/* Between packets, what the last one has beyond the segment; else what is left of it. */
	s->rx_left = w->step == STEP_LENGTH ? w->at.off - w->at.end : w->left;
}

static __always_inline void mysql_note(struct slot *s, __u32 index, const struct mysql_walk *w)
{
	s->queries += s->phase == PHASE_READY ? w->answered : 0;
	if (w->let_in || s->flags & SLOT_UNFRAMED)
		s->phase = PHASE_READY;
	s->status = w->status;
	if (s->flags & SLOT_USING && w->answered) {
		s->flags &= ~SLOT_USING;
		if (!w->failed)
			mysql_report_use(index, 1);
	}
	if (w->prepared)
		statement_named(index, w->prepared);
	if (w->unsaid && w->status == 'T')
		statement_unsaid(index);
	if (w->status)
		note_status(s, index, s->last_ns);
	else
		s->txn_ns = 0;	/* the next one seen may be another */
}

/* The thread is lost: is this answer the one, whole, to what was asked last? */
static __always_inline void mysql_regain(struct sock *sk, struct sk_buff *skb, struct slot *s,
					 const struct segment *g, __u32 index)
{
	struct mysql_walk *w = s->asked ? mysql_walk_begin(s) : NULL;

	if (w) {
		w->part = PART_FIRST;
		w->afresh = 1;
		w = mysql_walk_answer(sk, skb, g);
	}
	if (!w || w->asked || w->at.off != w->at.end || w->step != STEP_LENGTH) {
		s->asked = 0;
		return;
	}
	mysql_take(s, w);
	mysql_note(s, index, w);
	if (s->flags & SLOT_UNCOUNTED)
		s->tx_msg = g->advanced ? g->ack : s->tx_next;
	s->flags &= ~(SLOT_UNFRAMED | SLOT_UNCOUNTED | SLOT_EDGE);
	s->protocol = WIRE_MYSQL;
}

/* Follows the answer through the new bytes of a segment. */
static __always_inline void mysql_follow(struct sock *sk, struct sk_buff *skb, struct slot *s,
					 const struct segment *g, __u32 index)
{
	struct mysql_walk *w;

	if (mysql_is_between(s) && s->rx_left >= g->len) {
		s->rx_left -= g->len;
		return;
	}
	w = mysql_walk_begin(s);
	if (w)
		w = mysql_walk_answer(sk, skb, g);
	if (!w) {
		count(COUNT_RX_LOST);
		mysql_lose(s, index);
		return;
	}
	mysql_take(s, w);
	mysql_note(s, index, w);
}

/* How many commands await their answers, for whoever reads the slot. */
static __always_inline void mysql_settle(struct slot *s)
{
	__u32 q = s->asked, n = RUN_COUNT(q);

	q >>= RUN_BITS;
	n += RUN_COUNT(q) + RUN_COUNT(q >> RUN_BITS);
	s->pending = n < 255 ? n : 255;
	s->flags = s->pending ? s->flags | SLOT_BUSY : s->flags & ~SLOT_BUSY;
}

/* The server spoke first.  Returns the phase that follows, PHASE_FREE when it is not MySQL. */
static __always_inline __u8 mysql_greeted(struct sock *sk, struct sk_buff *skb, struct slot *s,
					  const struct segment *g)
{
	struct mysql_walk *w = NULL;

	if (!g->advanced && !(s->flags & SLOT_UNFRAMED))
		w = mysql_walk_begin(s);
	if (w) {
		w->part = PART_GREETING;
		w = mysql_walk_answer(sk, skb, g);
	}
	if (!w)
		return PHASE_FREE;
	s->protocol = WIRE_MYSQL;
	mysql_take(s, w);
	s->backend_pid = w->thread;
	if (w->refused)
		return PHASE_AUTH;
	return w->greeted ? PHASE_NEGOTIATE : PHASE_HELLO;
}

/* A client of which we know nothing must speak MySQL to the byte; others only lost us. */
static __always_inline void mysql_lose_count(struct slot *s, __u32 index)
{
	const struct mysql_asked *w = mysql_asked();

	if (s->phase == PHASE_ADOPTED) {
		s->asked = 0;
		return;
	}
	count(w && w->deep ? COUNT_TX_DEEP : COUNT_TX_UNREADABLE);
	note_texts(index, 0, s->tx_msg, TEXTS_LOST);
	mysql_lose(s, index);
	s->my.step = 0;
	s->flags |= SLOT_UNCOUNTED;
}

/* What was just acknowledged. */
static __noinline void mysql_hear_client(struct sock *sk, struct slot *s, const struct segment *g,
					 __u32 index)
{
	struct mysql_asked *w;
	bool greeted = s->phase == PHASE_NEGOTIATE;

	if (!mysql_count(sk, s, index, g->ack, &w)) {
		mysql_lose_count(s, index);
		if (greeted)
			s->phase = PHASE_BLIND;
		return;
	}
	if (!greeted && w && w->names)
		mysql_hear_change(s, index, w);
	if (!greeted || (s->my.part == PART_GREETING && !(w && w->names)))
		return;
	s->phase = mysql_login(sk, s, index, s->my.part == PART_GREETING ? w : NULL);
	s->my.part = s->phase == PHASE_AUTH ? PART_FIRST : PART_NONE;
	s->asked = s->phase == PHASE_AUTH ? RUN(ANSWER_LOGIN) : 0;
}

/* Nothing is known of the connection: does it speak MySQL, as far as one can tell? */
static __always_inline bool mysql_may_be(struct sock *sk, struct slot *s, const struct segment *g,
					 __u32 index)
{
	if (s->phase == PHASE_HELLO)	/* where the server speaks first */
		return g->len && !g->advanced && !(s->flags & SLOT_EDGE);
	if (g->advanced)
		mysql_hear_client(sk, s, g, index);
	return s->asked;
}

/*
 * One segment of what speaks MySQL, or may.  Returns the phase that follows,
 * PHASE_FREE when it does not.
 */
static __always_inline __u8 mysql(struct sock *sk, struct sk_buff *skb, struct slot *s,
				  const struct segment *g, __u32 index)
{
	if (s->phase == PHASE_HELLO) {
		s->phase = mysql_greeted(sk, skb, s, g);
		return s->phase;
	}
	if (s->phase == PHASE_BLIND)
		return PHASE_BLIND;
	if (g->advanced && s->phase != PHASE_ADOPTED)
		mysql_hear_client(sk, s, g, index);
	if (g->len && s->phase != PHASE_BLIND) {
		if (s->flags & SLOT_UNFRAMED)
			mysql_regain(sk, skb, s, g, index);
		else
			mysql_follow(sk, skb, s, g, index);
	}
	if (s->protocol == WIRE_MYSQL)
		mysql_settle(s);
	return s->phase;
}

#endif
