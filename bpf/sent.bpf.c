// SPDX-License-Identifier: GPL-2.0-or-later
/* What user space has run: where the kernel's pages and its clock begin. */
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
