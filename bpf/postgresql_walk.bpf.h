/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PostgreSQL: a way through its messages, and what is learnt on it. */
#ifndef PLIMSOLL_POSTGRESQL_WALK_BPF_H
#define PLIMSOLL_POSTGRESQL_WALK_BPF_H

#include "wire.bpf.h"

#define MESSAGE_MAX 0x40000000	/* PostgreSQL's own limit on a message */
#define HEADER	    5		/* type and length */

/* One bit for each message type, '@'..DEL in `letters`, below in `digits`. */
#define BIT(c)	   (1ULL << ((c) & 63))
#define LETTERS_RX (BIT('A') | BIT('C') | BIT('D') | BIT('E') | BIT('G') | BIT('H') | BIT('I') |   \
		    BIT('K') | BIT('N') | BIT('R') | BIT('S') | BIT('T') | BIT('V') | BIT('W') |   \
		    BIT('Z') | BIT('c') | BIT('d') | BIT('n') | BIT('s') | BIT('t') | BIT('v'))
#define DIGITS_RX  (BIT('1') | BIT('2') | BIT('3'))
#define LETTERS_TX (BIT('B') | BIT('C') | BIT('D') | BIT('E') | BIT('F') | BIT('H') | BIT('P') |   \
		    BIT('Q') | BIT('S') | BIT('X') | BIT('c') | BIT('d') | BIT('f'))

/*
 * A walk over the messages of one segment's answer, or of one acknowledgement's
 * requests.  Offsets count from the first byte walked; where the last segment cut
 * a header, what was kept of it comes first.
 */
struct walk {
	struct reach at;
	__u32 marks;		/* ReadyForQuery seen, or requests that ask for one */
	__u32 backend_pid;
	__u32 first;		/* bytes that were read at the very beginning */
	__u32 said;		/* 1 more than where the last statement is; 0: none, or kept */
	__u64 name;		/* it was prepared under, hashed; 0 none */
	__u32 statements;	/* how many there are */
	__u8 head[4] __attribute__((aligned(4)));	/* of a message cut by the end: its length, */
	__u8 type;		/* its type */
	__u8 have;		/* and how many bytes of its header were there */
	__u8 kept;		/* the same of the segment before */
	__u8 status;		/* of the last mark */
	__u8 answer;		/* something of an answer came after the last mark */
	__u8 copy;		/* the server awaits COPY data */
	__u8 sync;		/* the last request counted was a Sync */
	__u8 listens;		/* LISTEN is among what was done */
	__u8 parsed;		/* preparations that succeeded, up to 2 */
	__u8 failed;		/* an error is among the answers */
	__u8 renamed;		/* PREPARE, as a statement, gave a name to what we do not know */
	__u8 texts;		/* enum texts, of what was kept at once */
	__u8 bad;		/* not the protocol's bytes, or not readable */
};

/*
 * One walk of answers and one of requests may be under way.  They live in a map
 * and not on the stack because the verifier then takes their contents as unknown
 * instead of following each combination of flags through the rest of the program.
 */
enum { WALK_ANSWERS, WALK_REQUESTS, WALK_MAX };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALK_MAX);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

static __always_inline struct walk *walk_of(__u32 which)
{
	return bpf_map_lookup_elem(&walks, &which);
}

static __always_inline struct walk *walk_begin(__u32 which)
{
	struct walk *w = walk_of(which);

	if (w)
		__builtin_memset(w, 0, sizeof(*w));
	return w;
}

static __always_inline bool known(__u8 type, __u64 letters, __u64 digits)
{
	if (type & 0x80)
		return false;
	return (type & 0x40 ? letters : digits) & BIT(type);
}

static __always_inline __u32 be32(const __u8 *p)
{
	return bpf_ntohl(*(const __u32 *)p);
}

#endif
