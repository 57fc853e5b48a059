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

#include "wire.bpf.h"

#define MESSAGE_MAX 0x40000000	/* PostgreSQL's own limit on a message */
#define HEADER	    5		/* type and length */

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
	struct reach at;
	__u32 marks;		/* ReadyForQuery seen, or requests that ask for one */
	__u32 backend_pid;
	__u32 first;		/* bytes that were read at the very beginning */
	__u32 said;		/* 1 more than where the last statement is; 0: none, or kept */
	__u64 name;		/* it was prepared under, hashed; 0 none */
	__u32 statements;	/* how many there are */
	__u8 head[4] __attribute__((aligned(4)));	/* of a message cut by the end: its length, */
	__u8 type;		/* its type */
	__u8 have;		/* and how many bytes of its header were there */
	__u8 kept;		/* the same of the segment before */
	__u8 status;		/* of the last mark */
	__u8 answer;		/* something of an answer came after the last mark */
	__u8 copy;		/* the server awaits COPY data */
	__u8 sync;		/* the last request counted was a Sync */
	__u8 listens;		/* LISTEN is among what was done */
	__u8 parsed;		/* preparations that succeeded, up to 2 */
	__u8 failed;		/* an error is among the answers */
	__u8 renamed;		/* PREPARE, as a statement, gave a name to what we do not know */
	__u8 texts;		/* enum texts, of what was kept at once */
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

static __always_inline bool fill_answer(struct answer *a, struct walk *w, struct buffer *b)
{
	__u32 kept = 0, n;

	if (unlikely(w->at.off < w->kept)) {
		kept = w->kept & 7;
		b->bytes[0] = w->type;
		__builtin_memcpy(b->bytes + 1, w->head, 4);
	}
	n = w->at.end - w->at.off - kept;
	if (n > CHUNK - kept)
		n = CHUNK - kept;
	w->at.base = w->at.off;
	w->at.size = n + kept;
	return answer_read(a, b, w->at.off + kept - w->kept, kept, n);
}

#define TAG_LIST 0x4c495354

/* CommandComplete: is it LISTEN's?  `n` bytes of it are at `p`. */
static __always_inline bool is_listen(const __u8 *p, __u32 n, __u32 size)
{
	return size == 4 + sizeof("LISTEN") && n >= 9 && be32(p + 5) == TAG_LIST;
}

/* CommandComplete: is it PREPARE's?  `n` bytes of it are at `p`. */
static __always_inline bool is_prepare(const __u8 *p, __u32 n, __u32 size)
{
	return size == 4 + sizeof("PREPARE") && (n < 9 || be32(p + 5) == 0x50524550);
}

/* What a message of the server's means; `n` of its bytes are at `p`. */
static __always_inline void hear_message(struct walk *w, const __u8 *p, __u32 n, __u32 size)
{
	switch (p[0]) {
	case '1':
		w->parsed = w->parsed ? 2 : 1;
		w->answer = 1;
		break;
	case 'C':
		w->renamed |= is_prepare(p, n, size);
		w->listens |= is_listen(p, n, size);
		w->answer = 1;
		break;
	case 'E':
		w->failed = 1;
		w->answer = 1;
		break;
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

/* The next message of an answer, in the buffer.  Returns 1 to stop. */
static __always_inline long heed(struct walk *w, const struct buffer *b)
{
	const __u8 *p;
	__u32 n, size;

	w->bad = 1;
	p = message(&w->at, b, &n);
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
	hear_message(w, p, n, size);
	w->at.off += 1 + size;
	return 0;
}

/* One message, wherever it lies.  Returns 1 to stop. */
static long answer_message(__u64 i, struct answer *a)
{
	struct walk *w = walk_of(WALK_ANSWERS);
	struct buffer *b = own_buffer();

	if (!b || !w || w->bad || w->have || w->at.off >= w->at.end)
		return 1;
	if (!at_hand(&w->at, 9) && !fill_answer(a, w, b)) {
		count(COUNT_RX_UNREADABLE);
		w->bad = 1;
		return 1;
	}
	return heed(w, b);
}

#define AT_ONCE 6	/* messages of a usual short answer, and one more */

/*
 * Most answers are a few messages in one chunk: each of them is looked at, but without
 * the calls and the notes that a walk of any length needs.  Stops before what is cut, or
 * not the protocol: that, and all that follows, is for that walk.
 */
static __always_inline void take_short(struct answer *a, struct walk *w)
{
	struct buffer *b = own_buffer();
	__u32 at = 0, n, size;

	if (!b || !fill_answer(a, w, b))
		return;
	n = w->at.size;
#pragma clang loop unroll(disable)	/* its code is cold each time: the less, the better */
	for (int i = 0; i < AT_ONCE && at < CHUNK; i++) {
		const __u8 *p = b->bytes + at;

		size = be32(p + 1);
		if (at + (p[0] == 'Z' ? 6 : 9) > n || !known(p[0], LETTERS_RX, DIGITS_RX) ||
		    size < 4 || size > MESSAGE_MAX)
			break;
		hear_message(w, p, n - at, size);
		at += 1 + size;
	}
	w->at.off += at;
}

/* The same without a copy, of a segment that lies in one piece. */
static __always_inline void take_in_place(struct sk_buff *skb, const struct segment *g,
					  struct walk *w)
{
	__u32 at = 0, n = w->at.end - w->at.off, size;
	__u64 place = 0;

	if (!w->kept && g->here == g->len)
		place = received_place(skb, g->from + w->at.off, n);
	if (!place)
		return;
#pragma clang loop unroll(disable)
	for (int i = 0; i < AT_ONCE && at < n; i++) {
		const __u8 *p = bytes_at(place + at);

		size = be32(p + 1);
		if (at + (p[0] == 'Z' ? 6 : 9) > n || !known(p[0], LETTERS_RX, DIGITS_RX) ||
		    size < 4 || size > MESSAGE_MAX)
			break;
		hear_message(w, p, n - at, size);
		at += 1 + size;
	}
	w->at.off += at;
}

static __always_inline bool is_more(const struct walk *w)
{
	return !w->bad && !w->have && w->at.off < w->at.end;
}

/* Walks the new bytes of the segment, taking up where the last one ended.  NULL: not readable. */
static __always_inline struct walk *read_answer(struct sock *sk, struct sk_buff *skb,
						const struct slot *s, const struct segment *g,
						bool afresh)
{
	struct answer a = {};
	struct walk *w = walk_begin(WALK_ANSWERS);

	if (!w)
		return NULL;
	w->at.end = g->len;
	if (!afresh) {
		w->kept = s->pg.have;
		w->at.end += s->pg.have;
		w->at.off = s->rx_left;
		w->type = s->pg.type;
		__builtin_memcpy(w->head, s->pg.head, 4);
	}
	if (w->at.off >= w->at.end)
		return w;
	if (cfg_bytes)
		take_in_place(skb, g, w);
	if (cfg_bytes && !unlikely(is_more(w)))
		return w->bad ? NULL : w;
	if (!answer_open(&a, sk, skb, g)) {
		count(COUNT_RX_UNREADABLE);
		return NULL;
	}
	if (!cfg_bytes)
		take_short(&a, w);
	if (unlikely(is_more(w)))
		bpf_loop(g->len / HEADER + 2, answer_message, &a, 0);
	return w->bad ? NULL : w;
}

struct asked {
	__u64 sk;
	__u32 seq;		/* TCP sequence of offset 0 */
	__u32 index, gen;	/* of the slot */
	__u32 before;		/* answers to come before these requests' */
};

#define NAMES 140	/* a message's header and two names, of which the second is wanted */

/* It is kept at once: further on in the same flight there may be another. */
static __always_inline void keep_named(const struct asked *q, struct walk *w)
{
	__u32 seq = q->seq + w->at.off;

	w->at.size = w->first = 0;	/* the buffer is used for it */
	w->said = 0;
	if (keep_statement(q->sk, q->index, q->gen, seq, 0)) {
		remember_prepared(q->index, q->before + w->marks + 1);
		w->texts = TEXTS_KEPT;
	} else {
		forget_prepared(q->index);
		w->texts = TEXTS_LOST;
	}
}

/* Which message is the last that says what is run, and under which name. */
static __always_inline void note_request(const struct asked *q, struct walk *w,
					 const struct buffer *b, __u8 type)
{
	__u32 at = w->at.off - w->at.base;
	__u64 name = 0;

	if (at >= CHUNK)
		return;
	at += HEADER;
	if (type == 'B')
		at = b->bytes[at] ? end_of_name(at) : at + 1;
	if ((type == 'P' || type == 'B') && at && at < BUFFER)
		name = b->bytes[at] ? hash_name(at) : UNNAMED;
	if (type == 'B' && name && name == w->name)
		return;
	w->name = name;
	w->said = w->at.off + 1;
	w->statements++;
	if (type == 'P' && name != UNNAMED)
		keep_named(q, w);
}

/* One request message.  Returns 1 to stop. */
static long request_message(__u64 i, struct asked *q)
{
	struct walk *w = walk_of(WALK_REQUESTS);
	struct buffer *b = own_buffer();
	__u32 n, size;
	const __u8 *p;
	__u8 type;

	if (!b || !w || w->at.off >= w->at.end)
		return 1;
	w->bad = 1;
	if (!at_hand(&w->at, NAMES)) {
		n = read_sent(q->sk, q->seq + w->at.off, w->at.off ? CHUNK : cfg_statement_bytes);
		w->at.base = w->at.off;
		w->at.size = n < CHUNK ? n : CHUNK;
		w->first = w->at.off ? 0 : n;
	}
	p = message(&w->at, b, &n);
	if (!p || n < HEADER)
		return 1;
	size = be32(p + 1);
	if (!known(p[0], LETTERS_TX, 0) || size < 4 || size > MESSAGE_MAX)
		return 1;
	w->bad = 0;
	type = p[0];
	if (type == 'Q' || type == 'P' || type == 'B' || type == 'F')
		note_request(q, w, b, type);
	if (type == 'Q' || type == 'S' || type == 'F') {
		w->marks++;
		w->sync = type == 'S';
	}
	w->at.off += 1 + size;
	return 0;
}

#define ASKED_SYNC	 (1ULL << 31)
#define ASKED_UNREADABLE (~0ULL)

/*
 * Counts the requests, from the message at TCP sequence `seq` up to `ack`, that
 * the server ends with a mark.  Returns the bytes walked in the upper half, and
 * in the lower the count and ASKED_SYNC when the last one was a Sync.
 */
__noinline __u64 count_requests(__u64 sk, __u32 index, __u32 seq, __u32 ack)
{
	const struct slot *s = bpf_map_lookup_elem(&slots, &index);
	struct asked q = { .sk = sk, .seq = seq, .index = index };
	struct walk *w = walk_begin(WALK_REQUESTS);

	if (!w || !s)
		return ASKED_UNREADABLE;
	q.gen = s->gen;
	q.before = s->flags & SLOT_UNCOUNTED ? 255 : s->pending;
	w->at.end = ack - seq;
	/* Mostly one message: no loop for that. */
	if (!request_message(0, &q) && w->at.off < w->at.end)
		bpf_loop(w->at.end / HEADER + 1, request_message, &q, 0);
	if (w->bad)
		return ASKED_UNREADABLE;
	return (__u64)w->at.off << 32 | (w->sync ? ASKED_SYNC : 0) | (w->marks & 0xffff);
}

/*
 * Whether what was acknowledged from `seq` to `ack` is one plain query that lies in one
 * piece, as most are: its text is kept without a copy between.
 */
__noinline int hear_query(__u64 address, __u32 index, __u32 seq, __u32 ack)
{
	__u32 size = ack - seq, n = size < cfg_statement_bytes ? size : cfg_statement_bytes;
	const __u8 *p;
	__u64 place;

	place = size > HEADER + 1 ? sent_place(address, seq, n) : 0;
	if (!place)
		return TEXTS_NONE;
	p = bytes_at(place);
	if (p[0] != 'Q' || be32(p + 1) + 1 != size)
		return TEXTS_NONE;
	return keep_query(index, place + HEADER, n - HEADER, size - HEADER - 1) ? TEXTS_KEPT
										: TEXTS_LOST;
}

/* Takes what was just acknowledged into account.  Requests that await a mark, or -1. */
static __always_inline int hear_requests(struct sock *sk, struct slot *s, __u32 index, __u32 ack)
{
	__u32 seq = s->flags & SLOT_UNCOUNTED ? s->tx_next : s->tx_msg;
	const struct walk *w;
	enum texts texts;
	__u64 asked;

	if ((__s32)(ack - seq) <= 0)
		return 0;	/* still inside a message that was counted */
	texts = cfg_bytes ? hear_query(address_of(sk), index, seq, ack) : TEXTS_NONE;
	if (texts != TEXTS_NONE) {
		s->tx_msg = ack;
		s->flags &= ~SLOT_SYNC;
		note_texts(index, seq, ack, texts);
		return 1;
	}
	asked = count_requests(address_of(sk), index, seq, ack);
	if (asked == ASKED_UNREADABLE) {
		count(COUNT_TX_UNREADABLE);
		forget_prepared(index);
		note_texts(index, seq, s->tx_msg, TEXTS_LOST);
		return -1;
	}
	s->tx_msg = seq + (asked >> 32);
	w = walk_of(WALK_REQUESTS);
	texts = w ? w->texts : TEXTS_LOST;
	if (w && w->said)
		texts = keep_statement(address_of(sk), index, s->gen, seq + w->said - 1,
				       w->said == 1 ? w->first : 0) ? TEXTS_KEPT : TEXTS_LOST;
	note_texts(index, seq, s->tx_msg, texts);
	if (w && w->statements > 1)
		statement_of_several(index);
	if (asked & 0xffff)
		s->flags = asked & ASKED_SYNC ? s->flags | SLOT_SYNC : s->flags & ~SLOT_SYNC;
	return asked & 0xffff;
}

/*
 * Outside a transaction requests are not read, but for what was prepared under a name.
 * Most drivers prepare under none, again for each statement.
 */
static __always_inline bool prepared_named(struct sock *sk, const struct slot *s,
					   const struct walk *w)
{
	struct buffer *b = own_buffer();

	if (!w->parsed)
		return false;
	return w->parsed > 1 || !b || read_sent(address_of(sk), s->tx_msg, HEADER + 1) <= HEADER ||
	       b->bytes[0] != 'P' || b->bytes[HEADER];
}

/* Whether the names of prepared statements still mean what they did. */
static __always_inline void check_names(const struct slot *s, __u32 index, const struct walk *w)
{
	if (unlikely(w->renamed))
		forget_prepared(index);
	else if (unlikely(w->failed))
		doubt_prepared(index, s->queries);
}

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

#define STARTUP_V3_MAJOR 3
#define CANCEL_REQUEST	 80877102
#define SSL_REQUEST	 80877103
#define GSSENC_REQUEST	 80877104

/* The start-up packet goes to user space whole: names only, the secret comes later. */
static __always_inline void report_startup(struct sock *sk, struct slot *s, __u32 index, __u32 size)
{
	struct buffer *b = own_buffer();
	struct rec_startup *r;
	__u32 copied;

	if (!b)
		return;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count(COUNT_RING_FULL);
		count(COUNT_STARTUP_LOST);
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
	struct buffer *b = own_buffer();
	__u32 size, code, got;

	got = b ? read_sent(address_of(sk), s->tx_next, 12) : 0;
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
	if (size == 16 && code == CANCEL_REQUEST && got >= 12)
		report_cancel(s, index, be32(b->bytes + 8));
	if (code >> 16 != STARTUP_V3_MAJOR || size < 8 || size > 10000)
		return PHASE_FREE;
	report_startup(sk, s, index, size);
	return PHASE_AUTH;
}

/* HELLO and NEGOTIATE: the bytes that say what will be spoken. */
static __noinline __u8 recognise(struct sock *sk, struct sk_buff *skb, struct slot *s,
				      const struct segment *g, __u32 index)
{
	__u8 next = s->phase, said = 0;

	if (g->advanced && s->phase == PHASE_HELLO)
		next = greet(sk, s, index);
	if (!g->len || next == PHASE_FREE || next == PHASE_AUTH)
		return next;
	if (!received_few(skb, &said, 1, g->from))
		return PHASE_FREE;
	if (next == PHASE_HELLO)	/* Authentication, to a start-up we could not read */
		return said == 'R' && s->flags & SLOT_EDGE ? PHASE_AUTH : PHASE_FREE;
	if (said == 'S' || said == 'G') {
		s->flags |= said == 'S' ? SLOT_TLS : SLOT_GSS;
		return PHASE_BLIND;
	}
	return said == 'N' ? PHASE_HELLO : PHASE_AUTH;
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
