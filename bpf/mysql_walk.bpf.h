/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MySQL: a way through the packets of an answer, byte by byte, and what is kept of it. */
#ifndef PLIMSOLL_MYSQL_WALK_BPF_H
#define PLIMSOLL_MYSQL_WALK_BPF_H

#include "mysql_request.bpf.h"

/* mysql_notes.step: what the next byte is. */
enum step {
	STEP_LENGTH, STEP_LENGTH_2, STEP_LENGTH_3, STEP_NUMBER,	/* of the header */
	STEP_FIRST,				/* of the body */
	STEP_AFFECTED, STEP_INSERTED,		/* OK: two numbers, */
	STEP_STATUS, STEP_STATUS_2,		/* status flags; EOF has these too */
	STEP_ERROR, STEP_ERROR_2,
	STEP_COUNT, STEP_COUNT_LOW, STEP_COUNT_HIGH, STEP_META,	/* how many columns */
	STEP_FIELDS, STEP_FIELDS_2, STEP_PARAMS, STEP_PARAMS_2, STEP_PREPARED_META,
	STEP_VERSION,				/* the greeting: a text, */
	STEP_THREAD,				/* the thread's number, */
	STEP_OFFER, STEP_OFFER_4, STEP_OFFER_5,	/* bytes of the capabilities */
	STEP_MAX
};

#define STEP_BITS 5
#define STEP_MASK 0x1f
_Static_assert(STEP_MAX <= STEP_MASK + 1, "a step fits its bits");

#define HEADER_AND_FIRST 5
#define PACKET_MAX 0xffffff
#define VERSION	   10		/* of the protocol, the first byte of a greeting */
#define GREETING_MAX 1024

struct mysql_walk {
	struct reach at;
	__u32 left;		/* of the packet under way; while in its header, its length so far */
	__u32 asked;		/* the queue */
	__u32 thread;
	__u32 answered;
	__u32 prepared;		/* the number of a statement that was prepared */
	__u16 columns;
	__u8 part, step, skip, half, caps, status;
	__u8 unsaid;		/* what opened a transaction is not among the texts that are kept */
	__u8 afresh;		/* the next packet must be an answer's first */
	__u8 let_in, greeted, refused, failed, bad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mysql_walk);
} mysql_answers SEC(".maps");

static __always_inline struct mysql_walk *mysql_walk(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mysql_answers, &zero);
}

/* The packet has nothing more to say. */
static __always_inline void mysql_pass_rest(struct mysql_walk *w)
{
	w->at.off += w->left;
	w->left = 0;
	w->step = STEP_LENGTH;
}

/* Passes over `n` bytes of the packet to what is next of it. */
static __always_inline void mysql_pass(struct mysql_walk *w, __u8 n, __u8 next)
{
	if (n > w->left && w->part == PART_GREETING) {
		w->greeted = 1;	/* an old server's is shorter */
		mysql_pass_rest(w);
		return;
	}
	w->bad |= n > w->left;
	w->skip = n;
	w->step = next;
}

static __always_inline bool mysql_read_chunk(struct mysql_walk *w, struct buffer *b,
					     struct answer *a)
{
	__u32 n = w->at.end - w->at.off;

	if (n > CHUNK)
		n = CHUNK;
	w->at.base = w->at.off;
	w->at.size = n;
	return answer_read(a, b, w->at.off, 0, n);
}

/* Passes over what means nothing. */
static __always_inline void mysql_skip(struct mysql_walk *w)
{
	__u32 n = w->at.end - w->at.off;

	if (n > w->skip)
		n = w->skip;
	w->at.off += n;
	w->left -= n;
	w->skip -= n;
}

/* Takes the notes of the connection up. */
static __always_inline struct mysql_walk *mysql_walk_begin(const struct slot *s)
{
	struct mysql_walk *w = mysql_walk();

	if (!w)
		return NULL;
	__builtin_memset(w, 0, sizeof(*w));
	w->asked = s->asked;
	w->columns = s->my.columns;
	w->part = s->my.part & PART_MASK;
	w->skip = s->my.part >> PART_BITS;
	w->step = s->my.step & STEP_MASK;
	w->half = s->my.half;
	w->caps = s->my.caps;
	w->status = s->status;
	w->thread = s->backend_pid;
	if (w->step == STEP_LENGTH)
		w->at.off = s->rx_left;
	else
		w->left = s->rx_left;
	return w;
}

#endif
