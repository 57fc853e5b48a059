// SPDX-License-Identifier: GPL-2.0-or-later
#include "statement.bpf.h"

const volatile __u32 cfg_statement_bytes = STATEMENT_DEFAULT;

struct statements_map statements SEC(".maps");

/* An empty one, copied in when a connection keeps its first. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct statement);
} no_statement SEC(".maps");

#define NAME_SCAN 64	/* longest name of a prepared statement that is looked over */

static __always_inline struct statement *room_of(__u32 index)
{
	__u32 key = index * 2 + STATEMENT_LAST, zero = 0;
	struct statement *kept = bpf_map_lookup_elem(&statements, &key);

	if (kept)
		return kept;
	kept = bpf_map_lookup_elem(&no_statement, &zero);
	if (kept)
		bpf_map_update_elem(&statements, &key, kept, BPF_ANY);
	return bpf_map_lookup_elem(&statements, &key);
}

/* Where the text begins in the message at `b`, or 0 when there is none in it. */
static __always_inline __u32 text_at(const struct buffer *b, __u32 n)
{
	__u32 at = 5;

	if (b->bytes[0] == 'Q')
		return at;
	if (b->bytes[0] != 'P')
		return 0;
	for (int i = 0; i < NAME_SCAN; i++, at++)
		if (at < BUFFER && !b->bytes[at])
			return at + 1 < n ? at + 1 : 0;
	return 0;
}

/*
 * Whether the message tells of a statement at all: with its text, or by the name
 * that it was prepared under.  What is bound to the unnamed one is the text that
 * was kept before; COPY data and the rest are no statements.
 */
static __always_inline bool is_statement(const struct buffer *b)
{
	switch (b->bytes[0]) {
	case 'Q':
	case 'P':
	case 'F':
		return true;
	case 'B':
		return b->bytes[5] || b->bytes[6];
	default:
		return false;
	}
}

/*
 * Keeps the statement of the request that begins at TCP sequence `seq`, whose first
 * `n` bytes are in the buffer already (0: they have to be read).  Always 0.
 */
__noinline int keep_statement(__u64 address, __u32 index, __u32 gen, __u32 seq, __u32 n)
{
	__u32 zero = 0, at, size;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	struct statement *kept;

	if (!n)
		n = read_sent(address, seq, cfg_statement_bytes);
	if (!b || n < 7 || !is_statement(b))
		return 0;
	size = bpf_ntohl(*(__u32 *)(b->bytes + 1)) + 1;
	at = text_at(b, n);
	kept = room_of(index);
	if (!kept) {
		count(COUNT_STATEMENT_LOST);
		return 0;
	}
	kept->gen = gen;
	kept->copied = 0;
	kept->size = at && size > at ? size - at - 1 : 0;
	n = n > at ? n - at : 0;
	if (n > kept->size)
		n = kept->size;
	if (at >= BUFFER || n > STATEMENT_MAX ||
	    bpf_probe_read_kernel(kept->bytes, n, b->bytes + at))
		n = 0;
	kept->copied = n;
	return 0;
}
