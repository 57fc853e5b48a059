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
#include "snapshot.bpf.h"


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
	take_snapshot(&snapshots, index, s->gen);
	return 0;
}
