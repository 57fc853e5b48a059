// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections that are older than we are, and who has which socket open.
 *
 * iter/tcp (5.9) shows the sockets of one network namespace, listeners first;
 * a socket on a port that somebody listens on is a server's end and not ours.
 * The iterator holds the socket's lock, so its facts are consistent and a slot
 * still has one writer at a time.  iter/task_file (5.8) names the holders.
 */
#include "slot.bpf.h"

struct listener {
	__u32 netns;
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct listener);
	__type(value, __u8);
} listeners SEC(".maps");

/* When the socket last moved, by its own stamps in jiffies. */
static __always_inline __u64 last_moved_ns(const struct tcp_sock *tp, __u64 now_ns)
{
	__u32 now = (__u32)bpf_jiffies64();
	__u32 sent = now - tp->lsndtime, received = now - tp->rcv_tstamp;
	__u64 ago = sent < received ? sent : received;

	ago *= cfg_tick_ns;
	return ago < now_ns ? now_ns - ago : now_ns;
}

static __always_inline void adopt(struct sock_common *c, const struct tcp_sock *tp, __u32 uid)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 index;
	struct slot *s = slot_take(tp, BPF_NOEXIST, &index);

	if (!s)
		return;
	slot_lock(s);
	slot_clear(s);
	s->phase = PHASE_ADOPTED;
	s->flags = SLOT_ADOPTED | SLOT_UNFRAMED | SLOT_UNCOUNTED;
	s->tcp_state = c->skc_state;
	s->opened_ns = s->last_ns = last_moved_ns(tp, now_ns);
	s->cookie = bpf_get_socket_cookie(c);
	hint(s->cookie, index);
	s->netns = c->skc_net.net->ns.inum;
	s->uid = uid;
	fill_remote(s, c);
	fill_local(s, c);
	s->tx_next = s->tx_msg = tp->snd_una;
	s->rx_bytes = tp->bytes_received;
	s->tx_bytes = tp->bytes_acked;
	s->rtt_us = tp->srtt_us >> 3;
	s->mdev_us = tp->mdev_us >> 2;
	slot_unlock(s);
}

SEC("iter/tcp")
int on_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *c = ctx->sk_common;
	struct listener l = {};
	const struct tcp_sock *tp;
	__u32 index;
	__u8 one = 1;

	if (!c)
		return 0;
	l.netns = c->skc_net.net->ns.inum;
	l.port = c->skc_num;
	if (c->skc_state == TCP_LISTEN) {
		bpf_map_update_elem(&listeners, &l, &one, BPF_ANY);
		return 0;
	}
	if (c->skc_state != TCP_ESTABLISHED && c->skc_state != TCP_CLOSE_WAIT)
		return 0;
	tp = bpf_skc_to_tcp_sock(c);
	if (!tp || bpf_map_lookup_elem(&listeners, &l) || slot_of((const void *)tp, true, &index))
		return 0;
	adopt(c, tp, ctx->uid);
	return 0;
}

/* The cookie of the one connection that is asked about; 0: all, and listeners too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} wanted SEC(".maps");

/* Whether the holder of `sk` is asked for; fills in what it is. */
static __always_inline bool describe(const struct sock *sk, __u64 only, struct holder *h)
{
	const struct sock_common *c = &sk->__sk_common;
	__u32 index;
	struct slot *s = slot_of(sk, false, &index);

	if (s) {
		h->cookie = s->cookie;
		h->uid = s->uid;
		return !only || only == s->cookie;
	}
	if (only || c->skc_state != TCP_LISTEN ||
	    (c->skc_family != AF_INET && c->skc_family != AF_INET6))
		return false;
	h->port = c->skc_num;
	h->netns = c->skc_net.net->ns.inum;
	return true;
}

SEC("iter/task_file")
int on_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct holder h = {};
	struct socket *sock;
	__u64 *only;
	__u32 zero = 0;

	if (!task || !file)
		return 0;
	sock = bpf_sock_from_file(file);
	only = bpf_map_lookup_elem(&wanted, &zero);
	if (!sock || !sock->sk || !only || !describe(sock->sk, *only, &h))
		return 0;
	h.tgid = task->tgid;
	h.fd = ctx->fd;
	h.start_ticks = task->group_leader->start_boottime / NS_PER_TICK;
	BPF_CORE_READ_STR_INTO(&h.comm, task, group_leader, comm);
	bpf_seq_write(ctx->meta->seq, &h, sizeof(h));
	return 0;
}
