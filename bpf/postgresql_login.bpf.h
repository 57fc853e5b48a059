/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PostgreSQL: the first words of a connection: what will be spoken, and who speaks. */
#ifndef PLIMSOLL_POSTGRESQL_LOGIN_BPF_H
#define PLIMSOLL_POSTGRESQL_LOGIN_BPF_H

#include "postgresql_walk.bpf.h"

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

#endif
