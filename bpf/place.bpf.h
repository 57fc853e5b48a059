/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where bytes lie, and reading them there.  Functions of their own for the verifier: proved
 * once, not once for every path to them.  Included by wire.bpf.c alone: bpftool cannot link
 * two objects that declare one function of the kernel (before libbpf 1.4).
 */
#ifndef PLIMSOLL_PLACE_BPF_H
#define PLIMSOLL_PLACE_BPF_H

#include "sent.bpf.h"

/* An address as what is known to lie there. */
extern void *bpf_rdonly_cast(const void *p, __u32 btf_id) __ksym __weak;

#define kernel_cast(type, p)                                                                       \
	(cfg_cast ? (type *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(type))      \
		  : (type *)(p))

/* What was cast is read directly, and copied where there is no cast; 0 where it cannot be read. */
#define READ(lvalue)                                                                               \
	({                                                                                         \
		typeof(lvalue) value_;                                                             \
		if (cfg_cast)                                                                      \
			value_ = (lvalue);                                                         \
		else                                                                               \
			bpf_probe_read_kernel(&value_, sizeof(value_), &(lvalue));                 \
		value_;                                                                            \
	})

/* An address as bytes: read without a copy, 0 where there are none. */
#define bytes_at(address) ((const void *)bpf_rdonly_cast((const void *)(address), 0))

/* The buffer of a queue's tree, whose root is `node`, that holds sequence `seq`, or NULL. */
static __always_inline struct sk_buff *find_queued(struct rb_node *node, __u32 seq)
{
	for (int i = 0; i < TREE_DEPTH && node; i++) {
		/* its rb_node is its first member */
		struct sk_buff *skb = kernel_cast(struct sk_buff, node);

		if ((__s32)(seq - READ(CONTROL(skb, seq))) < 0)
			node = READ(skb->rbnode.rb_left);
		else if ((__s32)(seq - READ(CONTROL(skb, end_seq))) >= 0)
			node = READ(skb->rbnode.rb_right);
		else
			return skb;
	}
	return NULL;
}

static __always_inline bool read_frag(__u64 address, struct frag *ret)
{
	const __u64 *words;

	if (!cfg_bytes)
		return !bpf_probe_read_kernel(ret, sizeof(*ret), (const void *)address);
	words = bytes_at(address);	/* as few loads as can be: the kernel checks each */
	((__u64 *)ret)[0] = words[0];
	((__u64 *)ret)[1] = words[1];
	return true;
}

/*
 * The address of `n` bytes of a buffer, from `from` on, where they lie in one piece; else 0.
 * For kernels that can read any address as bytes, once the arithmetic is proved.
 */
static __always_inline __u64 received_place(struct sk_buff *skb, __u32 from, __u32 n)
{
	__u32 linear = READ(skb->len) - READ(skb->data_len);
	struct skb_shared_info *info;
	struct frag f;

	if (!cfg_bytes || !shared.proved)
		return 0;
	if (from < linear)
		return from + n <= linear ? address_of(READ(skb->data)) + from : 0;
	from -= linear;
	info = kernel_cast(struct skb_shared_info, (__u64)READ(skb->head) + READ(skb->end));
	if (!READ(info->nr_frags) || !read_frag((__u64)info->frags, &f) || f.page & 1 ||
	    from + n > f.len)
		return 0;
	return frag_address(&f, from);
}

/* One fragment of what is under way.  Returns 1 to stop. */
static __always_inline long copy_frag(__u64 i, struct buffer *b)
{
	struct copy *c = &b->copy;
	const struct skb_shared_info *info = (const void *)c->info;
	__u32 n, to = c->at + c->got;
	struct frag f = {};

	if (c->got >= c->max || i >= FRAGS || !read_frag((__u64)&info->frags[i], &f))
		return 1;
	if (c->offset >= f.len) {
		c->offset -= f.len;
		return 0;
	}
	n = f.len - c->offset;
	if (n > c->max - c->got)
		n = c->max - c->got;
	barrier_var(to);	/* so that what is checked is what is used */
	barrier_var(n);
	if (to >= BUFFER || n > BUFFER ||
	    bpf_probe_read_kernel(b->bytes + to, n, (void *)frag_address(&f, c->offset)))
		return 1;
	c->got += n;
	c->offset = 0;
	return 0;
}

static long copy_next_frag(__u64 i, void *ctx)
{
	struct buffer *b = own_buffer();

	return b ? copy_frag(i + 1, b) : 1;
}

/* Most of what is wanted lies in the first fragment: no loop for that. */
static __always_inline __u32 copy_frags(struct buffer *b)
{
	struct skb_shared_info *info = kernel_cast(struct skb_shared_info, b->copy.info);
	__u32 n = READ(info->nr_frags);

	if (n && !copy_frag(0, b) && n > 1 && b->copy.got < b->copy.max)
		bpf_loop(n - 1, copy_next_frag, NULL, 0);
	return b->copy.got;
}

/* From `offset` in `skb` on.  How many of its first bytes are in no fragment. */
static __always_inline __u32 copy_begin(struct copy *c, struct sk_buff *skb, __u32 offset,
					__u32 at, __u32 max)
{
	c->info = (__u64)READ(skb->head) + READ(skb->end);
	c->offset = offset;
	c->at = at;
	c->max = max;
	c->got = 0;
	return READ(skb->len) - READ(skb->data_len);
}

/* The same of what socket `address` sent, from `seq` on. */
static __always_inline __u64 sent_place(__u64 address, __u32 seq, __u32 n)
{
	struct sock *sk = kernel_cast(struct sock, address);
	struct sk_buff *skb = find_queued(READ(sk->tcp_rtx_queue.rb_node), seq);

	return skb ? received_place(skb, seq - READ(CONTROL(skb, seq)), n) : 0;
}

/*
 * Copies up to `max` (at most BUFFER) bytes of what socket `address` sent from
 * `seq` on into this CPU's buffer.  Returns how many; 0 when they cannot be
 * reached.  Goes on over borders of fragments, but not of sk_buffs: a message's
 * header is not split by the libraries' single write.  Weak: see bpf/egress/.
 */
__weak __noinline __u32 read_sent(__u64 address, __u32 seq, __u32 max)
{
	struct sock *sk = kernel_cast(struct sock, address);
	struct sk_buff *skb = find_queued(READ(sk->tcp_rtx_queue.rb_node), seq);
	struct buffer *b = own_buffer();

	if (max > BUFFER)
		max = BUFFER;
	if (!skb || !b || copy_begin(&b->copy, skb, seq - READ(CONTROL(skb, seq)), 0, max))
		return 0;	/* nothing there, or not in fragments */
	return copy_frags(b);
}

/* The same of the last `bytes` that were written: what was just sent. */
__noinline __u32 read_last(__u64 address, __u32 bytes, __u32 max)
{
	struct tcp_sock *tp = kernel_cast(struct tcp_sock, address);

	return read_sent(address, READ(tp->write_seq) - bytes, max);
}

/*
 * One piece of a buffer: of what is before its fragments, or of these.  How many of the
 * `max` bytes from `offset` on were copied to `at` in ours.
 */
static __always_inline __u32 copy_piece(struct sk_buff *skb, __u32 offset, __u32 at, __u32 max)
{
	struct buffer *b = own_buffer();
	__u32 linear, n;

	if (!b)
		return 0;
	linear = copy_begin(&b->copy, skb, offset, at, max);
	if (offset >= linear) {
		b->copy.offset -= linear;
		return copy_frags(b);
	}
	n = linear - offset < max ? linear - offset : max;
	barrier_var(n);
	barrier_var(at);
	if (at >= BUFFER || n > BUFFER ||
	    bpf_probe_read_kernel(b->bytes + at, n, READ(skb->data) + offset))
		return 0;
	return n;
}

/*
 * Copies up to `max` bytes of the segment that lies at `address`, from `from` on, to `at`
 * in this CPU's buffer.  Returns how many.  For kernels that have no dynptr of it for us.
 */
__noinline __u32 read_segment(__u64 address, __u32 from, __u32 at, __u32 max)
{
	struct sk_buff *skb = kernel_cast(struct sk_buff, address);
	__u32 got = copy_piece(skb, from, at, max);

	return got < max ? got + copy_piece(skb, from + got, at + got, max - got) : got;
}

/* One buffer of the socket's out-of-order queue; see read_early(). */
static __always_inline __u32 copy_early(__u64 address, __u32 seq, __u32 at, __u32 max)
{
	struct tcp_sock *tp = kernel_cast(struct tcp_sock, address);
	struct sk_buff *skb = find_queued(READ(tp->out_of_order_queue.rb_node), seq);

	return skb ? copy_piece(skb, seq - READ(CONTROL(skb, seq)), at, max) : 0;
}

#define EARLY_PIECES 4	/* buffers that what is read may lie in */

/*
 * Copies what was received from `seq` on before its turn, up to `max` bytes, to `at`
 * in this CPU's buffer.  Returns how many.  Weak: see bpf/egress/.
 */
__weak __noinline __u32 read_early(__u64 address, __u32 seq, __u32 at, __u32 max)
{
	__u32 got = 0;

	for (int i = 0; i < EARLY_PIECES && got < max; i++)
		got += copy_early(address, seq + got, at + got, max - got);
	return got;
}

#define EARLY_MAX 512	/* buffers that one late segment may let through */

struct early {
	__u64 address;
	__u32 seq;
};

static long pass_early(__u64 i, struct early *e)
{
	struct tcp_sock *tp = kernel_cast(struct tcp_sock, e->address);
	struct sk_buff *skb = find_queued(READ(tp->out_of_order_queue.rb_node), e->seq);

	if (!skb)
		return 1;
	e->seq = READ(CONTROL(skb, end_seq));
	return 0;
}

/* How many bytes from `seq` on, without a gap, were received before their turn. */
__noinline __u32 early_bytes(__u64 address, __u32 seq)
{
	struct early e = { address, seq };

	bpf_loop(EARLY_MAX, pass_early, &e, 0);
	return e.seq - seq;
}

#endif
