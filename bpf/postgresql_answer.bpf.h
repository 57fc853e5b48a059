/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PostgreSQL: what the server says, message by message. */
#ifndef PLIMSOLL_POSTGRESQL_ANSWER_BPF_H
#define PLIMSOLL_POSTGRESQL_ANSWER_BPF_H

#include "postgresql_walk.bpf.h"

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

#endif
