/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PostgreSQL, at the client's end.
 *
 * The tail of a segment alone proves nothing: a row may end in the bytes of a
 * ReadyForQuery.  So answers are followed message by message - a type, a length,
 * skip - in chunks of CHUNK bytes, and a mark counts only where a message begins.
 * When that thread is lost (a hole, a late start) the state is unknown until a
 * request is followed by an answer that is whole in one segment.
 *
 * A mark says "idle" only if no other request is on its way (pipelining).
 * Requests are counted by walking what was acknowledged, but only where it can
 * matter: not when one answer takes the connection from idle to idle, outside
 * any transaction.
 */
#ifndef PLIMSOLL_POSTGRESQL_BPF_H
#define PLIMSOLL_POSTGRESQL_BPF_H

#include "postgresql_answer.bpf.h"
#include "postgresql_login.bpf.h"
#include "postgresql_request.bpf.h"

/* pg.type while the thread is lost: something came, and it did not end in a mark. */
#define MIDST 1

/*
 * With the thread go the marks in it.  If one request was open it may have been answered
 * unheard, and the count begins anew.  Of several only their answers can tell which are
 * still open.
 */
static __always_inline void postgresql_lose(struct slot *s, __u32 index)
{
	forget_prepared(index);
	if (s->pending == 1) {
		s->pending = 0;
		s->flags |= SLOT_UNCOUNTED;
	}
	s->flags |= SLOT_UNFRAMED;
	s->status = 0;
	s->rx_left = s->pg.have = 0;
	s->pg.type = MIDST;
}

/*
 * While the thread is lost: did the segment end as an answer does?  If not, what comes
 * next belongs to the same answer, whatever was asked meanwhile.
 */
static __always_inline void note_tail(struct sk_buff *skb, struct slot *s, const struct segment *g)
{
	__u8 tail[8] __attribute__((aligned(8))) = {};	/* Z, four bytes of length, status */

	s->pg.type = MIDST;
	if (g->here == g->len && g->len >= 6 &&
	    received_few(skb, tail, 6, g->from + g->len - 6) && tail[0] == 'Z' && tail[4] == 5 &&
	    !(tail[1] | tail[2] | tail[3]))
		s->pg.type = 0;
}

/*
 * Follows the answer.  NULL when it could not be followed, else what was heard;
 * `ret_whole` when the segment ends in a mark.
 */
static __always_inline const struct walk *hear(struct sock *sk, struct sk_buff *skb,
					       struct slot *s, __u32 index,
					       const struct segment *g, bool *ret_whole)
{
	bool framed = !(s->flags & SLOT_UNFRAMED);
	const struct walk *w;

	*ret_whole = false;
	if (unlikely(!framed) && (s->pg.type == MIDST || (!g->advanced && !(s->flags & SLOT_EDGE)))) {
		note_tail(skb, s, g);
		return NULL;
	}
	w = read_answer(sk, skb, s, g, !framed);
	if (unlikely(framed && !w)) {
		count(COUNT_RX_LOST);
		postgresql_lose(s, index);
	}
	if (w)
		*ret_whole = w->marks && !w->answer && !w->have && w->at.off == w->at.end;
	if (unlikely(!w || (!framed && !*ret_whole))) {
		note_tail(skb, s, g);
		return NULL;
	}
	s->flags &= ~SLOT_UNFRAMED;
	s->rx_left = w->at.off > w->at.end ? w->at.off - w->at.end : 0;
	s->pg.have = w->have;
	if (unlikely(w->have > HEADER)) {	/* inside BackendKeyData: give its number up */
		s->rx_left = be32(w->head) + 1 - w->have;
		s->pg.have = 0;
	}
	s->pg.type = w->type;
	__builtin_memcpy(s->pg.head, w->head, 4);
	if (w->backend_pid)
		s->backend_pid = w->backend_pid;
	if (w->marks)
		s->status = w->status;
	return w;
}

/*
 * Brings the number of open requests up to date: `asked` more, `answered` fewer.
 * Where the count was lost, `pending` holds what was asked since the last answer;
 * it is believed again when an answer to just that many is all that came back.
 */
static __always_inline void settle(struct slot *s, int asked, __u32 answered, bool whole_edge)
{
	int open = (int)s->pending + asked - (int)answered;

	if (s->flags & SLOT_UNCOUNTED) {
		if (answered && whole_edge && asked >= 0 && open == 0)
			s->flags &= ~SLOT_UNCOUNTED;
		s->pending = answered || asked < 0 || open > 255 ? 0 : open;
		return;
	}
	if (asked < 0 || open < 0 || open > 255) {
		s->flags |= SLOT_UNCOUNTED;
		open = 0;
	}
	s->pending = open;
}

static __always_inline void report_listen(struct slot *s, __u32 index)
{
	struct rec_hdr *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		return;
	}
	fill_hdr(r, REC_LISTEN, sizeof(*r), index, s);
	bpf_ringbuf_submit(r, wake_flags());
}

/* One segment of a conversation in the protocol, after the start-up packet. */
static __always_inline void converse(struct sock *sk, struct sk_buff *skb, struct slot *s,
				     __u32 index, const struct segment *g)
{
	const struct walk *w = NULL;
	__u8 before = s->status;
	bool authenticating = s->phase == PHASE_AUTH;
	bool whole = false, plain;
	__u32 answered = 0;
	int asked = 0;

	if (g->len)
		w = hear(sk, skb, s, index, g, &whole);
	if (w)
		answered = w->marks;
	if (unlikely(w && w->listens))
		report_listen(s, index);
	/* One answer from idle to idle: nothing a count could add, but what was asked. */
	plain = authenticating || (whole && answered == 1 && before == 'I' && s->status == 'I' &&
				   !s->pending && !(s->flags & SLOT_UNCOUNTED) &&
				   !is_text_wanted(index) && !prepared_named(sk, s, w));
	if (g->advanced && plain)
		s->tx_msg = g->ack;
	else if (g->advanced)
		asked = hear_requests(sk, s, index, g->ack);
	if (!plain)
		settle(s, asked, answered,
		       whole && (g->advanced ? s->tx_msg == g->ack
					     : s->flags & SLOT_EDGE && s->tx_msg == s->tx_next));
	else if (!authenticating && !g->advanced)
		s->flags |= SLOT_UNCOUNTED;	/* an answer that nobody asked for here */
	if (w)
		check_names(s, index, w);
	if (w && w->copy && s->flags & SLOT_SYNC)
		s->flags |= SLOT_UNCOUNTED;	/* COPY swallows a Sync */
	if (answered || (w && w->answer) || g->advanced)
		s->flags = whole && !s->pending ? s->flags & ~SLOT_BUSY : s->flags | SLOT_BUSY;
	if (g->len)
		s->flags &= ~SLOT_EDGE;
	else if (g->advanced)
		s->flags |= SLOT_EDGE;
	if (!answered)
		return;
	if (s->phase == PHASE_READY)
		s->queries += answered;
	/* Up to the mark; where more came with it, up to where the segment begins. */
	s->answered = s->rx_bytes + (whole ? g->len : 0);
	s->phase = PHASE_READY;
	s->protocol = WIRE_POSTGRESQL;
	note_status(s, index, s->last_ns);
}

/* One segment of what speaks PostgreSQL, or may.  Returns PHASE_FREE when it does not. */
static __always_inline __u8 postgresql(struct sock *sk, struct sk_buff *skb, struct slot *s,
				       const struct segment *g, __u32 index)
{
	__u8 next = s->phase;

	if (unlikely(next == PHASE_HELLO || next == PHASE_NEGOTIATE)) {
		next = recognise(sk, skb, s, g, index);
		if (next != PHASE_FREE && next != PHASE_HELLO)
			s->protocol = WIRE_POSTGRESQL;
		s->phase = next;
	}
	if (next == PHASE_AUTH || next == PHASE_READY || next == PHASE_ADOPTED)
		converse(sk, skb, s, index, g);
	return next;
}

#endif
