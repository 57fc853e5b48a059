/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading what the client asked, without a hook on the sending side.
 *
 * tcp_probe runs before an acknowledgement is processed, so the bytes that it
 * acknowledges still lie in the socket's retransmit queue: a tree of sk_buffs by
 * sequence number, their payload in page fragments.  A page's address follows
 * from its place in the page array: page_offset_base + (page - vmemmap_base) /
 * sizeof(struct page) * 4096.  The two bases are the kernel's own variables where
 * they can be named, else the x86-64 defaults; user space proves them on a
 * connection of its own (events/selftest.c).  Where that fails, what is sent is
 * kept on its way out (bpf/egress/).
 */
#ifndef PLIMSOLL_SENT_BPF_H
#define PLIMSOLL_SENT_BPF_H

#include "maps.bpf.h"

#define PAGE_SHIFT 12
#define TREE_DEPTH 16	/* deeper than any retransmit queue's tree gets */
#define FRAGS	   17
#define BUFFER	   STATEMENT_MAX	/* the most that is read at once */
#define OPENING	   12	/* bytes that show a statement's first word */

/* Up to `max` bytes of an sk_buff, from `offset` in it, on their way to `at` in the buffer. */
struct copy {
	__u64 info;	/* its skb_shared_info */
	__u32 offset, at, max;
	__u32 got;
};

/* Twice what is ever copied: the verifier bounds an offset and a size, not their sum. */
struct buffer {
	__u8 bytes[2 * BUFFER];
	__u64 address;	/* see address_of() */
	struct copy copy;
};

/*
 * Too large for the stack.  A program is never re-entered on its CPU; the kernel
 * counts the runs it skips for that, and the next one finds the hole.
 */
struct buffers_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct buffer);
};
extern struct buffers_map buffers SEC(".maps");

/*
 * What the kernel lets us do, as user space found out.  Constants that the verifier knows:
 * of two ways it drops the one that is not taken.
 */
extern const volatile bool cfg_cast;	/* an address can be read as what lies there (6.2) */
extern const volatile bool cfg_dynptr;	/* a received segment has a dynptr (6.12) */
extern const volatile bool cfg_bytes;	/* any address can be read as bytes (6.17) */

/* A field of the control block of a buffer. */
#define CONTROL(skb, field)                                                                        \
	(*(typeof(((struct tcp_skb_cb *)0)->field) *)((skb)->cb +                            \
		bpf_core_field_offset(struct tcp_skb_cb, field)))

static __always_inline struct buffer *own_buffer(void)
{
	return bpf_map_lookup_elem(&buffers, &(__u32){ 0 });
}

struct frag {
	__u64 page;
	__u32 len;
	__u32 offset;
};

static __always_inline __u64 frag_address(const struct frag *f, __u32 offset)
{
	__u64 nr = ((f->page & ~1ULL) - shared.vmemmap_base) / bpf_core_type_size(struct page);

	return shared.page_offset_base + (nr << PAGE_SHIFT) + f->offset + offset;
}

__u32 read_sent(__u64 address, __u32 seq, __u32 max);
__u32 read_last(__u64 address, __u32 bytes, __u32 max);
__u32 read_segment(__u64 address, __u32 from, __u32 at, __u32 max);
__u32 read_early(__u64 address, __u32 seq, __u32 at, __u32 max);
__u32 early_bytes(__u64 address, __u32 seq);

/* A pointer as the plain number that a function of its own takes: what was stored is one. */
static __always_inline __u64 address_of(const void *p)
{
	struct buffer *b = own_buffer();

	if (!b)
		return 0;
	*(volatile __u64 *)&b->address = (__u64)p;
	return *(volatile __u64 *)&b->address;
}

#endif
