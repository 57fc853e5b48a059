// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a connection, at the end that called connect().
 *
 * One hook, tp_btf/inet_sock_set_state (5.6): every TCP socket's every change of
 * state.  Of these only CLOSE -> SYN_SENT runs in connect()'s own process, so the
 * owner is read there and nowhere else.  The hook runs under the socket's lock.
 */
#include "slot.bpf.h"
#include "snapshot.bpf.h"

static __always_inline void opened(const struct sock *sk)
{
	__u32 index;
	struct slot *s = slot_take(sk, BPF_ANY, &index);

	if (!s)
		return;
	slot_lock(s);
	slot_clear(s);
	s->phase = PHASE_OPENING;
	s->tcp_state = TCP_SYN_SENT;
	s->opened_ns = s->last_ns = bpf_ktime_get_ns();
	s->cookie = bpf_get_socket_cookie((void *)sk);
	hint(s->cookie, index);
	s->netns = sk->__sk_common.skc_net.net->ns.inum;
	fill_remote(s, &sk->__sk_common);
	fill_owner(s);
	slot_unlock(s);
	if (cfg_evidence != TIER_OFF)
		take_snapshot(&connects, index, s->gen, COUNT_CONNECT_LOST);
}

static __always_inline void established(const struct sock *sk, struct slot *s)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);

	if (!tp)
		return;
	slot_lock(s);
	s->phase = PHASE_HELLO;
	s->tcp_state = TCP_ESTABLISHED;
	fill_local(s, &sk->__sk_common);
	s->rx_bytes = tp->bytes_received;
	s->tx_next = s->tx_msg = tp->snd_una;
	slot_unlock(s);
}

static __always_inline void closed(const struct sock *sk, struct slot *s, __u32 index, int oldstate)
{
	struct rec_closed *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (r) {
		fill_hdr(&r->hdr, REC_CLOSED, sizeof(*r), index, s);
		r->queries = s->queries;
		r->phase = s->phase;
		r->by_server = oldstate == TCP_CLOSE_WAIT || s->tcp_state == TCP_CLOSE_WAIT;
		r->pad[0] = r->pad[1] = 0;
		bpf_ringbuf_submit(r, wake_flags());
	} else {
		count(COUNT_RING_FULL);
	}
	slot_release(sk, s, index);
}

/* The server's goodbye takes a number in its stream: it counts as a byte, and as a sign of life. */
static __always_inline void server_closed(const struct sock *sk, struct slot *s)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);

	slot_lock(s);
	s->tcp_state = TCP_CLOSE_WAIT;
	s->last_ns = coarse_ns();
	if (tp)
		s->rx_bytes = tp->bytes_received;
	slot_unlock(s);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int oldstate, int newstate)
{
	struct slot *s;
	__u32 index;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (oldstate == TCP_CLOSE && newstate == TCP_SYN_SENT) {
		opened(sk);
		return 0;
	}
	s = slot_of(sk, true, &index);
	if (!s)
		return 0;
	if (oldstate == TCP_SYN_SENT && newstate == TCP_ESTABLISHED) {
		established(sk, s);
	} else if (newstate == TCP_CLOSE) {
		closed(sk, s, index, oldstate);
	} else if (newstate == TCP_CLOSE_WAIT) {
		server_closed(sk, s);
	} else {
		slot_lock(s);
		s->tcp_state = newstate;
		slot_unlock(s);
	}
	return 0;
}
