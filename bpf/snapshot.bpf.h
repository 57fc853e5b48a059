/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is at it right now: thread, goroutine, registers and the top of the stack. */
#ifndef PLIMSOLL_SNAPSHOT_BPF_H
#define PLIMSOLL_SNAPSHOT_BPF_H

#include "maps.bpf.h"

#define GOID_AT	     152	/* in Go's g, since 1.10 */
#define GOID_AT_1_23 160

struct snapshots_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct stack_snapshot);
};

/* An empty one, copied in when a connection keeps its first. */
struct no_snapshot_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_snapshot);
};

extern struct snapshots_map snapshots SEC(".maps");	/* at the statement */
extern struct snapshots_map connects SEC(".maps");	/* at connect() */
extern struct no_snapshot_map no_snapshot SEC(".maps");
extern const volatile __u32 cfg_evidence;	/* enum evidence_tier */

static __always_inline struct stack_snapshot *snapshot_of(void *map, __u32 index)
{
	struct stack_snapshot *kept = bpf_map_lookup_elem(map, &index);
	__u32 zero = 0;

	if (kept)
		return kept;
	kept = bpf_map_lookup_elem(&no_snapshot, &zero);
	if (kept)
		bpf_map_update_elem(map, &index, kept, BPF_ANY);
	return bpf_map_lookup_elem(map, &index);
}

static __always_inline void take_registers(struct stack_snapshot *kept, struct task_struct *task)
{
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	kept->ip = regs->ip;
	kept->sp = regs->sp;
	kept->bp = regs->bp;
	kept->bx = regs->bx;
	kept->r12 = regs->r12;
	kept->r13 = regs->r13;
	kept->r14 = regs->r14;
	kept->r15 = regs->r15;
#endif
}

/* Go keeps its g in thread-local storage, right below the base. */
static __always_inline void take_goroutine(struct stack_snapshot *kept, struct task_struct *task)
{
#ifdef __TARGET_ARCH_x86
	__u64 g = 0;

	kept->goroutine[0] = kept->goroutine[1] = 0;
	if (bpf_probe_read_user(&g, sizeof(g), (void *)(task->thread.fsbase - 8)) || !g)
		return;
	bpf_probe_read_user(&kept->goroutine[0], 8, (void *)(g + GOID_AT));
	bpf_probe_read_user(&kept->goroutine[1], 8, (void *)(g + GOID_AT_1_23));
#endif
}

/* The top of a stack may be shorter than what is asked for: less, then. */
static __always_inline __u32 take_stack(struct stack_snapshot *kept)
{
	const void *sp = (const void *)kept->sp;

	if (!bpf_probe_read_user(kept->bytes, SNAPSHOT_BYTES, sp))
		return SNAPSHOT_BYTES;
	if (!bpf_probe_read_user(kept->bytes, SNAPSHOT_BYTES / 4, sp))
		return SNAPSHOT_BYTES / 4;
	if (!bpf_probe_read_user(kept->bytes, SNAPSHOT_BYTES / 16, sp))
		return SNAPSHOT_BYTES / 16;
	return 0;
}

/* Keeps it in `map` for the connection in slot `index`; only in its own process's context. */
static __always_inline void take_snapshot(void *map, __u32 index, __u32 gen)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stack_snapshot *kept = snapshot_of(map, index);

	if (!kept) {
		count(COUNT_SNAPSHOT_LOST);
		return;
	}
	kept->gen = gen;
	kept->tid = (__u32)bpf_get_current_pid_tgid();
	kept->ns = bpf_ktime_get_ns();
	bpf_get_current_comm(kept->thread, sizeof(kept->thread));
	take_registers(kept, task);
	take_goroutine(kept, task);
	kept->len = take_stack(kept);
}

#endif
