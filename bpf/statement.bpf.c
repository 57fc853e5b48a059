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

/* Hashes the name that begins at `at`; returns where the next field begins, 0: too long. */
static __always_inline __u32 hash_name(const struct buffer *b, __u32 at, __u32 *ret)
{
	__u32 hash = 2166136261;	/* FNV-1a */

	for (int i = 0; i < NAME_SCAN; i++, at++) {
		__u8 c;

		if (at >= BUFFER)
			return 0;
		c = b->bytes[at];
		if (!c) {
			*ret = hash;
			return at + 1;
		}
		hash = (hash ^ c) * 16777619;
	}
	return 0;
}

/*
 * Whether the message tells of another statement than the one kept: by its text, or
 * by the name of one that was prepared earlier.  COPY data and the rest do not.
 * `ret_at` is where the text begins, 0 when only the name is known.
 */
static __always_inline bool is_another(const struct buffer *b, const struct statement *kept,
				       __u32 *ret_at, __u32 *ret_name)
{
	*ret_at = 0;
	*ret_name = 0;
	switch (b->bytes[0]) {
	case 'Q':
		*ret_at = 5;
		return true;
	case 'P':
		*ret_at = hash_name(b, 5, ret_name);
		return true;
	case 'B':	/* a portal's name, then the statement's: the portal's is empty */
		return b->bytes[5] || !hash_name(b, 6, ret_name) || *ret_name != kept->name;
	case 'F':
		return true;
	default:
		return false;
	}
}

/* The first `n` bytes in the buffer from `at` on are what there is of a text of `size`. */
static __always_inline void copy_text(struct statement *kept, const struct buffer *b, __u32 at,
				      __u32 n, __u32 size)
{
	kept->copied = 0;
	kept->size = size;
	if (n > size)
		n = size;
	if (at >= BUFFER || n > STATEMENT_MAX ||
	    bpf_probe_read_kernel(kept->bytes, n, b->bytes + at))
		n = 0;
	kept->copied = n;
}

static __always_inline void make_own(struct statement *kept, __u32 gen)
{
	if (kept->gen != gen)
		kept->name = kept->copied = 0;
	kept->gen = gen;
}

/*
 * PostgreSQL: keeps the statement of the request that begins at TCP sequence `seq`,
 * whose first `n` bytes are in the buffer already (0: they have to be read).  Always 0.
 */
__noinline int keep_statement(__u64 address, __u32 index, __u32 gen, __u32 seq, __u32 n)
{
	__u32 zero = 0, at, name, size;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	struct statement *kept = room_of(index);

	if (!n)
		n = read_sent(address, seq, cfg_statement_bytes);
	if (!kept)
		count(COUNT_STATEMENT_LOST);
	if (!b || !kept || n < 7)
		return 0;
	make_own(kept, gen);
	if (!is_another(b, kept, &at, &name))
		return 0;
	size = bpf_ntohl(*(__u32 *)(b->bytes + 1)) + 1;
	kept->name = name;
	copy_text(kept, b, at, n > at ? n - at : 0, at && size > at ? size - at - 1 : 0);
	return 0;
}

/*
 * Keeps the `size` bytes of a statement that begin at TCP sequence `seq`, and what
 * it is called where it was prepared.  Without a text (0): the one called `name` is
 * run again.  Always 0.
 */
__noinline int keep_text(__u64 address, __u32 index, __u32 seq, __u32 size, __u32 name)
{
	__u32 zero = 0, n;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	struct slot *s = bpf_map_lookup_elem(&slots, &index);
	struct statement *kept = room_of(index);

	if (!kept)
		count(COUNT_STATEMENT_LOST);
	if (!b || !s || !kept)
		return 0;
	make_own(kept, s->gen);
	if (!size && kept->name == name)
		return 0;
	n = size ? read_sent(address, seq, cfg_statement_bytes) : 0;
	kept->name = name;
	copy_text(kept, b, 0, n, size);
	return 0;
}

/* Makes room for a statement that comes from elsewhere.  Always 0. */
__noinline int statement_room(__u32 index)
{
	room_of(index);
	return 0;
}
