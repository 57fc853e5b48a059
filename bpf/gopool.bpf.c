// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where Go programs keep their connection pools.
 *
 * An entry probe on database/sql.(*DB).conn, attached to the program's file by user
 * space: the *sql.DB is the first argument, in a register.  Told once; what is in it
 * is then read from the process's memory.  Never a return probe: Go moves its stacks.
 */
#include "maps.bpf.h"

#define PROBED_FILES 256

/* What was told already.  One that is forgotten is told again: nothing is lost by it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct go_handle_key);
	__type(value, __u8);
} go_handles SEC(".maps");

/* How often the probe on each file was hit: what it costs the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBED_FILES);
	__type(key, __u32);
	__type(value, __u64);
} go_hits SEC(".maps");

static __always_inline bool tell(const struct go_handle_key *key)
{
	struct rec_go_handle *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		return false;
	}
	__builtin_memset(&r->hdr, 0, sizeof(r->hdr));
	r->hdr.type = REC_GO_HANDLE;
	r->hdr.len = sizeof(*r);
	r->hdr.ts_ns = bpf_ktime_get_ns();
	r->tgid = key->tgid;
	r->start_ticks = key->start_ticks;
	r->address = key->address;
	bpf_ringbuf_submit(r, wake_flags());
	return true;
}

/* In Go's own calling convention, since 1.17. */
static __always_inline __u64 first_argument(const struct pt_regs *ctx)
{
#ifdef __TARGET_ARCH_x86
	return ctx->ax;
#else
	return 0;
#endif
}

SEC("uprobe")
int on_go_conn(struct pt_regs *ctx)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct go_handle_key key = {
		.tgid = bpf_get_current_pid_tgid() >> 32,
		.start_ticks = leader->start_boottime / NS_PER_TICK,
		.address = first_argument(ctx),
	};
	__u32 file = bpf_get_attach_cookie(ctx);
	__u64 *hits = bpf_map_lookup_elem(&go_hits, &file);
	__u8 one = 1;

	if (hits)
		__sync_fetch_and_add(hits, 1);
	if (!key.address || bpf_map_lookup_elem(&go_handles, &key))
		return 0;
	if (tell(&key))
		bpf_map_update_elem(&go_handles, &key, &one, BPF_ANY);
	return 0;
}
