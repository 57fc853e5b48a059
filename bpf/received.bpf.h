/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes that were just received, wherever they lie: in a segment, or, with
 * OF_THE_CALLER, in the memory of the process that is receiving (bpf/unix/).
 */
#ifndef PLIMSOLL_RECEIVED_BPF_H
#define PLIMSOLL_RECEIVED_BPF_H

#include "sent.bpf.h"

#define CHUNK 256	/* the most that is read at once */

#ifdef OF_THE_CALLER
#include "unix/caller.bpf.h"
#else

extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr) __ksym __weak;

struct received {
	struct bpf_dynptr data;
};

static __always_inline bool received_open(struct received *r, struct sk_buff *skb)
{
	return !bpf_dynptr_from_skb(skb, 0, &r->data);
}

/* Copies `n` (at most CHUNK) bytes from `from` on to `at` in the buffer. */
static __always_inline bool received_read(const struct received *r, struct buffer *b, __u32 at,
					  __u32 n, __u32 from)
{
	return n <= CHUNK && at <= CHUNK && !bpf_dynptr_read(b->bytes + at, n, &r->data, from, 0);
}

/* A few of them, a known number, for one look; up to 8. */
static __always_inline bool received_few(struct sk_buff *skb, __u8 *to, __u32 n, __u32 from)
{
	struct bpf_dynptr data;

	return !bpf_dynptr_from_skb(skb, 0, &data) && !bpf_dynptr_read(to, n, &data, from, 0);
}

#endif
#endif
