// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the wire says, at the client's end.
 *
 * One hook, tp_btf/tcp_probe: once for each segment that an established socket
 * receives, under the socket's lock, before the kernel processes it.  What the
 * server last said (ReadyForQuery carries the transaction's state) is read from
 * the segment; what the client asked lies in its retransmit queue (sent.bpf.h).
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
#include "slot.bpf.h"
#include "sent.bpf.h"

#define CHUNK	    256
#define MESSAGE_MAX 0x40000000	/* PostgreSQL's own limit on a message */
#define HEADER	    5		/* type and length */

extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;

/* One bit for each message type, '@'..DEL in `letters`, below in `digits`. */
#define BIT(c)	   (1ULL << ((c) & 63))
#define LETTERS_RX (BIT('A') | BIT('C') | BIT('D') | BIT('E') | BIT('G') | BIT('H') | BIT('I') |   \
		    BIT('K') | BIT('N') | BIT('R') | BIT('S') | BIT('T') | BIT('V') | BIT('W') |   \
		    BIT('Z') | BIT('c') | BIT('d') | BIT('n') | BIT('s') | BIT('t') | BIT('v'))
#define DIGITS_RX  (BIT('1') | BIT('2') | BIT('3'))
#define LETTERS_TX (BIT('B') | BIT('C') | BIT('D') | BIT('E') | BIT('F') | BIT('H') | BIT('P') |   \
		    BIT('Q') | BIT('S') | BIT('X') | BIT('c') | BIT('d') | BIT('f'))

/*
 * A walk over the messages of one segment's answer, or of one acknowledgement's
 * requests.  Offsets count from the first byte walked; where the last segment cut
 * a header, what was kept of it comes first.
 */
struct walk {
	__u32 off, end;		/* next message, end of what there is */
	__u32 base, size;	/* what of it lies in the buffer */
	__u32 marks;		/* ReadyForQuery seen, or requests that ask for one */
	__u32 backend_pid;
	__u8 head[4] __attribute__((aligned(4)));	/* of a message cut by the end: its length, */
	__u8 type;		/* its type */
	__u8 have;		/* and how many bytes of its header were there */
	__u8 kept;		/* the same of the segment before */
	__u8 status;		/* of the last mark */
	__u8 answer;		/* something of an answer came after the last mark */
	__u8 copy;		/* the server awaits COPY data */
	__u8 sync;		/* the last request counted was a Sync */
	__u8 bad;		/* not the protocol's bytes, or not readable */
};

/*
 * One walk of answers and one of requests may be under way.  They live in a map
 * and not on the stack because the verifier then takes their contents as unknown
 * instead of following each combination of flags through the rest of the program.
 */
enum { WALK_ANSWERS, WALK_REQUESTS, WALK_MAX };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_MAX);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

static __always_inline struct walk *walk_of(__u32 which)
{
	return bpf_map_lookup_elem(&walks, &which);
}

static __always_inline struct walk *walk_begin(__u32 which)
{
	struct walk *w = walk_of(which);

	if (w)
		__builtin_memset(w, 0, sizeof(*w));
	return w;
}

static __always_inline bool known(__u8 type, __u64 letters, __u64 digits)
{
	if (type & 0x80)
		return false;
	return (type & 0x40 ? letters : digits) & BIT(type);
}

static __always_inline __u32 be32(const __u8 *p)
{
	return bpf_ntohl(*(const __u32 *)p);
}

/* Whether the buffer holds `need` bytes from the next message on, or all that are left. */
static __always_inline bool at_hand(const struct walk *w, __u32 need)
{
	__u32 last = w->off + need < w->end ? w->off + need : w->end;

	return w->off >= w->base && last <= w->base + w->size;
}

/* The next message in the buffer, and how many bytes of it are there. */
static __always_inline const __u8 *message(const struct walk *w, const struct buffer *b,
					   __u32 *ret_n)
{
	__u32 at = w->off - w->base;

	if (at >= CHUNK)
		return NULL;
	*ret_n = w->size - at;
	return b->bytes + at;
}

struct answer {
	struct bpf_dynptr data;
	__u32 from;		/* offset of the new bytes in the segment */
};

static __always_inline bool fill_answer(struct answer *a, struct walk *w, struct buffer *b)
{
	__u32 kept = 0, n;

	if (w->off < w->kept) {
		kept = w->kept & 7;
		b->bytes[0] = w->type;
		__builtin_memcpy(b->bytes + 1, w->head, 4);
	}
	n = w->end - w->off - kept;
	if (n > CHUNK - kept)
		n = CHUNK - kept;
	if (n > CHUNK)
		return false;
	w->base = w->off;
	w->size = n + kept;
	return !bpf_dynptr_read(b->bytes + kept, n, &a->data, a->from + w->off + kept - w->kept, 0);
}

/* What a message of the server's means; its first bytes are at `p`. */
static __always_inline void hear_message(struct walk *w, const __u8 *p, __u32 size)
{
	switch (p[0]) {
	case 'Z':
		w->marks++;
		w->status = p[5];
		w->answer = 0;
		w->bad |= size != 5;
		break;
	case 'K':
		w->backend_pid = be32(p + 5);
		break;
	case 'G':
	case 'W':
		w->copy = 1;
		w->answer = 1;
		break;
	case 'A':	/* these come at any time and answer nothing */
	case 'N':
	case 'S':
		break;
	default:
		w->answer = 1;
	}
}

/* How much of a message must be at hand before it can be looked at. */
static __always_inline __u32 needed(__u8 type)
{
	return type == 'Z' ? 6 : type == 'K' ? 9 : HEADER;
}

/* One message of an answer.  Returns 1 to stop. */
static long answer_message(__u64 i, struct answer *a)
{
	__u32 zero = 0, n, size;
	struct walk *w = walk_of(WALK_ANSWERS);
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	const __u8 *p;

	if (!b || !w || w->off >= w->end)
		return 1;
	w->bad = 1;
	if (!at_hand(w, 9) && !fill_answer(a, w, b)) {
		count(COUNT_RX_UNREADABLE);
		return 1;
	}
	p = message(w, b, &n);
	if (!p || !known(p[0], LETTERS_RX, DIGITS_RX))
		return 1;
	size = be32(p + 1);
	if (n >= HEADER && (size < 4 || size > MESSAGE_MAX))
		return 1;
	w->bad = 0;
	if (n < needed(p[0])) {
		w->type = p[0];
		__builtin_memcpy(w->head, p + 1, 4);
		w->have = n;
		return 1;
	}
	hear_message(w, p, size);
	w->off += 1 + size;
	return 0;
}

/* Walks the new bytes of the segment, taking up where the last one ended.  NULL: not readable. */
static __always_inline struct walk *read_answer(struct sk_buff *skb, const struct slot *s,
						bool afresh, __u32 from, __u32 len)
{
	struct answer a = { .from = from };
	struct walk *w = walk_begin(WALK_ANSWERS);

	if (!w || bpf_dynptr_from_skb(skb, 0, &a.data)) {
		count(COUNT_RX_UNREADABLE);
		return NULL;
	}
	w->end = len;
	if (!afresh) {
		w->kept = s->rx_have;
		w->end += s->rx_have;
		w->off = s->rx_left;
		w->type = s->rx_type;
		__builtin_memcpy(w->head, s->rx_head, 4);
	}
	bpf_loop(len / HEADER + 2, answer_message, &a, 0);
	return w->bad ? NULL : w;
}

struct asked {
	__u64 sk;
	__u32 seq;		/* TCP sequence of offset 0 */
};

/* One request message.  Returns 1 to stop. */
static long request_message(__u64 i, struct asked *q)
{
	__u32 zero = 0, n, size;
	struct walk *w = walk_of(WALK_REQUESTS);
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	const __u8 *p;

	if (!b || !w || w->off >= w->end)
		return 1;
	w->bad = 1;
	if (!at_hand(w, HEADER)) {
		w->base = w->off;
		w->size = read_sent(q->sk, q->seq + w->off, CHUNK);
	}
	p = message(w, b, &n);
	if (!p || n < HEADER)
		return 1;
	size = be32(p + 1);
	if (!known(p[0], LETTERS_TX, 0) || size < 4 || size > MESSAGE_MAX)
		return 1;
	w->bad = 0;
	if (p[0] == 'Q' || p[0] == 'S' || p[0] == 'F') {
		w->marks++;
		w->sync = p[0] == 'S';
	}
	w->off += 1 + size;
	return 0;
}

#define ASKED_SYNC	 (1ULL << 31)
#define ASKED_UNREADABLE (~0ULL)

/*
 * Counts the requests, from the message at TCP sequence `seq` up to `ack`, that
 * the server ends with a mark.  Returns the bytes walked in the upper half, and
 * in the lower the count and ASKED_SYNC when the last one was a Sync.
 */
__noinline __u64 count_requests(__u64 sk, __u32 seq, __u32 ack)
{
	struct asked q = { .sk = sk, .seq = seq };
	struct walk *w = walk_begin(WALK_REQUESTS);

	if (!w)
		return ASKED_UNREADABLE;
	w->end = ack - seq;
	bpf_loop(w->end / HEADER + 2, request_message, &q, 0);
	if (w->bad)
		return ASKED_UNREADABLE;
	return (__u64)w->off << 32 | (w->sync ? ASKED_SYNC : 0) | (w->marks & 0xffff);
}

/* Takes what was just acknowledged into account.  Requests that await a mark, or -1. */
static __always_inline int hear_requests(struct sock *sk, struct slot *s, __u32 ack)
{
	__u32 seq = s->flags & SLOT_UNCOUNTED ? s->tx_next : s->tx_msg;
	__u64 asked;

	if ((__s32)(ack - seq) <= 0)
		return 0;	/* still inside a message that was counted */
	asked = count_requests(address_of(sk), seq, ack);
	if (asked == ASKED_UNREADABLE) {
		count(COUNT_TX_UNREADABLE);
		return -1;
	}
	s->tx_msg = seq + (asked >> 32);
	if (asked & 0xffff)
		s->flags = asked & ASKED_SYNC ? s->flags | SLOT_SYNC : s->flags & ~SLOT_SYNC;
	return asked & 0xffff;
}

/* One segment, as far as it is news. */
struct segment {
	__u32 ack;
	__u32 from, len;	/* new payload: offset in the skb, bytes */
	bool advanced;		/* it acknowledges a request not seen acknowledged before */
};

/* The control block of a received segment, copied once: each read costs a call. */
struct control {
	__u8 bytes[48];
};

#define CONTROL(c, field, type)                                                                    \
	(*(const type *)((c)->bytes + bpf_core_field_offset(struct tcp_skb_cb, field)))

/* False when the segment says nothing new, or the kernel is going to drop it. */
static __always_inline bool look(const struct sk_buff *skb, const struct tcp_sock *tp,
				 const struct slot *s, struct segment *g)
{
	struct control cb __attribute__((aligned(8))) = {};
	__u32 seq, payload, seen;

	bpf_probe_read_kernel(&cb, 32, skb->cb);
	seq = CONTROL(&cb, seq, __u32);
	g->ack = CONTROL(&cb, ack_seq, __u32);
	if ((__s32)(g->ack - tp->snd_nxt) > 0)
		return false;
	g->advanced = (__s32)(g->ack - s->tx_next) > 0;
	payload = CONTROL(&cb, end_seq, __u32) - seq;
	if (payload && CONTROL(&cb, tcp_flags, __u8) & 1)
		payload--;	/* FIN takes a number and brings no byte */
	seen = tp->rcv_nxt - seq;
	if ((__s32)seen >= 0 && payload > seen) {
		g->from = skb->len - payload + seen;
		g->len = payload - seen;
	} else {
		g->from = g->len = 0;	/* out of order, retransmitted or empty */
	}
	return g->advanced || g->len;
}

/* slot.rx_type while the thread is lost: something came, and it did not end in a mark. */
#define MIDST 1

/*
 * With the thread go the marks in it.  If one request was open it may have been answered
 * unheard, and the count begins anew.  Of several only their answers can tell which are
 * still open.
 */
static __always_inline void lose_frame(struct slot *s)
{
	if (s->pending == 1) {
		s->pending = 0;
		s->flags |= SLOT_UNCOUNTED;
	}
	s->flags |= SLOT_UNFRAMED;
	s->status = 0;
	s->rx_left = s->rx_have = 0;
	s->rx_type = MIDST;
}

/*
 * While the thread is lost: did the segment end as an answer does?  If not, what comes
 * next belongs to the same answer, whatever was asked meanwhile.
 */
static __always_inline void note_tail(struct sk_buff *skb, struct slot *s, const struct segment *g)
{
	__u8 tail[8] __attribute__((aligned(8))) = {};	/* Z, four bytes of length, status */
	struct bpf_dynptr data;

	s->rx_type = MIDST;
	if (g->len >= 6 && !bpf_dynptr_from_skb(skb, 0, &data) &&
	    !bpf_dynptr_read(tail, 6, &data, g->from + g->len - 6, 0) && tail[0] == 'Z' &&
	    tail[4] == 5 && !(tail[1] | tail[2] | tail[3]))
		s->rx_type = 0;
}

/* The kernel's own count says whether every byte passed by us, in order. */
static __always_inline void check_hole(struct slot *s, const struct tcp_sock *tp)
{
	if (s->rx_next == tp->rcv_nxt)
		return;
	if (!(s->flags & SLOT_UNFRAMED))
		count(COUNT_RX_HOLE);
	lose_frame(s);
	s->rx_next = tp->rcv_nxt;
}

/*
 * Follows the answer.  NULL when it could not be followed, else what was heard;
 * `ret_whole` when the segment ends in a mark.
 */
static __always_inline const struct walk *hear(struct sk_buff *skb, struct slot *s,
					       const struct segment *g, bool *ret_whole)
{
	bool framed = !(s->flags & SLOT_UNFRAMED);
	const struct walk *w;

	*ret_whole = false;
	if (!framed && (s->rx_type == MIDST || (!g->advanced && !(s->flags & SLOT_EDGE)))) {
		note_tail(skb, s, g);
		return NULL;
	}
	w = read_answer(skb, s, !framed, g->from, g->len);
	if (framed && !w) {
		count(COUNT_RX_LOST);
		lose_frame(s);
	}
	if (!w) {
		note_tail(skb, s, g);
		return NULL;
	}
	*ret_whole = w->marks && !w->answer && !w->have && w->off == w->end;
	if (!framed && !*ret_whole) {
		note_tail(skb, s, g);
		return NULL;
	}
	s->flags &= ~SLOT_UNFRAMED;
	s->rx_left = w->off > w->end ? w->off - w->end : 0;
	s->rx_have = w->have;
	if (w->have > HEADER) {	/* inside BackendKeyData: give its number up */
		s->rx_left = be32(w->head) + 1 - w->have;
		s->rx_have = 0;
	}
	s->rx_type = w->type;
	__builtin_memcpy(s->rx_head, w->head, 4);
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

static __always_inline void note_status(struct slot *s, __u64 now_ns)
{
	if (s->status == 'T' || s->status == 'E') {
		if (!s->txn_ns)
			s->txn_ns = now_ns;
	} else if (s->status == 'I') {
		s->txn_ns = 0;
	}
}

/* One segment of a conversation in the protocol, after the start-up packet. */
static __always_inline void converse(struct sock *sk, struct sk_buff *skb, struct slot *s,
				     const struct segment *g)
{
	const struct walk *w = NULL;
	__u8 before = s->status;
	bool authenticating = s->phase == PHASE_AUTH;
	bool whole = false, plain;
	__u32 answered = 0;
	int asked = 0;

	if (g->len)
		w = hear(skb, s, g, &whole);
	if (w)
		answered = w->marks;
	/* One answer from idle to idle: nothing a count could add. */
	plain = authenticating || (whole && answered == 1 && before == 'I' && s->status == 'I' &&
				   !s->pending && !(s->flags & SLOT_UNCOUNTED));
	if (g->advanced && plain)
		s->tx_msg = g->ack;
	else if (g->advanced)
		asked = hear_requests(sk, s, g->ack);
	if (!plain)
		settle(s, asked, answered,
		       whole && (g->advanced ? s->tx_msg == g->ack
					     : s->flags & SLOT_EDGE && s->tx_msg == s->tx_next));
	else if (!authenticating && !g->advanced)
		s->flags |= SLOT_UNCOUNTED;	/* an answer that nobody asked for here */
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
	s->phase = PHASE_READY;
	s->protocol = WIRE_POSTGRESQL;
	note_status(s, s->last_ns);
}

#define STARTUP_V3_MAJOR 3
#define CANCEL_REQUEST	 80877102
#define SSL_REQUEST	 80877103
#define GSSENC_REQUEST	 80877104

/* The start-up packet goes to user space whole: names only, the secret comes later. */
static __always_inline void report_startup(struct sock *sk, struct slot *s, __u32 index, __u32 size)
{
	struct rec_startup *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	__u32 zero = 0, copied;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);

	if (!r || !b) {
		count(COUNT_RING_FULL);
		count(COUNT_STARTUP_LOST);
		if (r)
			bpf_ringbuf_discard(r, 0);
		return;
	}
	fill_hdr(&r->hdr, REC_STARTUP, sizeof(*r), index, s);
	r->size = size;
	__builtin_memset(r->bytes, 0, sizeof(r->bytes));
	copied = read_sent(address_of(sk), s->tx_next, size < STARTUP_MAX ? size : STARTUP_MAX);
	if (copied > STARTUP_MAX || bpf_probe_read_kernel(r->bytes, copied, b->bytes))
		copied = 0;
	r->copied = copied;
	bpf_ringbuf_submit(r, wake_flags());
}

/*
 * The client spoke first: is it PostgreSQL?  Returns the phase that follows, or
 * PHASE_FREE when it is not, or is the short-lived connection of a cancel.
 */
static __always_inline __u8 greet(struct sock *sk, struct slot *s, __u32 index)
{
	__u32 zero = 0, size, code, got;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);

	got = b ? read_sent(address_of(sk), s->tx_next, 8) : 0;
	if (!got) {
		count(COUNT_STARTUP_LOST);
		s->flags |= SLOT_EDGE;	/* the answer may still tell */
		return PHASE_HELLO;
	}
	if (!b || (got < 8 && b->bytes[0]))
		return PHASE_FREE;
	if (got < 8) {
		s->flags |= SLOT_EDGE;
		return PHASE_HELLO;
	}
	size = be32(b->bytes);
	code = be32(b->bytes + 4);
	if (size == 8 && (code == SSL_REQUEST || code == GSSENC_REQUEST))
		return PHASE_NEGOTIATE;
	if (code >> 16 != STARTUP_V3_MAJOR || size < 8 || size > 10000)
		return PHASE_FREE;
	report_startup(sk, s, index, size);
	return PHASE_AUTH;
}

static __always_inline bool first_byte(struct sk_buff *skb, __u32 at, __u8 *ret)
{
	struct bpf_dynptr data;

	return !bpf_dynptr_from_skb(skb, 0, &data) && !bpf_dynptr_read(ret, 1, &data, at, 0);
}

/* HELLO and NEGOTIATE: the bytes that say what will be spoken. */
static __always_inline __u8 recognise(struct sock *sk, struct sk_buff *skb, struct slot *s,
				      const struct segment *g, __u32 index)
{
	__u8 next = s->phase, said = 0;

	if (g->advanced && s->phase == PHASE_HELLO)
		next = greet(sk, s, index);
	if (!g->len || next == PHASE_FREE || next == PHASE_AUTH)
		return next;
	if (!first_byte(skb, g->from, &said))
		return PHASE_FREE;
	if (next == PHASE_HELLO)	/* Authentication, to a start-up we could not read */
		return said == 'R' && s->flags & SLOT_EDGE ? PHASE_AUTH : PHASE_FREE;
	if (said == 'S' || said == 'G') {
		s->flags |= said == 'S' ? SLOT_TLS : SLOT_GSS;
		return PHASE_BLIND;
	}
	return said == 'N' ? PHASE_HELLO : PHASE_AUTH;
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

SEC("tp_btf/tcp_probe")
int BPF_PROG(on_segment, struct sock *sk, struct sk_buff *skb)
{
	const struct tcp_sock *tp;
	struct segment g = {};
	struct slot *s;
	__u32 index;
	__u8 next;

	s = slot_of(sk, &index);
	if (!s)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !look(skb, tp, s, &g))
		return 0;
	slot_lock(s);
	s->last_ns = bpf_ktime_get_ns();
	check_hole(s, tp);
	next = s->phase;
	if (next == PHASE_HELLO || next == PHASE_NEGOTIATE) {
		next = recognise(sk, skb, s, &g, index);
		if (next != PHASE_FREE && next != PHASE_HELLO)
			s->protocol = WIRE_POSTGRESQL;
		s->phase = next;
	}
	if (next == PHASE_AUTH || next == PHASE_READY || next == PHASE_ADOPTED)
		converse(sk, skb, s, &g);
	s->rx_next += g.len;
	s->rx_bytes = tp->bytes_received + g.len;
	if (g.advanced) {
		s->tx_next = g.ack;
		note_rtt(s, tp);
	}
	s->tx_bytes = tp->bytes_acked + (g.ack - tp->snd_una);
	slot_unlock(s);
	if (next == PHASE_FREE)
		slot_release(sk, s, index);
	return 0;
}
