// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions of their own for the verifier: proved once, not once for every path to them. */
#include "sent.bpf.h"

extern const void page_offset_base __ksym __weak;
extern const void vmemmap_base __ksym __weak;

/* Run by user space: jiffies against the clock. */
SEC("syscall")
int set_clock(void *ctx)
{
	shared.clock_offset_ns = bpf_ktime_get_ns() - bpf_jiffies64() * cfg_tick_ns;
	return 0;
}

/* Run once by user space: the bases as the kernel has them (KASLR moves them). */
SEC("syscall")
int find_bases(void *ctx)
{
	shared.page_offset_base = 0xffff888000000000ULL;
	shared.vmemmap_base = 0xffffea0000000000ULL;
	if (&page_offset_base)
		bpf_probe_read_kernel(&shared.page_offset_base, 8, &page_offset_base);
	if (&vmemmap_base)
		bpf_probe_read_kernel(&shared.vmemmap_base, 8, &vmemmap_base);
	return 0;
}

/*
 * The buffer of a queue's tree, whose root is `node`, that holds sequence `seq`, or 0.
 * Its rb_node is its first member.
 */
__noinline __u64 find_queued(__u64 node, __u32 seq)
{
	for (int i = 0; i < TREE_DEPTH && node; i++) {
		struct seqs q = skb_seqs((const void *)node);
		const struct rb_node *n = (const void *)node;

		if ((__s32)(seq - q.seq) < 0)
			node = (__u64)BPF_CORE_READ(n, rb_left);
		else if ((__s32)(seq - q.end_seq) >= 0)
			node = (__u64)BPF_CORE_READ(n, rb_right);
		else
			return node;
	}
	return 0;
}

/* Fields that lie together in every kernel, read together: each read is a call. */
struct skb_lengths {
	__u32 len, data_len;
};

struct skb_places {
	__u32 end;
	__u64 head, data;
} __attribute__((packed));

/* Copies up to `max` bytes of a buffer, from `offset` in it, to `at` in ours. */
struct copy {
	__u64 info;
	__u32 offset, at, max;
	__u32 got;
};

/* One fragment of it.  Returns 1 to stop. */
static __always_inline long copy_frag(__u64 i, struct copy *c)
{
	const struct skb_shared_info *info = (const void *)c->info;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &(__u32){ 0 });
	__u32 n, to = c->at + c->got;
	struct frag f = {};

	if (!b || c->got >= c->max || i >= FRAGS || i >= BPF_CORE_READ(info, nr_frags) ||
	    bpf_core_read(&f, sizeof(f), &info->frags[i]))
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

static long copy_next_frag(__u64 i, struct copy *c)
{
	return copy_frag(i + 1, c);
}

/* Most of what is wanted lies in the first fragment: no loop for that. */
static __always_inline __u32 copy_frags(struct copy *c)
{
	if (!copy_frag(0, c) && c->got < c->max)
		bpf_loop(FRAGS - 1, copy_next_frag, c, 0);
	return c->got;
}

/* Finds what is to be copied.  How many of its first bytes are in no fragment; -1: nothing. */
static __always_inline long copy_begin(struct copy *c, __u64 root, __u32 seq, __u64 *ret_data)
{
	const struct sk_buff *skb = (const void *)find_queued(root, seq);
	struct skb_lengths l = {};
	struct skb_places p = {};

	if (!skb || bpf_core_read(&l, sizeof(l), &skb->len) ||
	    bpf_core_read(&p, sizeof(p), &skb->end))
		return -1;
	c->offset = seq - skb_seqs(skb).seq;
	c->info = p.head + p.end;
	*ret_data = p.data;
	return l.len - l.data_len;
}

/*
 * Copies up to `max` (at most BUFFER) bytes of what socket `address` sent from
 * `seq` on into this CPU's buffer.  Returns how many; 0 when they cannot be
 * reached.  Goes on over borders of fragments, but not of sk_buffs: a message's
 * header is not split by the libraries' single write.
 */
__noinline __u32 read_sent(__u64 address, __u32 seq, __u32 max)
{
	const struct sock *sk = (const void *)address;
	struct copy c = { .max = max < BUFFER ? max : BUFFER };
	__u64 data;

	if (copy_begin(&c, (__u64)BPF_CORE_READ(sk, tcp_rtx_queue.rb_node), seq, &data))
		return 0;	/* nothing there, or not in fragments */
	return copy_frags(&c);
}

/*
 * The same, to `at` in the buffer, of what was received from `seq` on before its
 * turn: it waits in the socket's out-of-order queue.
 */
__noinline __u32 read_early(__u64 address, __u32 seq, __u32 at, __u32 max)
{
	const struct tcp_sock *tp = (const void *)address;
	struct copy c = { .at = at, .max = max };
	struct buffer *b = bpf_map_lookup_elem(&buffers, &(__u32){ 0 });
	__u64 data;
	long linear;
	__u32 n;

	linear = copy_begin(&c, (__u64)BPF_CORE_READ(tp, out_of_order_queue.rb_node), seq, &data);
	if (!b || linear < 0)
		return 0;
	if (c.offset >= linear) {
		c.offset -= linear;
		return copy_frags(&c);
	}
	n = linear - c.offset < max ? linear - c.offset : max;
	barrier_var(n);
	barrier_var(at);
	if (at >= BUFFER || n > BUFFER ||
	    bpf_probe_read_kernel(b->bytes + at, n, (void *)(data + c.offset)))
		return 0;
	return n;
}

#define EARLY_MAX 512	/* buffers that one late segment may let through */

struct early {
	__u64 root;
	__u32 seq;
};

static long pass_early(__u64 i, struct early *e)
{
	__u64 skb = find_queued(e->root, e->seq);

	if (!skb)
		return 1;
	e->seq = skb_seqs((const void *)skb).end_seq;
	return 0;
}

/* How many bytes from `seq` on, without a gap, were received before their turn. */
__noinline __u32 early_bytes(__u64 address, __u32 seq)
{
	const struct tcp_sock *tp = (const void *)address;
	struct early e = { (__u64)BPF_CORE_READ(tp, out_of_order_queue.rb_node), seq };

	bpf_loop(EARLY_MAX, pass_early, &e, 0);
	return e.seq - seq;
}
