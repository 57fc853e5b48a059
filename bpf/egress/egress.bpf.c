// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the client asked, where its retransmit queue cannot be read.
 *
 * cgroup_skb/egress at the root of the control groups: once for each packet that leaves a
 * socket of the host, under the lock of that socket when it is TCP's.  What a tracked
 * connection sends is kept until it is acknowledged, and found here by those who would look
 * into the queue (bpf/place.bpf.h).  A byte is kept under its TCP sequence, so what is sent
 * again changes nothing.  What is not here, since it had no room, cannot be read, as if it
 * had left the queue.
 *
 * An object of its own: the readers (bpf/wire.bpf.c, bpf/evidence.bpf.c) are linked in a
 * second time, with these functions in place of the weak ones there.
 */
#include "sent.bpf.h"

#define STRETCH	  1024	/* bytes of a connection that are kept in one piece, a power of two */
#define STRETCHES 8192	/* of all connections; the oldest go first */
#define UNDER_WAY 256	/* of one: what is further ahead of its acknowledgement is not kept */

_Static_assert(STRETCH >= STATEMENT_MAX, "what is read at once lies in two of them");

/* The number in its connection comes round. */
struct stretch_key {
	__u64 cookie;
	__u32 number;
	__u32 pad;
};

/* Twice what is kept: the verifier bounds an offset and a size, not their sum. */
struct stretch {
	__u64 cookie;
	__u32 from, to;		/* TCP sequences of what is kept, each byte in its place */
	__u8 bytes[2 * STRETCH];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, STRETCHES);
	__type(key, struct stretch_key);
	__type(value, struct stretch);
} stretches SEC(".maps");

/* An empty one, copied in where one begins. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stretch);
} no_stretch SEC(".maps");

static __always_inline struct stretch_key key_of(__u64 cookie, __u32 seq)
{
	return (struct stretch_key){ .cookie = cookie, .number = seq / STRETCH % UNDER_WAY };
}

/* ---- what is sent */

/* A packet on its way, as far as it was not looked at. */
struct packet {
	struct __sk_buff *skb;
	__u64 cookie;
	__u32 acked;	/* TCP sequence up to which nothing is wanted any more */
	__u32 seq;	/* of the first byte */
	__u32 at, len;	/* where they lie */
};

struct tcp_start {
	__u16 ports[2];
	__u32 seq, ack;
	__u8 offset, flags;
} __attribute__((packed));

#define IP_START  10	/* bytes that show the version, and what is inside */
#define IPV6_SIZE 40
#define TCP_SYN	  2

/*
 * Where its payload lies; false when there is none.  What wraps the packet for a tunnel comes
 * by once more, as another protocol's.
 */
static __always_inline bool find_payload(struct packet *p)
{
	struct tcp_start tcp;
	__u8 ip[IP_START];

	if (bpf_skb_load_bytes(p->skb, 0, ip, sizeof(ip)))
		return false;
	if (ip[0] >> 4 == 4 && ip[9] == IPPROTO_TCP)
		p->at = (ip[0] & 15) * 4;
	else if (ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP)
		p->at = IPV6_SIZE;
	else
		return false;
	if (bpf_skb_load_bytes(p->skb, p->at, &tcp, sizeof(tcp)) || tcp.flags & TCP_SYN)
		return false;
	p->seq = bpf_ntohl(tcp.seq);
	p->at += (tcp.offset >> 4) * 4;
	p->len = p->skb->len - p->at;
	return p->skb->len > p->at;
}

static __always_inline struct stretch *stretch_for(const struct packet *p)
{
	struct stretch_key key = key_of(p->cookie, p->seq);
	struct stretch *s = bpf_map_lookup_elem(&stretches, &key);
	__u32 zero = 0;

	if (s)
		return s;
	s = bpf_map_lookup_elem(&no_stretch, &zero);
	if (!s || bpf_map_update_elem(&stretches, &key, s, BPF_ANY))
		return NULL;
	s = bpf_map_lookup_elem(&stretches, &key);
	if (s)
		s->cookie = p->cookie;
	return s;
}

/* `n` bytes of the packet belong there: those behind what is kept are. */
static __always_inline void fill(struct stretch *s, const struct packet *p, __u32 n)
{
	__u32 kept, to;

	if (s->from == s->to || (__s32)(p->acked - s->to) >= 0)
		s->from = s->to = p->seq;
	kept = s->to - p->seq;
	if (kept >= n)
		return;		/* sent again, or behind a gap */
	n -= kept;
	to = s->to % STRETCH;
	barrier_var(n);		/* so that what is checked is what is used */
	if (n && n <= STRETCH && !bpf_skb_load_bytes(p->skb, p->at + kept, s->bytes + to, n))
		s->to += n;
}

static long keep_stretch(__u64 i, struct packet *p)
{
	__u32 n = STRETCH - p->seq % STRETCH;
	struct stretch *s = p->len ? stretch_for(p) : NULL;

	if (!s)
		return 1;
	if (n > p->len)
		n = p->len;
	fill(s, p, n);
	p->seq += n;
	p->at += n;
	p->len -= n;
	return 0;
}

/* What is encrypted is read by nobody, nor what PostgreSQL's client logs in with. */
static __always_inline bool is_read(const struct slot *s)
{
	return s->phase != PHASE_BLIND &&
	       !(s->phase == PHASE_AUTH && s->protocol == WIRE_POSTGRESQL);
}

/* Whether its sequence is that of something under way: else it is no packet of this socket's. */
static __always_inline bool is_own(const struct packet *p, const struct tcp_sock *tp)
{
	return p->seq - tp->snd_una <= tp->snd_nxt - tp->snd_una;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	const struct tcp_sock *tp = skb->sk ? bpf_skc_to_tcp_sock(skb->sk) : NULL;
	struct packet p = { .skb = skb };
	const struct slot *s;
	__u32 index;

	s = tp ? slot_of((const struct sock *)tp, false, &index) : NULL;
	if (!s || !is_read(s) || !find_payload(&p) || !is_own(&p, tp))
		return 1;
	p.cookie = s->cookie;
	p.acked = tp->snd_una;
	bpf_loop(UNDER_WAY, keep_stretch, &p, 0);
	return 1;	/* let it go on */
}

/* ---- and read */

/* What is kept from `seq` on in one stretch, up to `max` bytes, to `at` in the buffer. */
static __always_inline __u32 copy_stretch(struct buffer *b, __u64 cookie, __u32 seq, __u32 at,
					  __u32 max)
{
	struct stretch_key key = key_of(cookie, seq);
	const struct stretch *s = bpf_map_lookup_elem(&stretches, &key);
	__u32 n = s ? s->to - seq : 0;

	if (!s || seq - s->from >= s->to - s->from)
		return 0;
	if (n > max)
		n = max;
	barrier_var(at);
	barrier_var(n);
	if (at >= BUFFER || n > BUFFER ||
	    bpf_probe_read_kernel(b->bytes + at, n, s->bytes + seq % STRETCH))
		return 0;
	return s->cookie == cookie ? n : 0;	/* it may have become another's meanwhile */
}

/*
 * Where what is kept ends too soon, and not because no more was sent, there is nothing: what
 * is read there would go on.
 */
__noinline __u32 read_sent(__u64 address, __u32 seq, __u32 max)
{
	const struct tcp_sock *tp = (const void *)address;
	const struct sock *sk = (const void *)address;
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	struct buffer *b = own_buffer();
	__u32 n;

	if (!b)
		return 0;
	if (max > BUFFER)
		max = BUFFER;
	n = copy_stretch(b, cookie, seq, 0, max);
	if (n && n < max)
		n += copy_stretch(b, cookie, seq + n, n, max - n);
	return n == max || seq + n == BPF_CORE_READ(tp, snd_nxt) ? n : 0;
}

/* What came before its turn lies in pages, and where these are could not be proved. */
__noinline __u32 read_early(__u64 address, __u32 seq, __u32 at, __u32 max)
{
	return 0;
}
