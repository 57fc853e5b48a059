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
#define TAG_PREP 0x50524550

/* Sizes of a CommandComplete that says nothing but that. */
#define LISTEN_SIZE  (4 + sizeof("LISTEN"))
#define PREPARE_SIZE (4 + sizeof("PREPARE"))

/* CommandComplete: is it LISTEN's or PREPARE's?  `n` bytes of it are at `p`. */
static __always_inline void hear_tag(struct walk *w, const __u8 *p, __u32 n, __u32 size)
{
	__u32 tag = n >= 9 ? be32(p + 5) : 0;

	w->listens |= size == LISTEN_SIZE && tag == TAG_LIST;
	w->renamed |= size == PREPARE_SIZE && (!tag || tag == TAG_PREP);
}

/* A message's type, length and what follows, in one load: out of a packet that costs. */
#define TYPE_OF(head)	((__u8)(head))
#define SIZE_OF(head)	bpf_ntohl((__u32)((head) >> 8))
#define STATUS_OF(head) ((__u8)((head) >> 40))

/* What a message of the server's means, whose `head` is that; `n` of its bytes are at `p`. */
static __always_inline void hear_message(struct walk *w, const __u8 *p, __u32 n, __u64 head)
{
	switch (TYPE_OF(head)) {
	case '1':
		w->parsed = w->parsed ? 2 : 1;
		w->answer = 1;
		break;
	case 'C':
		if (SIZE_OF(head) == LISTEN_SIZE || SIZE_OF(head) == PREPARE_SIZE)
			hear_tag(w, p, n, SIZE_OF(head));
		w->answer = 1;
		break;
	case 'E':
		w->failed = 1;
		w->answer = 1;
		break;
	case 'Z':
		w->marks++;
		w->status = STATUS_OF(head);
		w->answer = 0;
		w->bad |= SIZE_OF(head) != 5;
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
	hear_message(w, p, n, *(const __u64 *)p);
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
 * Most answers are a few messages in one piece: each of them is looked at, but without
 * the calls and the notes that a walk of any length needs.  Stops before what is cut, or
 * not the protocol: that, and all that follows, is for that walk.  The `n` bytes are in
 * the buffer or, without one, at `place`.
 */
static __always_inline void take_short(struct walk *w, const struct buffer *b, __u64 place,
				       __u32 n)
{
	__u32 at = 0, size;

#pragma clang loop unroll(disable)	/* its code is cold each time: the less, the better */
	for (int i = 0; i < AT_ONCE && at < n && (!b || at < CHUNK); i++) {
		const __u8 *p = b ? b->bytes + at : bytes_at(place + at);
		__u64 head = *(const __u64 *)p;

		size = SIZE_OF(head);
		if (at + (TYPE_OF(head) == 'Z' ? 6 : 9) > n ||
		    !known(TYPE_OF(head), LETTERS_RX, DIGITS_RX) || size < 4 || size > MESSAGE_MAX)
			break;
		hear_message(w, p, n - at, head);
		at += 1 + size;
	}
	w->at.off += at;
}

static __always_inline void take_copied(struct answer *a, struct walk *w)
{
	struct buffer *b = own_buffer();

	if (b && fill_answer(a, w, b))
		take_short(w, b, 0, w->at.size);
}

/* The same without a copy, of a segment that lies in one piece. */
static __always_inline void take_in_place(struct sk_buff *skb, const struct segment *g,
					  struct walk *w)
{
	__u32 n = w->at.end - w->at.off;
	__u64 place = 0;

	if (!w->kept && g->here == g->len)
		place = received_place(skb, g->from + w->at.off, n);
	if (place)
		take_short(w, NULL, place, n);
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
	if (!unlikely(is_more(w)))
		return w->bad ? NULL : w;
	if (!answer_open(&a, sk, skb, g)) {
		count(COUNT_RX_UNREADABLE);
		return NULL;
	}
	if (!cfg_bytes)
		take_copied(&a, w);
	if (is_more(w))
		bpf_loop(g->len / HEADER + 2, answer_message, &a, 0);
	return w->bad ? NULL : w;
}

#endif
