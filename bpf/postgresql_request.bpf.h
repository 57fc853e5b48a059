/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PostgreSQL: what the client asks, as it was acknowledged: how often, and in which words. */
#ifndef PLIMSOLL_POSTGRESQL_REQUEST_BPF_H
#define PLIMSOLL_POSTGRESQL_REQUEST_BPF_H

#include "postgresql_walk.bpf.h"

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
	return keep_query(index, place + HEADER, n - HEADER, size - HEADER - 1,
			  *(const __u32 *)(p + HEADER)) ? TEXTS_KEPT : TEXTS_LOST;
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

#endif
