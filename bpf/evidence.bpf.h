/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who sent the statement: evidence, for when a leak has to be explained.
 *
 * One hook, tp_btf/sock_send_length (6.3): at the end of every send, in the
 * sender's own context.  Attached only when the configuration asks for evidence;
 * it costs every message of the host about 60 ns, one outside a transaction up to
 * 100 ns more, and one whose stack is taken about 400.  The stack is copied, not
 * walked: libraries are built without frame pointers, and user space unwinds it by
 * their tables.
 */
#ifndef PLIMSOLL_EVIDENCE_BPF_H
#define PLIMSOLL_EVIDENCE_BPF_H

#include "received.bpf.h"
#include "slot.bpf.h"
#include "snapshot.bpf.h"
#include "statement.bpf.h"
#ifdef OF_THE_CALLER
#include "unix/tail.bpf.h"
#endif

#define WORD_AT 5	/* both protocols have the text there, but PostgreSQL's Parse a name first */

/* The first bytes of what was just sent, into the buffer. */
static __always_inline bool read_opening(struct sock *sk, struct buffer *b, __u32 sent)
{
#ifdef OF_THE_CALLER
	if (sk->__sk_common.skc_family != AF_UNIX && read_tail(sk, b, sent))
		return true;
	message_bytes_find(0, sent, 1);
	return message_bytes_copy(0, 0, OPENING) >= OPENING - 2;
#else
	return sk->__sk_common.skc_family != AF_UNIX &&
	       read_last(address_of(sk), sent, OPENING) >= OPENING - 2;
#endif
}

/* BEGIN or START TRANSACTION, in any case, or a comment that may hide one. */
static __always_inline bool opens(struct sock *sk, __u32 sent)
{
	struct buffer *b = own_buffer();
	__u32 word;

	if (!b || !read_opening(sk, b, sent))
		return true;	/* not to be read: rather one too many */
	word = *(__u32 *)(b->bytes + WORD_AT);
	if (b->bytes[0] == 'P' && b->bytes[WORD_AT] == 0)
		word = *(__u32 *)(b->bytes + WORD_AT + 1);
	if ((__u8)word == '/')
		return true;
	word |= 0x20202020;
	return word == 0x69676562 /* begi */ || word == 0x72617473 /* star */;
}

/* Where MySQL's autocommit is off, no word says it. */
static __always_inline bool is_manual(const struct slot *s)
{
	return s->protocol == WIRE_MYSQL && s->my.caps & MYSQL_MANUAL;
}

#define WINDOW_SHIFT 29	/* half a second, in nanoseconds */
#define A_WINDOW     32

/*
 * Whoever asks now and then is looked at each time, since nobody knows yet that the
 * connection will not be given back; who asks without a pause hardly ever.
 */
static __always_inline bool is_rare(struct mark *m)
{
	__u16 window = coarse_ns() >> WINDOW_SHIFT;

	if (m->window != window) {
		m->window = window;
		m->taken = 0;
	}
	if (m->taken == A_WINDOW)
		return false;
	m->taken++;
	return true;
}

static __always_inline bool is_in_transaction(const struct slot *s)
{
	return s->status == 'T' || s->status == 'E';
}

/* What may open a transaction is; of the rest what is rare. */
static __always_inline bool is_wanted(struct sock *sk, const struct slot *s, struct mark *m,
				      __u32 sent)
{
	if (s->status != 'I' && cfg_evidence != TIER_ALL)
		return false;
	if (cfg_evidence != TIER_ALL && !is_rare(m))
		return is_manual(s) || opens(sk, sent);
	m->wanted = 1;
	return true;
}

/* `sent` bytes went out on the socket, in the sender's own context. */
static __always_inline void note_sender(struct sock *sk, __u32 sent)
{
	__u32 index;
	struct slot *s = slot_of(sk, false, &index);
	struct mark *m = s ? bpf_map_lookup_elem(&marks, &index) : NULL;

	if (!m || s->phase != PHASE_READY || (is_in_transaction(s) && cfg_evidence != TIER_ALL))
		return;
	m->sent_last = is_wanted(sk, s, m, sent);
	if (m->sent_last)
		m->sender = take_snapshot(&snapshots, index, s->gen, COUNT_SNAPSHOT_LOST);
}

#endif
