/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is at it right now: thread, goroutine, registers and the top of the stack. */
#ifndef PLIMSOLL_SNAPSHOT_BPF_H
#define PLIMSOLL_SNAPSHOT_BPF_H

#include "maps.bpf.h"

#define PAGE_BYTES 4096
#define GOID_AT 152	/* in Go's g, since 1.10; since 1.23 right behind that */

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

#ifdef __TARGET_ARCH_x86
/* A g begins with the bounds of its goroutine's stack: whoever runs elsewhere is not this one. */
static __always_inline bool take_goid(struct stack_snapshot *kept, __u64 g)
{
	__u64 bounds[2];

	return g && !bpf_probe_read_user(bounds, sizeof(bounds), (void *)g) &&
	       bounds[0] < kept->sp && kept->sp <= bounds[1] &&
	       !bpf_probe_read_user(kept->goroutine, sizeof(kept->goroutine), (void *)(g + GOID_AT));
}
#endif

/*
 * Go keeps its g in thread-local storage, right below the base unless C was linked in
 * statically, and since 1.17 in a register as well.  In another language both are any words,
 * and following them may be a fault, which costs a microsecond: it is not tried again
 * where it led to nothing.
 */
static __always_inline void take_goroutine(struct stack_snapshot *kept, struct task_struct *task,
					   bool again)
{
#ifdef __TARGET_ARCH_x86
	__u64 g = 0;

	if (again && !kept->goroutine[0] && !kept->goroutine[1])
		return;
	kept->goroutine[0] = kept->goroutine[1] = 0;
	if (bpf_probe_read_user(&g, sizeof(g), (void *)(task->thread.fsbase - 8)) ||
	    !take_goid(kept, g))
		(void)take_goid(kept, kept->r14);
#endif
}

/*
 * How much there is of a stack: the main thread's ends where it began, another's below
 * what its library keeps of the thread.  To read beyond would be a fault.
 */
static __always_inline __u32 stack_size(const struct task_struct *task, __u64 sp)
{
	__u64 size = SNAPSHOT_BYTES, above = task->mm->start_stack - sp;

	if (above < size)
		size = above;
#ifdef __TARGET_ARCH_x86
	above = task->thread.fsbase - sp;
	if (above < size)
		size = above;
#endif
	return size;
}

/*
 * Where the end is not known the pages behind it may never have been touched, as those
 * behind a young goroutine's stack: up to there, then.
 */
static __always_inline __u32 take_pages(struct stack_snapshot *kept)
{
	__u32 first = PAGE_BYTES - (kept->sp & (PAGE_BYTES - 1));

	barrier_var(first);	/* so that what is checked is what is used */
	if (first > PAGE_BYTES || bpf_probe_read_user(kept->bytes, first, (void *)kept->sp))
		return 0;
	if (bpf_probe_read_user(kept->bytes + first, PAGE_BYTES, (void *)kept->sp + first))
		return first;
	return first + PAGE_BYTES;
}

static __always_inline __u32 take_stack(struct stack_snapshot *kept, const struct task_struct *task)
{
	__u32 size = stack_size(task, kept->sp);

	barrier_var(size);
	if (size > SNAPSHOT_BYTES)
		return 0;
	return bpf_probe_read_user(kept->bytes, size, (void *)kept->sp) ? take_pages(kept) : size;
}

/* Two words: a call of the kernel's own costs as much as half of a stack. */
static __always_inline void take_name(struct stack_snapshot *kept, const struct task_struct *task)
{
	const __u64 *name = (const void *)task->comm;

	((__u64 *)kept->thread)[0] = name[0];
	((__u64 *)kept->thread)[1] = name[1];
}

/* A thread's number is another's before long where threads come and go. */
static __always_inline __u32 number_of(const struct task_struct *task, __u32 tid)
{
	__u64 key = (task->start_boottime ^ (__u64)tid << 40) * 0x9e3779b97f4a7c15ULL;

	return (key >> 32) | 1;
}

/*
 * Keeps it in `map` for the connection in slot `index`; only in the process's own context.
 * Returns the thread's number, 0 when there was no room.
 */
static __always_inline __u32 take_snapshot(void *map, __u32 index, __u32 gen, enum counter lost)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stack_snapshot *kept = snapshot_of(map, index);
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), sender;
	bool again;

	if (!kept) {
		count(lost);
		return 0;
	}
	sender = number_of(task, tid);
	again = kept->gen == gen && kept->sender == sender;
	kept->gen = gen;
	kept->tid = tid;
	kept->sender = sender;
	kept->ns = coarse_ns();
	if (!again)
		kept->since_ns = kept->ns;
	take_name(kept, task);
	take_registers(kept, task);
	take_goroutine(kept, task, again);
	kept->len = take_stack(kept, task);
	return sender;
}

#endif
