// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who sent the statement: evidence, for when a leak has to be explained.
 *
 * One hook, tp_btf/sock_send_length (6.3): at the end of every send, in the
 * sender's own context.  Attached only when the configuration asks for evidence;
 * it costs every message of the host about 60 ns, and the statement that opens a
 * transaction about a microsecond.  The stack is copied, not walked: libraries are
 * built without frame pointers, and user space unwinds it by their tables.
 */
#include "slot.bpf.h"
#include "sent.bpf.h"

const volatile __u32 cfg_evidence = TIER_OFF;

#define GOID_AT	     152	/* in Go's g, since 1.10 */
#define GOID_AT_1_23 160

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct stack_snapshot);
} snapshots SEC(".maps");

/* An empty one, copied in when a connection keeps its first. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_snapshot);
} no_snapshot SEC(".maps");

static __always_inline struct stack_snapshot *snapshot_of(__u32 index)
{
	struct stack_snapshot *kept = bpf_map_lookup_elem(&snapshots, &index);
	__u32 zero = 0;

	if (kept)
		return kept;
	kept = bpf_map_lookup_elem(&no_snapshot, &zero);
	if (kept)
		bpf_map_update_elem(&snapshots, &index, kept, BPF_ANY);
	return bpf_map_lookup_elem(&snapshots, &index);
}

#define OPENING	    12	/* bytes that show the first word */
#define CALL_WRITE  1	/* x86's numbers */
#define CALL_SENDTO 44

/* What was sent on a Unix socket lies where the system call says; that it is not plain is rare. */
static __always_inline bool read_argument(struct buffer *b)
{
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

	return (regs->orig_ax == CALL_SENDTO || regs->orig_ax == CALL_WRITE) &&
	       !bpf_probe_read_user(b->bytes, OPENING, (void *)regs->si);
#else
	return false;
#endif
}

/* BEGIN or START TRANSACTION, in any case; both protocols have the text at 5. */
static __always_inline bool opens(const struct sock *sk, __u32 sent)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);
	__u32 zero = 0, word = 0;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	__u32 at = 5;

	if (!b || !(tp ? read_sent(address_of(sk), tp->write_seq - sent, 64) >= 10 :
			 read_argument(b)))
		return true;	/* not to be read: rather one too many */
	if (b->bytes[0] == 'P' && b->bytes[5] == 0)
		at = 6;
	bpf_probe_read_kernel(&word, 4, b->bytes + at);
	word |= 0x20202020;
	return word == 0x69676562 /* begi */ || word == 0x72617473 /* star */ ||
	       b->bytes[at] == '/';
}

/* Where MySQL's autocommit is off, no word says it. */
static __always_inline bool is_manual(const struct slot *s)
{
	return s->protocol == WIRE_MYSQL && s->my.caps & MYSQL_MANUAL;
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

/* Keeps who sends on the connection now.  Always 0. */
__noinline int keep_snapshot(__u32 index, __u32 gen)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stack_snapshot *kept = snapshot_of(index);

	if (!kept) {
		count(COUNT_SNAPSHOT_LOST);
		return 0;
	}
	kept->gen = gen;
	kept->tid = (__u32)bpf_get_current_pid_tgid();
	kept->ns = bpf_ktime_get_ns();
	bpf_get_current_comm(kept->thread, sizeof(kept->thread));
	take_registers(kept, task);
	take_goroutine(kept, task);
	kept->len = take_stack(kept);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_send, struct sock *sk, int ret, int flags)
{
	struct slot *s;
	__u32 index;

	if (ret <= 0)
		return 0;
	s = slot_of(sk, &index);
	if (!s || s->phase != PHASE_READY)
		return 0;
	if (cfg_evidence == TIER_TRANSACTIONS && s->status != 'I')
		return 0;
	if (cfg_evidence == TIER_TRANSACTIONS && !is_manual(s) && !opens(sk, ret))
		return 0;
	return keep_snapshot(index, s->gen);
}
