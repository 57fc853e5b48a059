/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the protocols share: a segment, and reading it in chunks, at any place, once. */
#ifndef PLIMSOLL_WIRE_BPF_H
#define PLIMSOLL_WIRE_BPF_H

#include "slot.bpf.h"
#include "statement.bpf.h"
#include "received.bpf.h"

/*
 * One segment, as far as it is news: what it brings, and, where it closes a gap, what
 * came before its turn and waits in the socket's queue for it.
 */
struct segment {
	__u32 ack;
	__u32 from, here;	/* new payload of the segment: offset in the skb, bytes */
	__u32 len;		/* the same with what waits */
	__u32 seq;		/* TCP sequence of the first new byte */
	bool advanced;		/* it acknowledges a request not seen acknowledged before */
};

/*
 * A way through bytes that come in chunks: the new ones of one segment, or those
 * that one acknowledgement covers.  Offsets count from the first of them.
 */
struct reach {
	__u32 off, end;		/* next message, end of what there is */
	__u32 base, size;	/* what of it lies in the buffer */
};

/* Whether the buffer holds `need` bytes from the next message on, or all that are left. */
static __always_inline bool at_hand(const struct reach *r, __u32 need)
{
	__u32 last = r->off + need < r->end ? r->off + need : r->end;

	return r->off >= r->base && last <= r->base + r->size;
}

/* The next message in the buffer, and how many bytes of it are there. */
static __always_inline const __u8 *message(const struct reach *r, const struct buffer *b,
					   __u32 *ret_n)
{
	__u32 at = r->off - r->base;

	if (at >= CHUNK)
		return NULL;
	*ret_n = r->size - at;
	return b->bytes + at;
}

/* The new bytes of a segment, wherever they lie. */
struct answer {
	union received data;
	__u32 from, here;	/* as in struct segment */
	__u32 seq;
	__u64 sk;
};

static __always_inline bool answer_open(struct answer *a, struct sock *sk, struct sk_buff *skb,
					const struct segment *g)
{
	a->from = g->from;
	a->here = g->here;
	a->seq = g->seq;
	if (g->here < g->len)	/* else nothing is looked for elsewhere */
		a->sk = address_of(sk);
	return received_open(&a->data, skb);
}

/* Copies `n` (at most CHUNK) new bytes from `off` on to `at` in the buffer. */
static __always_inline bool answer_read(const struct answer *a, struct buffer *b, __u32 off,
					__u32 at, __u32 n)
{
	__u32 got = 0;

	if (off < a->here) {
		got = a->here - off;
		if (got > n)
			got = n;
		if (!received_read(&a->data, b, at, got, a->from + off))
			return false;
	}
	return !unlikely(got != n) ||
	       read_early(a->sk, a->seq + off + got, at + got, n - got) == n - got;
}

/* Of a request to cancel: whom it is for.  A secret stays here. */
static __always_inline void report_cancel(const struct slot *s, __u32 index, __u32 backend_pid)
{
	struct rec_cancel *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		return;
	}
	fill_hdr(&r->hdr, REC_CANCEL, sizeof(*r), index, s);
	r->backend_pid = backend_pid;
	r->tgid = s->tgid;
	__builtin_memcpy(r->raddr, s->raddr, sizeof(r->raddr));
	r->rport = s->rport;
	r->pad[0] = r->pad[1] = r->pad[2] = 0;
	bpf_ringbuf_submit(r, wake_flags());
}

static __always_inline void note_status(struct slot *s, __u32 index, __u64 now_ns)
{
	if (s->status == 'T' || s->status == 'E') {
		if (!s->txn_ns) {
			s->txn_ns = now_ns;
			statement_opened(index);
		}
	} else if (s->status == 'I') {
		s->txn_ns = 0;
	}
}

#endif
