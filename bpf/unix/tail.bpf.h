/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What TCP has just been given to send, where it lies plainly: to copy it from there
 * costs less than from the sender's memory, which has to be opened and closed.
 */
#ifndef PLIMSOLL_TAIL_BPF_H
#define PLIMSOLL_TAIL_BPF_H

#include "sent.bpf.h"

/* In one file of an object only: bpftool cannot link what two declare (before libbpf 1.4). */
extern void *bpf_rdonly_cast(const void *p, __u32 btf_id) __ksym __weak;

#define kernel_cast(type, p)                                                                       \
	((const type *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(type)))

/* Any address can be read as bytes, as cfg_bytes is for TCP's own hook. */
const volatile bool cfg_tail;

static __always_inline bool read_first(struct frag *f, const struct skb_shared_info *info)
{
	const struct frag *from;

	if (!cfg_tail)
		return !bpf_core_read(f, sizeof(*f), &info->frags[0]);
	from = bpf_rdonly_cast(&info->frags[0], 0);
	f->page = from->page;
	f->len = from->len;
	f->offset = from->offset;
	return true;
}

static __always_inline bool copy_opening(struct buffer *b, __u64 address)
{
	const __u32 *from;

	if (!cfg_tail || !shared.proved)
		return !bpf_probe_read_kernel(b->bytes, OPENING, (void *)address);
	from = bpf_rdonly_cast((void *)address, 0);
	for (__u32 i = 0; i < OPENING / sizeof(*from); i++)
		((__u32 *)b->bytes)[i] = from[i];
	return true;
}

/* Of the last `bytes` written the first few: in the only buffer queued, and its first fragment. */
static __always_inline bool read_tail(struct sock *sk, struct buffer *b, __u32 bytes)
{
	const struct tcp_sock *tp = kernel_cast(struct tcp_sock, sk);
	const struct rb_node *root = sk->tcp_rtx_queue.rb_node;
	const struct sk_buff *skb = root ? kernel_cast(struct sk_buff, root) : NULL;
	const struct skb_shared_info *info;
	struct frag f = {};
	__u32 offset;

	if (!skb)
		return false;
	offset = tp->write_seq - bytes - CONTROL(skb, seq);
	info = kernel_cast(struct skb_shared_info, skb->head + skb->end);
	return info->nr_frags && read_first(&f, info) && f.len >= OPENING &&
	       offset <= f.len - OPENING && copy_opening(b, frag_address(&f, offset));
}

#endif
