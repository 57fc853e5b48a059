// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections through Unix sockets, at the end that called connect().
 *
 * The same slots and the same readers of the protocols as for TCP; other hooks:
 * cgroup/connect_unix (6.7) for who connects where, tp_btf/sock_send_length and
 * sock_recv_length (6.3) for what is said.  These two run in the process that sends or
 * receives, after it did, and see its own memory (caller.bpf.h).  A message sent
 * is to the readers what TCP's acknowledgement of it is.
 *
 * Whether connect() succeeds, and when the socket closes, has no hook: the first
 * message begins the connection, and `look_over` (run by user space a few times
 * a second, over as many sockets as there are) ends it.
 *
 * The hooks of what is said run at every message of the host, TCP's too.  So user space
 * attaches them only while there is somebody to be heard; a dial tells it.  What is sent
 * is heard always where evidence is kept: its hook is there anyway.
 *
 * No lock is held where these hooks run, so two threads of a process may meet
 * on one socket.  One of them goes without; then the thread is lost until found again.
 *
 * An object of its own, with its own copies of the readers' work space: these
 * hooks can be interrupted by those of TCP.
 */
#define OF_THE_CALLER
#include "evidence.bpf.h"
#include "mysql.bpf.h"
#include "postgresql.bpf.h"

#define SOCK_STREAM  1
#define RCV_SHUTDOWN 1
#define MSG_PEEK     2
#define TRIES	     256	/* for another thread to leave: some microseconds */

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* A client's end that is followed. */
struct unix_end {
	__u32 index;	/* of its slot */
	__u32 taken;	/* by a hook at work */
	__u32 missed;	/* a message passed while it was */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);	/* each look walks as many buckets */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct unix_end);
} unix_ends SEC(".maps");

/* Sockets that called connect() and have not said what they speak. */
struct dialled {
	struct slot slot;	/* as it will begin */
	char path[UNIX_PATH];
	__u32 late;	/* 1: nobody was heard then, its first messages may have passed */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct dialled);
} dialled SEC(".maps");

/* An empty one, copied in when a socket dials. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dialled);
} not_dialled SEC(".maps");

/* ---- one writer */

static __always_inline bool seize(struct unix_end *end)
{
	for (int i = 0; i < TRIES; i++)
		if (!__sync_val_compare_and_swap(&end->taken, 0, 1))
			return true;
	count(COUNT_UNIX_CLASH);
	end->missed = 1;
	return false;
}

static __always_inline void leave(struct unix_end *end)
{
	__sync_lock_test_and_set(&end->taken, 0);
}

/* ---- begin */

static __always_inline void fill_unix(struct slot *s, const struct sock *sk)
{
	s->tcp_state = TCP_ESTABLISHED;
	s->cookie = bpf_get_socket_cookie((void *)sk);
	s->netns = sk->__sk_common.skc_net.net->ns.inum;
	s->laddr[0] = s->laddr[1] = s->raddr[0] = s->raddr[1] = UNIX_MARK;
}

/* Where it connects to.  An abstract name begins with NUL: '@' in what people read. */
static __always_inline void copy_path(char *to, const struct sockaddr_un *at, __u32 len)
{
	__u32 n = len - bpf_core_field_offset(struct sockaddr_un, sun_path);

	barrier_var(n);
	if (len < 3 || n >= UNIX_PATH || bpf_probe_read_kernel(to, n, at->sun_path))
		return;
	if (!to[0])
		to[0] = '@';
}

static __always_inline struct unix_end *begin(const struct sock *sk, __u64 key, struct slot *s,
					      __u32 index)
{
	struct unix_end end = { .index = index, .taken = 1 };

	if (bpf_map_update_elem(&unix_ends, &key, &end, BPF_ANY)) {
		slot_release(sk, s, index);
		count(COUNT_SLOTS_FULL);
		return NULL;
	}
	__sync_fetch_and_add(&shared.unix_ends, 1);
	hint(s->cookie, index);
	return bpf_map_lookup_elem(&unix_ends, &key);
}

/* The first message of a socket that dialled: it has a slot from here on, and is ours. */
static __always_inline struct unix_end *answered(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct dialled *d = bpf_map_lookup_elem(&dialled, &key);
	struct slot *s;
	__u32 index, gen, lock;

	if (!d || d->slot.cookie != bpf_get_socket_cookie(sk))
		return NULL;
	s = slot_take(sk, BPF_ANY, &index);
	if (!s)
		return NULL;
	slot_lock(s);
	slot_clear(s);
	gen = s->gen;
	lock = s->lock;
	__builtin_memcpy(s, &d->slot, sizeof(*s));
	s->gen = gen;
	s->lock = lock;
	fill_unix(s, sk);
	s->last_ns = bpf_ktime_get_ns();
	slot_unlock(s);
	if (cfg_evidence != TIER_OFF)
		take_snapshot(&connects, index, s->gen, COUNT_CONNECT_LOST);
	return begin(sk, key, s, index);
}

static __always_inline void report_path(__u16 type, const struct slot *s, __u32 index,
					const char *path)
{
	struct rec_path *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		return;
	}
	fill_hdr(&r->hdr, type, sizeof(*r), index, s);
	__builtin_memset(r->server, 0, sizeof(r->server));
	__builtin_memcpy(r->path, path, sizeof(r->path));
	bpf_ringbuf_submit(r, wake_flags());
}

/* ---- end */

/* What it dialled is left: by now that may be its successor's, at the same address. */
static __always_inline void forget(const struct sock *sk, struct slot *s, __u32 index)
{
	__u64 key = (__u64)sk;

	if (!bpf_map_delete_elem(&unix_ends, &key))
		__sync_fetch_and_sub(&shared.unix_ends, 1);
	slot_release(sk, s, index);
}

static __always_inline void ended(const struct sock *sk, struct slot *s, __u32 index)
{
	struct rec_closed *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (r) {
		fill_hdr(&r->hdr, REC_CLOSED, sizeof(*r), index, s);
		r->queries = s->queries;
		r->phase = s->phase;
		r->by_server = s->tcp_state == TCP_CLOSE_WAIT;
		r->pad[0] = r->pad[1] = 0;
		bpf_ringbuf_submit(r, wake_flags());
	} else {
		count(COUNT_RING_FULL);
	}
	forget(sk, s, index);
}

/* ---- connect() */

/* The socket that was here before has closed, and no look has noticed. */
static __always_inline void bury(const struct sock *sk, __u64 cookie)
{
	__u64 key = (__u64)sk;
	struct unix_end *end = bpf_map_lookup_elem(&unix_ends, &key);
	__u32 index = end ? end->index : HINT_NONE;
	struct slot *s = end ? bpf_map_lookup_elem(&slots, &index) : NULL;

	if (s && s->cookie != cookie && seize(end))
		ended(sk, s, index);
}

SEC("connect_unix")
int on_unix_connect(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *kern = bpf_cast_to_kern_ctx(ctx);
	struct sock *sk = kern->sk;
	__u64 key = (__u64)sk, cookie = bpf_get_socket_cookie(ctx);
	__u32 zero = 0;
	struct dialled *d = bpf_map_lookup_elem(&not_dialled, &zero);

	if (!d || sk->sk_type != SOCK_STREAM)
		return 1;
	bury(sk, cookie);
	if (bpf_map_update_elem(&dialled, &key, d, BPF_ANY))
		return 1;
	d = bpf_map_lookup_elem(&dialled, &key);
	if (!d)
		return 1;
	d->slot.phase = PHASE_HELLO;
	d->slot.opened_ns = bpf_ktime_get_ns();
	d->slot.cookie = cookie;
	d->slot.netns = sk->__sk_common.skc_net.net->ns.inum;
	fill_owner(&d->slot);
	copy_path(d->path, (void *)kern->uaddr, kern->uaddrlen);
	d->late = !shared.unix_heard;
	if (d->late)
		report_path(REC_DIALLED, &d->slot, HINT_NONE, d->path);
	return 1;
}

/* ---- a look at all */

/* Its memory may be another's by now, or nobody's: read with care, believed by its cookie. */
static long look_at(void *map, __u64 *key, struct unix_end *end, void *ctx)
{
	const struct sock *sk = (const void *)*key;
	__u32 index = end->index;
	struct slot *s = bpf_map_lookup_elem(&slots, &index);
	__u64 cookie = 0;

	if (!s)
		return 0;
	bpf_core_read(&cookie, sizeof(cookie), &sk->__sk_common.skc_cookie);
	if (cookie == s->cookie && BPF_CORE_READ(sk, sk_socket)) {
		if (s->tcp_state != TCP_ESTABLISHED ||
		    !(BPF_CORE_READ(sk, sk_shutdown) & RCV_SHUTDOWN) || !seize(end))
			return 0;
		slot_lock(s);
		s->tcp_state = TCP_CLOSE_WAIT;
		slot_unlock(s);
		leave(end);
	} else if (seize(end)) {
		ended(sk, s, index);
	}
	return 0;
}

/* Run by user space a few times a second: which have closed, which were closed on. */
SEC("syscall")
int look_over(void *ctx)
{
	bpf_for_each_map_elem(&unix_ends, look_at, NULL, 0);
	return 0;
}

static long ask_at(void *map, __u64 *key, struct unix_end *end, struct unix_question *q)
{
	const struct sock *sk = (const void *)*key;
	__u64 cookie = 0;

	bpf_core_read(&cookie, sizeof(cookie), &sk->__sk_common.skc_cookie);
	if (cookie != q->cookie || !BPF_CORE_READ(sk, sk_socket))
		return 0;
	q->unread = BPF_CORE_READ(sk, sk_receive_queue.qlen);
	q->unacked = BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter) - 1;
	q->server_gone = !!(BPF_CORE_READ(sk, sk_shutdown) & RCV_SHUTDOWN);
	q->found = 1;
	return 1;
}

/* Run by user space for one suspect. */
SEC("syscall")
int ask_unix(struct unix_question *q)
{
	struct unix_question found = { .cookie = q->cookie };

	bpf_for_each_map_elem(&unix_ends, ask_at, &found, 0);
	q->found = found.found;
	q->unread = found.unread;
	q->unacked = found.unacked;
	q->server_gone = found.server_gone;
	return 0;
}

/* ---- who listens */

/* The process whose credentials the socket has of its peer. */
static __always_inline void name_server(char *comm, const struct sock *sk)
{
	struct pid *pid = BPF_CORE_READ(sk, sk_peer_pid);
	struct hlist_node *first = pid ? BPF_CORE_READ(pid, tasks[PIDTYPE_TGID].first) : NULL;
	const struct task_struct *task;

	if (!first)
		return;
	task = (const void *)first -
	       bpf_core_field_offset(struct task_struct, pid_links[PIDTYPE_TGID]);
	BPF_CORE_READ_STR_INTO((char(*)[16])comm, task, comm);
}

#define NAME_OF_PG ".s.PGSQL."

/* Whether it is a database's server, by its socket's name or by its own. */
static __always_inline bool is_served(const struct unix_sock *server, const char *comm)
{
	const unsigned char *at = BPF_CORE_READ(server, path.dentry, d_name.name);
	char name[16] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), at);
	return !bpf_strncmp(name, sizeof(NAME_OF_PG) - 1, NAME_OF_PG) ||
	       !bpf_strncmp(comm, 16, "postgres") || !bpf_strncmp(comm, 16, "mariadbd") ||
	       !bpf_strncmp(comm, 16, "mysqld");
}

/* ---- what is said */

/* A message passed unseen: what is known may be out of date. */
static __always_inline void lose(struct slot *s, __u32 index)
{
	count(COUNT_RX_HOLE);
	if (s->protocol == WIRE_POSTGRESQL)
		postgresql_lose(s, index);
	else
		mysql_lose(s, index);
	s->pending = 0;
	s->flags |= SLOT_UNCOUNTED;
}

static __always_inline __u8 heed_message(struct sock *sk, struct slot *s, __u32 index, __u32 size,
					 bool sent)
{
	struct segment g = {};

	if (sent) {
		g.ack = s->tx_next + size;
		g.advanced = true;
	} else {
		g.ack = s->tx_next;
		g.here = g.len = size;
		g.seq = s->rx_bytes;
	}
	message_bytes_find(sent ? s->tx_next : g.seq, size, sent);
	if (s->protocol == WIRE_MYSQL ||
	    (s->protocol == WIRE_UNKNOWN && mysql_may_be(sk, s, &g, index)))
		return mysql(sk, NULL, s, &g, index);
	return postgresql(sk, NULL, s, &g, index);
}

/* It is taken in as if it were old, at once: what it says from here on counts. */
static __always_inline bool adopt_late(struct sock *sk, struct slot *s, __u32 index,
				       const struct dialled *d)
{
	const struct unix_sock *server = (const void *)BPF_CORE_READ((struct unix_sock *)sk, peer);
	struct rec_path r = {};

	if (!server)
		return false;
	name_server(r.server, sk);
	if (!is_served(server, r.server))
		return false;
	fill_hdr(&r.hdr, REC_PATH, sizeof(r), index, s);
	__builtin_memcpy(r.path, d->path, sizeof(r.path));
	if (bpf_ringbuf_output(&ring, &r, sizeof(r), wake_flags()))
		count(COUNT_RING_FULL);
	return true;
}

/*
 * What its first messages say it is, `next`; what it is taken for.  If it dialled when
 * nobody was heard, some of them may have passed.
 */
static __always_inline __u8 begins(struct sock *sk, struct slot *s, __u32 index, __u8 next,
				   bool sent)
{
	__u64 key = (__u64)sk;
	struct dialled *d = bpf_map_lookup_elem(&dialled, &key);

	if (d && d->late && (next == PHASE_FREE || (next == PHASE_HELLO && sent)) &&
	    adopt_late(sk, s, index, d))
		next = s->phase = PHASE_ADOPTED;	/* not greeted, or the greeting passed */
	else if (next == PHASE_HELLO)
		return next;
	else if (d && next != PHASE_FREE)
		report_path(REC_PATH, s, index, d->path);
	if (d && d->late && s->protocol != WIRE_MYSQL)
		s->flags |= SLOT_UNFRAMED | SLOT_UNCOUNTED | (sent ? SLOT_EDGE : 0);
	bpf_map_delete_elem(&dialled, &key);
	return next;
}

static __always_inline int moved(struct sock *sk, int size, bool sent)
{
	__u64 key = (__u64)sk;
	struct unix_end *end = bpf_map_lookup_elem(&unix_ends, &key);
	__u32 index;
	struct slot *s;
	__u8 before, next;

	if (end && !seize(end))
		return 0;
	if (!end)
		end = answered(sk);
	if (!end)
		return 0;
	index = end->index;
	s = bpf_map_lookup_elem(&slots, &index);
	if (!s || s->cookie != bpf_get_socket_cookie(sk)) {
		leave(end);	/* look_over() ends it */
		return 0;
	}
	before = s->phase;
	slot_lock(s);
	s->last_ns = coarse_ns();
	if (end->missed) {
		end->missed = 0;
		lose(s, index);
	}
	next = heed_message(sk, s, index, size, sent);
	if (before == PHASE_HELLO)
		next = begins(sk, s, index, next, sent);
	if (sent) {
		s->tx_next += size;
		s->tx_bytes += size;
	} else {
		s->rx_bytes += size;
	}
	slot_unlock(s);
	if (next == PHASE_FREE)
		forget(sk, s, index);	/* and `end` with it */
	else
		leave(end);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_unix_send, struct sock *sk, int ret, int flags)
{
	if (sk->__sk_common.skc_family != AF_UNIX || ret <= 0)
		return 0;
	return moved(sk, ret, true);
}

/* The same where evidence is kept of who sends, on any socket. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(on_any_send, struct sock *sk, int ret, int flags)
{
	if (ret <= 0)
		return 0;
	note_sender(sk, ret);
	return sk->__sk_common.skc_family == AF_UNIX ? moved(sk, ret, true) : 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_unix_receive, struct sock *sk, int ret, int flags)
{
	if (sk->__sk_common.skc_family != AF_UNIX || ret <= 0 || flags & MSG_PEEK)
		return 0;
	return moved(sk, ret, false);
}

/* ---- older than we are */

static __always_inline void adopt(struct sock *sk, struct rec_path *r, __u32 uid)
{
	__u64 key = (__u64)sk;
	__u32 index;
	struct slot *s = slot_take(sk, BPF_NOEXIST, &index);
	struct unix_end *end;

	if (!s)
		return;
	slot_lock(s);
	slot_clear(s);
	s->phase = PHASE_ADOPTED;
	s->flags = SLOT_ADOPTED | SLOT_UNFRAMED | SLOT_UNCOUNTED;
	s->opened_ns = s->last_ns = bpf_ktime_get_ns();
	s->uid = uid;
	fill_unix(s, sk);
	slot_unlock(s);
	end = begin(sk, key, s, index);
	if (!end)
		return;
	fill_hdr(&r->hdr, REC_PATH, sizeof(*r), index, s);
	leave(end);
	if (bpf_ringbuf_output(&ring, r, sizeof(*r), wake_flags()))
		count(COUNT_RING_FULL);
}

/* Whether a server listens there that speaks first: before a dial has told us of its client. */
static __always_inline bool greets(const struct sock *sk)
{
	char comm[16] = {};

	if (sk->__sk_common.skc_state != TCP_LISTEN)
		return false;
	name_server(comm, sk);
	return !bpf_strncmp(comm, 16, "mariadbd") || !bpf_strncmp(comm, 16, "mysqld");
}

/* A client's end has no name, and its peer has the server's. */
SEC("iter/unix")
int on_unix(struct bpf_iter__unix *ctx)
{
	struct unix_sock *u = ctx->unix_sk;
	const struct unix_sock *server;
	const struct unix_address *at;
	struct rec_path r = {};
	__u32 index;

	if (u && greets(&u->sk))
		shared.unix_greeters++;
	if (!u || u->addr || u->sk.__sk_common.skc_state != TCP_ESTABLISHED ||
	    u->sk.sk_type != SOCK_STREAM || slot_of(&u->sk, false, &index))
		return 0;
	server = (const void *)u->peer;
	at = server ? BPF_CORE_READ(server, addr) : NULL;
	if (!at)
		return 0;
	copy_path(r.path, at->name, BPF_CORE_READ(at, len));
	name_server(r.server, &u->sk);
	if (is_served(server, r.server))
		adopt(&u->sk, &r, ctx->uid);
	return 0;
}
