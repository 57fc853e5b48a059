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

/* On older kernels its bytes are found as those are that were sent (place.bpf.h). */
union received {
	struct bpf_dynptr data;
	__u64 skb;
};

static __always_inline bool received_open(union received *r, struct sk_buff *skb)
{
	if (cfg_dynptr)
		return !bpf_dynptr_from_skb(skb, 0, &r->data);
	r->skb = address_of(skb);
	return true;
}

/* Copies `n` (at most CHUNK) bytes from `from` on to `at` in the buffer. */
static __always_inline bool received_read(const union received *r, struct buffer *b, __u32 at,
					  __u32 n, __u32 from)
{
	if (n > CHUNK || at > CHUNK)
		return false;
	if (cfg_dynptr)
		return !bpf_dynptr_read(b->bytes + at, n, &r->data, from, 0);
	return read_segment(r->skb, from, at, n) == n;
}

/* A few of them, a known number, for one look; up to 8. */
static __always_inline bool received_few(struct sk_buff *skb, __u8 *to, __u32 n, __u32 from)
{
	struct buffer *b = own_buffer();
	union received r;

	if (cfg_dynptr)
		return !bpf_dynptr_from_skb(skb, 0, &r.data) &&
		       !bpf_dynptr_read(to, n, &r.data, from, 0);
	if (!b || read_segment(address_of(skb), from, 0, n) != n)
		return false;
	__builtin_memcpy(to, b->bytes, n);
	return true;
}

#endif
#endif
