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
 * Copies up to `max` (at most BUFFER) bytes of what socket `address` sent from
 * `seq` on into this CPU's buffer.  Returns how many; 0 when they cannot be
 * reached.  Goes on over borders of fragments, but not of sk_buffs: a message's
 * header is not split by the libraries' single write.
 */
__noinline __u32 read_sent(__u64 address, __u32 seq, __u32 max)
{
	const struct sock *sk = (const void *)address;
	__u32 zero = 0, offset = 0, got = 0;
	const struct skb_shared_info *info;
	const struct sk_buff *skb;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);

	skb = find_sent(sk, seq, &offset);
	if (!b || !skb || BPF_CORE_READ(skb, len) != BPF_CORE_READ(skb, data_len))
		return 0;	/* nothing there, or not in fragments */
	info = (const void *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end));
	if (max > BUFFER)
		max = BUFFER;
	for (__u32 i = 0; i < FRAGS && got < max; i++) {
		struct frag f = {};
		__u32 n;

		if (i >= BPF_CORE_READ(info, nr_frags) ||
		    bpf_core_read(&f, sizeof(f), &info->frags[i]))
			break;
		if (offset >= f.len) {
			offset -= f.len;
			continue;
		}
		n = f.len - offset;
		if (n > max - got)
			n = max - got;
		if (got >= BUFFER || n > BUFFER - got || n > BUFFER)
			break;
		if (bpf_probe_read_kernel(b->bytes + got, n, (void *)frag_address(&f, offset)))
			break;
		got += n;
		offset = 0;
	}
	return got;
}
