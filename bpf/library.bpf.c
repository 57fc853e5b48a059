// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What applications say to their client library: evidence where the wire is blind.
 *
 * One program on the entry of every function that is watched (uprobe_multi, 6.6); its
 * cookie says what the function means.  It notes what the thread is about to send; the
 * thread's next send on an encrypted connection says which connection it was.  A probe
 * costs its caller about a microsecond, so user space attaches them only to the
 * files through which somebody is blind (user/libraries.c).
 *
 * These programs can be preempted: what they write is the thread's own.
 */
#include "slot.bpf.h"
#include "snapshot.bpf.h"
#include "statement.bpf.h"

#define SAID_FOR_NS 1000000000ULL	/* what was said longer ago was never sent */

struct said {
	__u64 ns;
	__u32 size, copied;
	__u8 bytes[STATEMENT_MAX];
};

/* By thread: what it is about to send; nothing copied: what that is, is not known. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct said);
} said SEC(".maps");

/* What was prepared, to be sent by its name alone. */
struct said_key {
	__u32 tgid;
	__u32 name;	/* hash; 0 none */
	__u64 handle;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct said_key);
	__type(value, struct said);
} said_before SEC(".maps");

/* An empty one, copied in for each. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct said);
} nothing_said SEC(".maps");

struct handle {
	__u64 address;
	__u64 tgid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct handle);
	__type(value, __u8);
} handles SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HANDLE_PROCESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct handle_counts);
} handle_counts SEC(".maps");

/* ---- what is said */

static __always_inline struct said *said_afresh(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), zero = 0;
	struct said *none = bpf_map_lookup_elem(&nothing_said, &zero);

	if (!none || bpf_map_update_elem(&said, &tid, none, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&said, &tid);
}

/* `size` is SIZE_UNKNOWN for a text that ends by itself. */
#define SIZE_UNKNOWN (~0U)

static __always_inline struct said *say(__u64 text, __u32 size)
{
	struct said *now = said_afresh();
	__u32 most = cfg_statement_bytes;
	long n;

	if (!now || most > STATEMENT_MAX) {
		count(COUNT_SAID_LOST);
		return NULL;
	}
	if (size < most)
		most = size + 1;
	barrier_var(most);
	if (most > STATEMENT_MAX)
		return NULL;
	now->ns = bpf_ktime_get_ns();
	n = bpf_probe_read_user_str(now->bytes, most, (const void *)text);
	if (n <= 0) {
		count(COUNT_SAID_LOST);
		return NULL;
	}
	now->copied = n - 1;
	now->size = n < most || n - 1 == size ? n - 1 : n;	/* not less than it has */
	return now;
}

static __always_inline struct said_key key_of(__u64 handle, __u64 name)
{
	struct said_key key = { .tgid = bpf_get_current_pid_tgid() >> 32, .handle = handle };
	char text[64] = {};
	__u32 hash = 2166136261;	/* FNV-1a */

	if (!name || bpf_probe_read_user_str(text, sizeof(text), (const void *)name) < 0)
		return key;
	for (__u32 i = 0; i < sizeof(text); i++)
		hash = (hash ^ (__u8)text[i]) * 16777619;
	key.name = hash;
	return key;
}

static __always_inline void prepare(__u64 handle, __u64 name, __u64 text, __u32 size)
{
	struct said_key key = key_of(handle, name);
	struct said *now = say(text, size);

	if (now)
		bpf_map_update_elem(&said_before, &key, now, BPF_ANY);
	else
		bpf_map_delete_elem(&said_before, &key);
}

/* Prepared before we watched: something is said, and it is not known what. */
static __always_inline void execute(__u64 handle, __u64 name)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct said_key key = key_of(handle, name);
	struct said *now = bpf_map_lookup_elem(&said_before, &key);

	if (!now)
		now = said_afresh();
	else if (!bpf_map_update_elem(&said, &tid, now, BPF_ANY))
		now = bpf_map_lookup_elem(&said, &tid);
	if (now)
		now->ns = bpf_ktime_get_ns();
}

/* ---- what is handed out */

static __always_inline struct handle_counts *counts_of(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct handle_counts none = {}, *n = bpf_map_lookup_elem(&handle_counts, &tgid);

	if (n)
		return n;
	if (bpf_map_update_elem(&handle_counts, &tgid, &none, BPF_NOEXIST) < 0)
		count(COUNT_HANDLES_LOST);
	return bpf_map_lookup_elem(&handle_counts, &tgid);
}

static __always_inline void connection(__u64 address, bool opens)
{
	struct handle h = { address, bpf_get_current_pid_tgid() >> 32 };
	struct handle_counts *n = counts_of();
	__u8 one = 1;

	if (!n || !address)
		return;
	if (opens) {
		if (bpf_map_lookup_elem(&handles, &h))
			return;
		if (bpf_map_update_elem(&handles, &h, &one, BPF_NOEXIST))
			count(COUNT_HANDLES_LOST);
		else
			__sync_fetch_and_add(&n->connections, 1);
	} else if (!bpf_map_delete_elem(&handles, &h)) {
		__sync_fetch_and_add(&n->connections, -1);
	}
}

static __always_inline void result(__s64 more)
{
	struct handle_counts *n = counts_of();

	if (n)
		__sync_fetch_and_add(&n->results, more);
}

#ifdef __TARGET_ARCH_x86
#define ARGUMENT_1(regs) PT_REGS_PARM1(regs)
#define ARGUMENT_2(regs) PT_REGS_PARM2(regs)
#define ARGUMENT_3(regs) PT_REGS_PARM3(regs)
#define RETURNED(regs)	 PT_REGS_RC(regs)
#else	/* not known: counted as not readable */
#define ARGUMENT_1(regs) 0
#define ARGUMENT_2(regs) 0
#define ARGUMENT_3(regs) 0
#define RETURNED(regs)	 0
#endif

SEC("uprobe")
int on_call(struct pt_regs *regs)
{
	switch (bpf_get_attach_cookie(regs)) {
	case CALL_SAY:
		say(ARGUMENT_2(regs), SIZE_UNKNOWN);
		break;
	case CALL_SAY_SIZED:
		say(ARGUMENT_2(regs), ARGUMENT_3(regs));
		break;
	case CALL_PREPARE:
		prepare(ARGUMENT_1(regs), ARGUMENT_2(regs), ARGUMENT_3(regs), SIZE_UNKNOWN);
		break;
	case CALL_EXECUTE:
		execute(ARGUMENT_1(regs), ARGUMENT_2(regs));
		break;
	case CALL_PREPARE_SIZED:
		prepare(ARGUMENT_1(regs), 0, ARGUMENT_2(regs), ARGUMENT_3(regs));
		break;
	case CALL_EXECUTE_LAST:
		execute(ARGUMENT_1(regs), 0);
		break;
	case CALL_OPEN:
		connection(ARGUMENT_1(regs), true);
		break;
	case CALL_CLOSE:
		connection(ARGUMENT_1(regs), false);
		break;
	case CALL_RESULT:
		result(1);
		break;
	case CALL_CLEAR:
		if (ARGUMENT_1(regs))
			result(-1);
		break;
	}
	return 0;
}

SEC("uprobe")
int on_return(struct pt_regs *regs)
{
	if (RETURNED(regs))
		result(1);
	return 0;
}

/* ---- which connection it was */

static __always_inline void keep_said(__u32 index, const struct slot *s, const struct said *now)
{
	struct statement *kept;
	__u32 n = now->copied;

	statement_room(index);
	kept = statement_of(index, STATEMENT_LAST);
	if (!kept) {
		count(COUNT_STATEMENT_LOST);
		return;
	}
	kept->copied = 0;
	kept->gen = s->gen;
	kept->call = 0;
	kept->name = n ? 0 : NO_NAME_NOW;	/* one it has, but what it means is not known */
	kept->size = now->size;
	barrier_var(n);
	if (n <= STATEMENT_MAX && !bpf_probe_read_kernel(kept->bytes, n, now->bytes))
		kept->copied = n;
}

static __always_inline void note_sent(__u32 index)
{
	struct mark *m = bpf_map_lookup_elem(&marks, &index);

	if (m)
		m->sent_last = 1;
}

/* Attached while there are probes.  A thread's next send takes what it said along. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(on_said_sent, struct sock *sk, int ret, int flags)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), index;
	const struct said *now;
	struct slot *s;

	if (ret <= 0)
		return 0;
	now = bpf_map_lookup_elem(&said, &tid);
	s = now ? slot_of(sk, false, &index) : NULL;
	if (!s)
		return 0;
	if (s->phase == PHASE_BLIND && s->flags & SLOT_TLS &&
	    bpf_ktime_get_ns() - now->ns < SAID_FOR_NS) {
		keep_said(index, s, now);
		take_snapshot(&snapshots, index, s->gen, COUNT_SNAPSHOT_LOST);
		note_sent(index);
	}
	bpf_map_delete_elem(&said, &tid);
	return 0;
}
