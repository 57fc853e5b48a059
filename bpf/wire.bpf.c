// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the wire says, at the client's end.
 *
 * One hook, tp_btf/tcp_probe: once for each segment that an established socket
 * receives, under the socket's lock, before the kernel processes it.  What the
 * server last said (its answer carries the transaction's state) is read from the
 * segment; what the client asked lies in its retransmit queue (sent.bpf.h).
 *
 * Here: the segment, what of it is new, holes, round trips.  What the bytes mean
 * is each protocol's own file.
 */
#include "place.bpf.h"
#include "mysql.bpf.h"
#include "postgresql.bpf.h"

/*
 * False when the segment says nothing new, or the kernel is going to drop it.  New is
 * what we have not heard, which may be less than what the kernel has not: where its
 * receive buffer was full it dropped a segment after we had, and it comes again.
 * `received`: the kernel's own count.
 */
static __always_inline bool look(const struct sk_buff *skb, const struct tcp_sock *tp,
				 const struct slot *s, __u64 received, struct segment *g)
{
	__s32 ahead = s->rx_bytes - received;
	__u32 seq, payload, seen;

	seq = CONTROL(skb, seq);
	g->ack = CONTROL(skb, ack_seq);
	if ((__s32)(g->ack - tp->snd_nxt) > 0)
		return false;
	g->advanced = (__s32)(g->ack - s->tx_next) > 0;
	payload = CONTROL(skb, end_seq) - seq;
	if (unlikely(payload && CONTROL(skb, tcp_flags) & 1))
		payload--;	/* FIN takes a number and brings no byte */
	seen = tp->rcv_nxt + (ahead > 0 ? ahead : 0) - seq;
	if ((__s32)seen < 0 || payload <= seen)	/* before its turn, again, or empty */
		return g->advanced;
	g->from = skb->len - payload + seen;
	g->here = g->len = payload - seen;
	g->seq = seq + seen;
	if (unlikely(tp->out_of_order_queue.rb_node))
		g->len += early_bytes(address_of(tp), g->seq + g->here);
	return true;
}

/* Whether `n` bytes from here on are all of a message that says nothing more. */
static __always_inline bool in_the_middle(const struct slot *s, __u64 n)
{
	return !(s->flags & SLOT_UNFRAMED) && s->rx_left >= n &&
	       (s->protocol != WIRE_MYSQL || mysql_is_between(s));
}

/* The kernel's own count says whether every byte passed by us, in order. */
static __always_inline void check_hole(struct slot *s, __u64 received, __u32 index)
{
	__u64 missed = received - s->rx_bytes;

	if (!unlikely((__s64)missed > 0))
		return;
	s->rx_bytes = received;
	if (in_the_middle(s, missed)) {
		s->rx_left -= missed;
		return;
	}
	if (!(s->flags & SLOT_UNFRAMED))
		count(COUNT_RX_HOLE);
	if (s->protocol == WIRE_POSTGRESQL)
		postgresql_lose(s, index);
	else
		mysql_lose(s, index);	/* not recognised: nothing but these notes to forget */
}

static __always_inline void note_rtt(struct slot *s, const struct tcp_sock *tp)
{
	__u32 rtt = tp->srtt_us >> 3;

	s->rtt_us = rtt;
	s->mdev_us = tp->mdev_us >> 2;
	s->rtt_n++;
	s->rtt_sum_us += rtt;
	s->rtt_sq_us2 += (__u64)rtt * rtt;
}

/* Nobody says who logs in there, but that somebody does cannot wait either. */
static __always_inline void report_opaque(const struct slot *s, __u32 index)
{
	struct rec_hdr *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		return;
	}
	fill_hdr(r, REC_OPAQUE, sizeof(*r), index, s);
	bpf_ringbuf_submit(r, wake_flags());
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(on_segment, struct sock *sk, struct sk_buff *skb)
{
	const struct tcp_sock *tp;
	struct segment g = {};
	struct slot *s;
	bool is_mysql;
	__u64 received;
	__u32 index;
	__u8 before, next;

	s = slot_of(sk, true, &index);
	if (!s)
		return 0;
	before = s->phase;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	received = tp->bytes_received;	/* once: each such load is half a line of code */
	if (!look(skb, tp, s, received, &g))
		return 0;
	slot_lock(s);
	s->last_ns = coarse_ns();
	check_hole(s, received, index);
	is_mysql = s->protocol == WIRE_MYSQL ||
		   (s->protocol == WIRE_UNKNOWN && mysql_may_be(sk, s, &g, index));
	next = is_mysql ? mysql(sk, skb, s, &g, index) : postgresql(sk, skb, s, &g, index);
	s->rx_bytes += g.len;
	if (g.advanced) {
		s->tx_next = g.ack;
		note_rtt(s, tp);
	}
	s->tx_bytes = tp->bytes_acked + (g.ack - tp->snd_una);
	slot_unlock(s);
	if (unlikely(next == PHASE_FREE))
		slot_release(sk, s, index);
	else if (unlikely(next == PHASE_BLIND && before != PHASE_BLIND))
		report_opaque(s, index);
	return 0;
}
