/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a message on a Unix socket, in the memory of the process that sends
 * or receives it: its system call's arguments say where.  They lie there for as long
 * as the hook runs, so what is asked is read at once, where TCP's waits in a queue.
 */
#ifndef PLIMSOLL_CALLER_BPF_H
#define PLIMSOLL_CALLER_BPF_H

#include "sent.bpf.h"

#define PIECES 8	/* of one message; more are not read */

struct piece {
	__u64 base;
	__u64 len;
};

/* The message under way on this CPU. */
struct message_bytes {
	struct piece pieces[PIECES];
	__u32 count;
	__u32 seq;	/* number of its first byte in its direction */
	__u32 size;
	__u32 sent;	/* 1: by the client */
};

struct message_bytes_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct message_bytes);
};
extern struct message_bytes_map message_bytes SEC(".maps");

/* Finds where the `size` bytes are that just moved; what cannot be found is not readable. */
int message_bytes_find(__u32 seq, __u32 size, __u32 sent);

/* Copies up to `max` of them from `off` on to `at` in the buffer; how many. */
__u32 message_bytes_copy(__u32 at, __u32 off, __u32 max);

union received {
	__u32 nothing;
};

static __always_inline bool received_open(union received *r, struct sk_buff *skb)
{
	return true;
}

static __always_inline bool received_read(const union received *r, struct buffer *b, __u32 at,
					  __u32 n, __u32 from)
{
	return n <= CHUNK && at <= CHUNK && message_bytes_copy(at, from, n) == n;
}

static __always_inline bool received_few(struct sk_buff *skb, __u8 *to, __u32 n, __u32 from)
{
	struct buffer *b = bpf_map_lookup_elem(&buffers, &(__u32){ 0 });

	if (!b || message_bytes_copy(0, from, n) != n)
		return false;
	__builtin_memcpy(to, b->bytes, n);
	return true;
}

/* Memory of a process is only ever copied. */
static __always_inline __u64 received_place(struct sk_buff *skb, __u32 from, __u32 n)
{
	return 0;
}

static __always_inline __u64 sent_place(__u64 address, __u32 seq, __u32 n)
{
	return 0;
}

#define bytes_at(address) ((const void *)(address))

#endif
