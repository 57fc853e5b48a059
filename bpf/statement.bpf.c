// SPDX-License-Identifier: GPL-2.0-or-later
#include "statement.bpf.h"

const volatile __u32 cfg_statement_bytes = STATEMENT_DEFAULT;

struct near_statements_map near_statements SEC(".maps");
struct statements_map statements SEC(".maps");
struct marks_map marks SEC(".maps");

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
	struct statement *kept = statement_of(index, STATEMENT_LAST);

	if (kept)
		return kept;
	kept = bpf_map_lookup_elem(&no_statement, &zero);
	if (kept)
		bpf_map_update_elem(&statements, &key, kept, BPF_ANY);
	return bpf_map_lookup_elem(&statements, &key);
}

struct prepared_map prepared SEC(".maps");
struct prepared_notes_map prepared_notes SEC(".maps");

/* Hashes the name that begins at `at` in the buffer; 0: too long. */
__noinline __u64 hash_name(__u32 at)
{
	__u32 zero = 0;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	__u64 hash = UNNAMED;	/* FNV-1a */

	for (int i = 0; b && i < NAME_SCAN && at < BUFFER; i++, at++) {
		__u8 c = b->bytes[at];

		if (!c)
			return hash;
		hash = (hash ^ c) * 0x100000001b3ULL;
	}
	return 0;
}

/* Where the next field begins behind the name at `at`; 0: too long. */
__noinline __u32 end_of_name(__u32 at)
{
	__u32 zero = 0;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);

	for (int i = 0; b && i < NAME_SCAN && at < BUFFER; i++, at++)
		if (!b->bytes[at])
			return at + 1;
	return 0;
}

static __always_inline __u32 word_at(const struct buffer *b, __u32 at)
{
	return at < BUFFER ? *(const __u32 *)(b->bytes + at) | 0x20202020 : 0;
}

/*
 * Whether the message tells of another statement than the one kept: by its text, or
 * by the name of one that was prepared earlier.  COPY data and the rest do not.
 * `ret_at` is where the text begins, 0 when only the name is known.
 */
static __always_inline bool is_another(const struct buffer *b, const struct statement *kept,
				       __u32 *ret_at, __u64 *ret_name)
{
	*ret_at = 0;
	*ret_name = 0;
	switch (b->bytes[0]) {
	case 'Q':
		*ret_at = 5;
		return !kept->copied || !is_end(word_at(b, *ret_at));
	case 'P':
		*ret_name = hash_name(5);
		*ret_at = end_of_name(5);
		return *ret_name != UNNAMED || !kept->copied || !is_end(word_at(b, *ret_at));
	case 'B':	/* a portal's name, then the statement's */
		*ret_at = end_of_name(5);
		*ret_name = *ret_at ? hash_name(*ret_at) : 0;
		*ret_at = 0;
		return !*ret_name || *ret_name != kept->name;
	case 'F':
		return true;
	default:
		return false;
	}
}

static __always_inline struct prepared_key key_of(__u32 index, const struct statement *kept,
						  const struct prepared_note *note)
{
	return (struct prepared_key){ .slot = index, .gen = kept->gen, .epoch = note->epoch,
				      .name = kept->name };
}

/*
 * What was kept last was prepared under its name.  An error among the next `answers`
 * may be that of the preparation.  Always 0.
 */
__noinline int remember_prepared(__u32 index, __u32 answers)
{
	const struct statement *kept = statement_of(index, STATEMENT_LAST);
	struct prepared_note *note = bpf_map_lookup_elem(&prepared_notes, &index);
	const struct slot *s = bpf_map_lookup_elem(&slots, &index);
	struct prepared_key key;

	if (!kept || !note || !s)
		return 0;
	key = key_of(index, kept, note);
	if (bpf_map_update_elem(&prepared, &key, kept, BPF_ANY)) {
		count(COUNT_STATEMENT_LOST);
		forget_prepared(index);
	}
	note->until = s->queries + answers;
	return 0;
}

/* Any name of the connection may by now be that of another text.  Always 0. */
__noinline int forget_prepared(__u32 index)
{
	struct statement *kept = statement_of(index, STATEMENT_LAST);
	struct prepared_note *note = bpf_map_lookup_elem(&prepared_notes, &index);

	if (note)
		note->epoch++;
	if (kept && kept->name)
		kept->name = NO_NAME_NOW;
	return 0;
}

/*
 * An error came, `queries` answers were heard before it: was it a preparation that
 * failed?  Then its name has no text, or that of an earlier one.  Always 0.
 */
__noinline int doubt_prepared(__u32 index, __u32 queries)
{
	const struct prepared_note *note = bpf_map_lookup_elem(&prepared_notes, &index);

	if (note && (__s32)(note->until - queries) > 0)
		forget_prepared(index);
	return 0;
}

/*
 * Only its name was sent: that it is used keeps its text from being dropped.  Not inline: what
 * calls each other may have 512 bytes of stack, all frames together (before 6.12).
 */
static __noinline void use_prepared(__u32 index, const struct statement *kept)
{
	const struct prepared_note *note = bpf_map_lookup_elem(&prepared_notes, &index);
	struct prepared_key key;

	if (!note)
		return;
	key = key_of(index, kept, note);
	if (!bpf_map_lookup_elem(&prepared, &key))
		count(COUNT_PREPARED_LOST);
}

/* The first `n` bytes at `from` are what there is of a text of `size`. */
static __always_inline void copy_text(struct statement *kept, const void *from, __u32 n,
				      __u32 size)
{
	kept->copied = 0;
	kept->size = size;
	if (n > size)
		n = size;
	barrier_var(n);
	if (n > STATEMENT_MAX || bpf_probe_read_kernel(kept->bytes, n, from))
		n = 0;
	kept->copied = n;
}

/* Another statement: of the one kept before nothing stays. */
static __always_inline void begin_another(struct statement *kept, __u64 name, bool call)
{
	kept->name = name;
	kept->call = call;
	kept->several = 0;
}

static __always_inline void make_own(struct statement *kept, __u32 gen)
{
	if (kept->gen != gen)
		kept->name = kept->copied = kept->call = kept->several = 0;
	kept->gen = gen;
}

/*
 * PostgreSQL: keeps the statement of the message that begins at TCP sequence `seq`,
 * whose first `n` bytes are in the buffer already (0: they have to be read).  Returns
 * 1 when it could.
 */
__noinline int keep_statement(__u64 address, __u32 index, __u32 gen, __u32 seq, __u32 n)
{
	__u32 zero = 0, at, size;
	struct buffer *b = bpf_map_lookup_elem(&buffers, &zero);
	struct statement *kept = room_of(index);
	__u64 name;

	if (!n)
		n = read_sent(address, seq, cfg_statement_bytes);
	if (!kept)
		count(COUNT_STATEMENT_LOST);
	if (!b || !kept || n < 7)
		return 0;
	make_own(kept, gen);
	if (!is_another(b, kept, &at, &name))
		return 1;
	size = bpf_ntohl(*(__u32 *)(b->bytes + 1)) + 1;
	begin_another(kept, name, b->bytes[0] == 'F');
	copy_text(kept, b->bytes + (at & (BUFFER - 1)), n > at ? n - at : 0,
		  at && size > at ? size - at - 1 : 0);
	if (b->bytes[0] == 'B')
		use_prepared(index, kept);
	return 1;
}

/*
 * PostgreSQL: keeps a plain query of `size` bytes, of which the first `n` are to be had at
 * an address in the kernel; it begins with `word`.  Returns 1 when it could.
 */
__noinline int keep_query(__u32 index, __u64 place, __u32 n, __u32 size, __u32 word)
{
	const struct slot *s = bpf_map_lookup_elem(&slots, &index);
	struct statement *kept = room_of(index);

	if (!kept)
		count(COUNT_STATEMENT_LOST);
	if (!kept || !s)
		return 0;
	make_own(kept, s->gen);
	if (kept->copied && is_end(word | 0x20202020))
		return 1;
	begin_another(kept, 0, false);
	copy_text(kept, (const void *)place, n, size);
	return 1;
}

/*
 * Keeps the `size` bytes of a statement that begin at TCP sequence `seq`, and what
 * it is called where it was prepared.  Without a text (0): the one called `name` is
 * run again.  Returns 1 when it could.
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
		return 1;
	n = size ? read_sent(address, seq, cfg_statement_bytes) : 0;
	begin_another(kept, name, false);
	copy_text(kept, b->bytes, n, size);
	if (!size)
		use_prepared(index, kept);
	return 1;
}

/*
 * The text goes before the number of its bytes, and that is 0 meanwhile: who reads a
 * record twice and finds the same has one text and not parts of two.
 */
static __always_inline void copy_statement(struct statement *to, const struct statement *from)
{
	__u32 n = from->copied;

	to->copied = 0;
	to->gen = from->gen;
	to->size = from->size;
	to->call = from->call;
	to->name = from->name;
	barrier_var(n);
	if (n <= STATEMENT_MAX && !bpf_probe_read_kernel(to->bytes, n, from->bytes))
		to->copied = n;
}

/*
 * The statement under way turned out to open a transaction.  Where others came before it
 * in the same flight, which one did is not known.  Always 0.
 */
__noinline int statement_opened(__u32 index)
{
	const struct statement *kept = statement_of(index, STATEMENT_LAST);
	struct statement *first = statement_of(index, STATEMENT_OPENING);
	__u32 opening = index * 2 + STATEMENT_OPENING;

	if (!kept)
		return 0;
	if (kept->several && first)
		first->gen = 0;
	else if (!kept->several && first)
		copy_statement(first, kept);
	else if (!kept->several && bpf_map_update_elem(&statements, &opening, kept, BPF_ANY))
		count(COUNT_STATEMENT_LOST);
	return 0;
}

/* Makes room for a statement that comes from elsewhere.  Always 0. */
__noinline int statement_room(__u32 index)
{
	room_of(index);
	return 0;
}
