/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of statements, kept inside transactions, where requests are read anyway to
 * be counted; outside of them where a stack was taken, too; and of what is prepared
 * under a name, wherever that is.  What is sent beside the text - values that are bound,
 * passwords - is not copied.
 */
#ifndef PLIMSOLL_STATEMENT_BPF_H
#define PLIMSOLL_STATEMENT_BPF_H

#include "sent.bpf.h"

/*
 * The low slots', which are taken first, lie in an array: looking into the hash takes some
 * 100 ns while its caches are cold, and inside a transaction that is once a statement.
 */
struct near_statements_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * NEAR_SLOTS);
	__type(key, __u32);
	__type(value, struct statement);
};

struct statements_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * SLOTS_DEFAULT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct statement);
};

/* Preparations are rare, and of old ones the text is said to be unknown. */
struct prepared_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PREPARED_MAX);
	__type(key, struct prepared_key);
	__type(value, struct statement);
};

struct prepared_notes_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS_DEFAULT);
	__type(key, __u32);
	__type(value, struct prepared_note);
};

struct marks_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS_DEFAULT);
	__type(key, __u32);
	__type(value, struct mark);
};

extern struct near_statements_map near_statements SEC(".maps");
extern struct statements_map statements SEC(".maps");
extern struct marks_map marks SEC(".maps");
extern struct prepared_map prepared SEC(".maps");
extern struct prepared_notes_map prepared_notes SEC(".maps");

extern const volatile __u32 cfg_statement_bytes;	/* at least 256 */

int keep_statement(__u64 address, __u32 index, __u32 gen, __u32 seq, __u32 n);
int keep_query(__u32 index, __u64 place, __u32 n, __u32 size, __u32 word);
int statement_room(__u32 index);
int statement_opened(__u32 index);
int keep_text(__u64 address, __u32 index, __u32 seq, __u32 size, __u32 name);
int remember_prepared(__u32 index, __u32 answers);
int forget_prepared(__u32 index);
int doubt_prepared(__u32 index, __u32 queries);
__u64 hash_name(__u32 at);
__u32 end_of_name(__u32 at);

#define UNNAMED	     0xcbf29ce484222325ULL	/* what the empty name hashes to */
#define NO_NAME_NOW  (~0ULL)	/* it had one, which may mean another by now */
#define NAME_TO_COME (~0U)	/* MySQL: the answer to its preparation brings it */

/* Whether the requests that were just acknowledged are to be read for their text. */
static __always_inline bool is_text_wanted(__u32 index)
{
	const struct mark *m;

	if (cfg_evidence == TIER_OFF)
		return false;
	m = bpf_map_lookup_elem(&marks, &index);
	return m && m->wanted;
}

static __always_inline struct statement *statement_of(__u32 index, enum statement_which which)
{
	__u32 key = index * 2 + which;
	struct statement *kept;

	if (index >= NEAR_SLOTS)
		return bpf_map_lookup_elem(&statements, &key);
	kept = bpf_map_lookup_elem(&near_statements, &key);
	barrier_var(kept);	/* two calls: of one, the map would not be known */
	return kept;
}

#define WORD(a, b, c, d) ((a) | (b) << 8 | (c) << 16 | (d) << 24)

/* COMMIT and ROLLBACK, by their first letters made small: they tell less than what they end. */
static __always_inline bool is_end(__u32 word)
{
	return word == WORD('c', 'o', 'm', 'm') || word == WORD('r', 'o', 'l', 'l');
}

enum texts { TEXTS_NONE, TEXTS_KEPT, TEXTS_LOST };

/*
 * All requests from TCP sequence `from` up to `upto` were read; `found` says whether
 * another statement was among them, and could be kept.
 */
static __always_inline void note_texts(__u32 index, __u32 from, __u32 upto, enum texts found)
{
	struct mark *m = bpf_map_lookup_elem(&marks, &index);

	if (!m)
		return;
	m->wanted = 0;
	if (found == TEXTS_LOST)
		m->upto = upto - 1;	/* another request's end: never asked for */
	else if (found == TEXTS_KEPT || m->upto == from)
		m->upto = upto;
}

/* What was prepared last is called that. */
static __always_inline void statement_named(__u32 index, __u32 name)
{
	struct statement *kept = statement_of(index, STATEMENT_LAST);

	if (kept && kept->name == NAME_TO_COME) {
		kept->name = name;
		remember_prepared(index, 0);
	}
}

/* The one under way was not kept, and what was is another. */
static __always_inline void statement_unsaid(__u32 index)
{
	struct statement *kept = statement_of(index, STATEMENT_LAST);

	if (kept)
		kept->name = kept->copied = kept->size = kept->call = 0;
}

/* Others came before the last in the same flight: which one opened a transaction is not known. */
static __always_inline void statement_of_several(__u32 index)
{
	struct statement *kept = statement_of(index, STATEMENT_LAST);

	if (kept)
		kept->several = 1;
}

#endif
