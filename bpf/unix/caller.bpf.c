// SPDX-License-Identifier: GPL-2.0-or-later
#define OF_THE_CALLER
#include "received.bpf.h"

struct message_bytes_map message_bytes SEC(".maps");

#define TS_COMPAT 2	/* thread_info.status: a 32-bit call, with numbers of its own */

/* Of the system calls that move a message's bytes. */
enum { CALL_READ = 0, CALL_WRITE = 1, CALL_READV = 19, CALL_WRITEV = 20, CALL_SENDTO = 44,
       CALL_RECVFROM = 45, CALL_SENDMSG = 46, CALL_RECVMSG = 47 };

struct user_message {
	__u64 name;
	__u64 name_len;
	__u64 pieces;
	__u64 count;
};

static __always_inline void find_pieces(struct message_bytes *m, __u64 at, __u64 count)
{
	__u64 n = count < PIECES ? count : PIECES;

	barrier_var(n);
	if (n > PIECES || bpf_probe_read_user(m->pieces, n * sizeof(m->pieces[0]), (void *)at))
		n = 0;
	m->count = n;
}

static __always_inline void find_message(struct message_bytes *m, __u64 at)
{
	struct user_message msg = {};

	if (!bpf_probe_read_user(&msg, sizeof(msg), (void *)at))
		find_pieces(m, msg.pieces, msg.count);
}

/* Always 0. */
__noinline int message_bytes_find(__u32 seq, __u32 size, __u32 sent)
{
	struct message_bytes *m = bpf_map_lookup_elem(&message_bytes, &(__u32){ 0 });
	struct task_struct *task = bpf_get_current_task_btf();

	if (!m)
		return 0;
	m->count = 0;
	m->seq = seq;
	m->size = size;
	m->sent = sent;
#ifdef __TARGET_ARCH_x86
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	if (task->thread_info.status & TS_COMPAT)
		return 0;
	switch (regs->orig_ax) {
	case CALL_READ:
	case CALL_WRITE:
	case CALL_SENDTO:
	case CALL_RECVFROM:
		m->pieces[0].base = regs->si;
		m->pieces[0].len = regs->dx;
		m->count = 1;
		break;
	case CALL_READV:
	case CALL_WRITEV:
		find_pieces(m, regs->si, regs->dx);
		break;
	case CALL_SENDMSG:
	case CALL_RECVMSG:
		find_message(m, regs->si);
		break;
	}
#endif
	return 0;
}

__noinline __u32 message_bytes_copy(__u32 at, __u32 off, __u32 max)
{
	struct message_bytes *m = bpf_map_lookup_elem(&message_bytes, &(__u32){ 0 });
	struct buffer *b = bpf_map_lookup_elem(&buffers, &(__u32){ 0 });
	__u32 got = 0;

	if (!m || !b || off >= m->size)
		return 0;
	if (max > m->size - off)
		max = m->size - off;
	for (__u32 i = 0; i < PIECES && got < max; i++) {
		const struct piece *p = &m->pieces[i];
		__u32 n, to = at + got;

		if (i >= m->count)
			break;
		if (off >= p->len) {
			off -= p->len;
			continue;
		}
		n = max - got;
		if (n > p->len - off)
			n = p->len - off;
		barrier_var(to);
		barrier_var(n);
		if (to >= BUFFER || n > BUFFER ||
		    bpf_probe_read_user(b->bytes + to, n, (void *)(p->base + off)))
			break;
		got += n;
		off = 0;
	}
	return got;
}

/* What TCP reads from its queues (bpf/place.bpf.h). */

__noinline __u32 read_sent(__u64 address, __u32 seq, __u32 max)
{
	struct message_bytes *m = bpf_map_lookup_elem(&message_bytes, &(__u32){ 0 });

	if (!m || !m->sent || (__s32)(seq - m->seq) < 0)
		return 0;
	return message_bytes_copy(0, seq - m->seq, max < BUFFER ? max : BUFFER);
}

/* Nothing comes before its turn. */
__noinline __u32 read_early(__u64 address, __u32 seq, __u32 at, __u32 max)
{
	return 0;
}
