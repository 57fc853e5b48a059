// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lies unread or unacknowledged in the queues of a quiet connection.
 *
 * No segment tells: of these troubles silence is the sign.  User space asks, by
 * walking the map of tracked sockets (iter/bpf_map_elem, 5.8): no other socket of the
 * host is touched, no lock taken, and only what has something to say is written, so
 * that ten thousand quiet connections cost a millisecond a walk.  What is sent into
 * the void cannot wait for a walk: tp_btf/tcp_retransmit_skb runs when bytes are sent
 * again, and says so from the second time on that the kernel's timer does it.
 */
#include "slot.bpf.h"

#define QUIET_NS 1000000000ULL

static __always_inline void look(const struct tcp_sock *tp, struct queues *q)
{
	const struct inet_connection_sock *icsk = (const void *)tp;
	const struct sock *sk = (const void *)tp;
	__u32 received = BPF_CORE_READ(tp, rcv_nxt);
	__u32 acked = BPF_CORE_READ(tp, snd_una);
	__u32 probes;

	q->unread = received - BPF_CORE_READ(tp, copied_seq);
	q->unacked = BPF_CORE_READ(tp, write_seq) - acked;
	if (!q->unread && !q->unacked)
		return;
	/* The server's FIN takes a number too, and is no byte. */
	if (q->unread && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE_WAIT)
		q->unread--;
	q->room = BPF_CORE_READ(tp, rcv_wup) + BPF_CORE_READ(tp, rcv_wnd) - received;
	q->retransmits = BPF_CORE_READ(icsk, icsk_retransmits);
	probes = BPF_CORE_READ(icsk, icsk_probes_out);
	if (probes > q->retransmits)
		q->retransmits = probes;
	q->held = q->unacked && BPF_CORE_READ(tp, snd_nxt) == acked && BPF_CORE_READ(tp, snd_wnd);
	q->error = BPF_CORE_READ(sk, sk_err_soft);
}

/*
 * A Unix socket's: what the server may still send is charged to its own end.  What is
 * read of it is heard, so only that something lies there has to be known.
 */
static __always_inline void look_unix(const struct unix_sock *u, struct queues *q)
{
	const struct sock *server = BPF_CORE_READ(u, peer);
	__s32 room;

	q->unread = BPF_CORE_READ(u, sk.sk_receive_queue.qlen);
	if (!q->unread || !server)
		return;
	room = BPF_CORE_READ(server, sk_sndbuf) - BPF_CORE_READ(server, sk_wmem_alloc.refs.counter);
	q->room = room > 0 ? room : 0;
}

static __always_inline void fill(struct queues *q, const struct slot *s, __u32 index,
				 const void *sk)
{
	q->cookie = s->cookie;
	q->slot = index;
	q->gen = s->gen;
	if (s->rport)
		look(sk, q);
	else	/* without a port it is a Unix socket */
		look_unix(sk, q);
}

/* A walk holds no lock: the socket may have become another's meanwhile. */
static __always_inline bool is_of(const struct sock *sk, const struct slot *s)
{
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) == s->cookie;
}

SEC("iter/bpf_map_elem")
int on_socket(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *address = ctx->key;
	__u32 *index = ctx->value;
	struct queues q = {};
	struct slot *s;
	__u32 slot;

	if (!address || !index)
		return 0;
	slot = *index;
	s = bpf_map_lookup_elem(&slots, &slot);
	if (!s || s->phase < PHASE_AUTH || (__s64)(coarse_ns() - s->last_ns) < (__s64)QUIET_NS)
		return 0;
	fill(&q, s, slot, (const void *)*address);
	if ((q.unread || q.unacked) && is_of((const void *)*address, s))
		bpf_seq_write(ctx->meta->seq, &q, sizeof(q));
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, const struct sock *sk)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);
	struct rec_stalled *r;
	struct slot *s;
	__u32 index;

	if (!tp || !tp->inet_conn.icsk_retransmits)
		return 0;
	s = slot_of(sk, false, &index);
	if (!s || s->phase < PHASE_AUTH)
		return 0;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count(COUNT_RING_FULL);
		return 0;
	}
	fill_hdr(&r->hdr, REC_STALLED, sizeof(*r), index, s);
	__builtin_memset(&r->queues, 0, sizeof(r->queues));
	fill(&r->queues, s, index, tp);
	bpf_ringbuf_submit(r, wake_flags());
	return 0;
}
