/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MySQL: what the server answers.
 *
 * A machine that takes an answer byte by byte, so that a packet may be cut
 * anywhere; all it has to remember from one segment to the next is in
 * mysql_notes.  It looks at a packet's header and first byte, in one go where
 * they lie together, at the few further bytes that mean something, and passes
 * over the rest.  It says "T" or "I" only by the status flags of an OK or EOF
 * packet, at the place where the answer to this command has one.
 */
#ifndef PLIMSOLL_MYSQL_ANSWER_BPF_H
#define PLIMSOLL_MYSQL_ANSWER_BPF_H

#include "mysql_walk.bpf.h"

#define STATUS_IN_TRANS		 0x0001
#define STATUS_AUTOCOMMIT	 0x0002
#define STATUS_MORE_RESULTS	 0x0008
#define STATUS_CURSOR_EXISTS	 0x0040
#define STATUS_IN_TRANS_READONLY 0x2000

/* The first command of the queue has its whole answer. */
static __always_inline void mysql_answered(struct mysql_walk *w)
{
	w->asked -= RUN_ONE;
	if (!RUN_COUNT(w->asked))
		w->asked >>= RUN_BITS;
	w->answered++;
	w->part = w->asked ? PART_FIRST : PART_NONE;
	w->caps &= ~CAP_MULTI;
	w->columns = 0;
}

static __always_inline void mysql_hear_status(struct mysql_walk *w, __u32 flags)
{
	__u8 kind = RUN_KIND(w->asked);

	mysql_pass_rest(w);
	w->unsaid |= w->status == 'I' && !(w->caps & CAP_MANUAL) && kind == ANSWER_RESULT;
	w->status = flags & (STATUS_IN_TRANS | STATUS_IN_TRANS_READONLY) ? 'T' : 'I';
	w->caps = flags & STATUS_AUTOCOMMIT ? w->caps & ~CAP_MANUAL : w->caps | CAP_MANUAL;
	if (w->part == PART_BORDER && !(flags & STATUS_CURSOR_EXISTS)) {
		w->part = PART_ROWS;
	} else if (flags & STATUS_MORE_RESULTS && w->part != PART_BORDER &&
		   (kind == ANSWER_RESULT || kind == ANSWER_DOUBTFUL)) {
		w->part = PART_FIRST;
		w->caps |= CAP_MULTI;
	} else {
		w->let_in |= kind == ANSWER_LOGIN;
		mysql_answered(w);
	}
}

/* Whether the error says that the server ended the transaction, or may have. */
static __always_inline bool mysql_rolls_back(__u32 code)
{
	switch (code) {
	case 1020:	/* record has changed: MariaDB with snapshot isolation */
	case 1180:	/* error during COMMIT */
	case 1181:	/* error during ROLLBACK */
	case 1205:	/* lock wait timeout: a setting says */
	case 1206:	/* lock table full */
	case 1213:	/* deadlock */
	case 1402:	/* XA: rolled back */
	case 1613:	/* XA: the same by a timeout */
	case 1614:	/* XA: the same by a deadlock */
	case 3101:	/* rolled back by group replication */
		return true;
	default:
		return false;
	}
}

#define PROGRESS 0xffff	/* MariaDB: no error, how far a statement has come */

/* An error has no status flags: the state stays, where it is sure to. */
static __always_inline void mysql_hear_error(struct mysql_walk *w, __u32 code)
{
	__u8 kind = RUN_KIND(w->asked);

	mysql_pass_rest(w);
	if (code == PROGRESS)
		return;
	w->failed = 1;
	if (kind == ANSWER_DOUBTFUL || kind == ANSWER_LOGIN || w->caps & CAP_MULTI ||
	    mysql_rolls_back(code) || (w->status == 'I' && w->caps & CAP_MANUAL))
		w->status = 0;
	mysql_answered(w);
}

static __always_inline void mysql_hear_columns(struct mysql_walk *w, __u8 follow)
{
	w->bad |= !w->columns;
	w->part = follow ? PART_COLUMNS : PART_BORDER;
	mysql_pass_rest(w);
}

/* The number of columns is known.  One byte more was agreed on where we were not there. */
static __always_inline void mysql_counted(struct mysql_walk *w)
{
	if (w->left == 1 && !(w->caps & CAP_META_FIRST))
		w->caps |= CAP_META_LAST;
	if (w->caps & CAP_META_LAST) {
		w->step = STEP_META;
		return;
	}
	w->bad |= w->left != 0;
	mysql_hear_columns(w, w->caps & CAP_META_FIRST ? w->half : 1);
}

static __always_inline void mysql_hear_count(struct mysql_walk *w, __u8 c)
{
	if (c == 0xfc) {
		w->step = STEP_COUNT_LOW;
		return;
	}
	w->bad |= c > 0xfa;
	w->columns = c;
	mysql_counted(w);
}

/*
 * The first byte of a packet that is a row, or ends the rows.  An EOF packet has 5
 * bytes, an OK packet in its place at least 7, and a row that begins like them
 * holds 16 MB: so each says itself what it is.
 */
static __always_inline void mysql_hear_row(struct mysql_walk *w, __u8 c, __u32 length)
{
	if (c == 0xff)
		w->step = STEP_ERROR;
	else if (c != 0xfe || length == PACKET_MAX)
		mysql_pass_rest(w);
	else if (length == 5)
		mysql_pass(w, 2, STEP_STATUS);
	else if (length >= 7)
		w->step = STEP_AFFECTED;
	else
		w->bad = 1;
}

static __always_inline void mysql_hear_result(struct mysql_walk *w, __u8 c, __u32 length)
{
	if (c == 0xfe || c == 0xff) {
		mysql_hear_row(w, c, length);
	} else if (c == 0 && length >= 7) {
		w->step = STEP_AFFECTED;
	} else if (c == 0xfb) {
		w->part = PART_FILE;
		mysql_pass_rest(w);
	} else if (w->caps & CAP_META_FIRST) {
		w->bad |= c > 1;
		w->half = c;
		w->step = STEP_COUNT;
	} else {
		mysql_hear_count(w, c);
	}
}

/* The first byte of an answer's first packet. */
static __always_inline void mysql_hear_first(struct mysql_walk *w, __u8 c, __u32 length)
{
	__u8 kind = RUN_KIND(w->asked);

	if (c == 0xff) {
		w->step = STEP_ERROR;
	} else if (kind == ANSWER_RESULT || kind == ANSWER_DOUBTFUL) {
		mysql_hear_result(w, c, length);
	} else if (kind == ANSWER_PREPARED) {
		w->bad |= c != 0;
		mysql_pass(w, 4, STEP_FIELDS);
	} else if (kind == ANSWER_ROWS) {
		w->part = PART_ROWS;
		mysql_hear_row(w, c, length);
	} else if (kind == ANSWER_LOGIN && c == 0 && length >= 7) {
		w->step = STEP_AFFECTED;
	} else {
		mysql_pass_rest(w);
		if (kind == ANSWER_TEXT || (kind == ANSWER_STREAM && c == 0xfe && length < 9))
			mysql_answered(w);
	}
}

/*
 * Behind the definitions: an EOF packet, or without one the first row.  Which it is
 * tells what the two sides agreed on, if we were not there.
 */
static __always_inline void mysql_hear_border(struct mysql_walk *w, __u8 c, __u32 length)
{
	if (c == 0xfe && length == 5) {
		w->caps = (w->caps | CAP_EOF_KNOWN) & ~CAP_NO_EOF;
		mysql_pass(w, 2, STEP_STATUS);
		return;
	}
	if (c != 0xff)
		w->caps |= CAP_EOF_KNOWN | CAP_NO_EOF;
	w->part = PART_ROWS;
	mysql_hear_row(w, c, length);
}

/* The first byte of a packet's body. */
static __always_inline void mysql_hear_body(struct mysql_walk *w, __u8 c)
{
	__u32 length = w->left + 1;

	switch (w->part) {
	case PART_FIRST:
		mysql_hear_first(w, c, length);
		break;
	case PART_COLUMNS:
		if (c == 0xff) {
			w->step = STEP_ERROR;
			break;
		}
		w->columns--;
		if (!w->columns)
			w->part = PART_BORDER;
		mysql_pass_rest(w);
		break;
	case PART_BORDER:
		mysql_hear_border(w, c, length);
		break;
	case PART_ROWS:
		mysql_hear_row(w, c, length);
		break;
	case PART_DEFINITIONS:
		w->columns--;
		mysql_pass_rest(w);
		if (!w->columns)
			mysql_answered(w);
		break;
	case PART_FILE:
		w->bad |= c != 0 && c != 0xff;
		w->part = PART_FIRST;
		mysql_hear_first(w, c, length);
		break;
	case PART_GREETING:
		w->step = STEP_VERSION;
		w->refused = c == 0xff;
		w->bad |= c != VERSION && c != 0xff;
		if (w->refused)
			mysql_pass_rest(w);
		break;
	default:
		w->bad = 1;	/* nobody asked */
	}
}

/* A header was read, `number` is its fourth byte; the body follows. */
static __always_inline void mysql_begin_packet(struct mysql_walk *w, __u32 length, __u8 number)
{
	bool goes_on = w->caps & CAP_FULL;

	w->caps = length == PACKET_MAX ? w->caps | CAP_FULL : w->caps & ~CAP_FULL;
	w->bad |= w->part == PART_GREETING && (number || length < 3 || length > GREETING_MAX);
	w->bad |= w->afresh && number != 1;
	w->afresh = 0;
	w->left = length;
	w->step = STEP_FIRST;
	if (goes_on || !length)
		mysql_pass_rest(w);
}

static __always_inline void mysql_hear_header(struct mysql_walk *w, __u8 c)
{
	switch (w->step) {
	case STEP_LENGTH:
		w->left = c;
		w->step = STEP_LENGTH_2;
		break;
	case STEP_LENGTH_2:
		w->left |= (__u32)c << 8;
		w->step = STEP_LENGTH_3;
		break;
	case STEP_LENGTH_3:
		w->left |= (__u32)c << 16;
		w->step = STEP_NUMBER;
		break;
	default:
		mysql_begin_packet(w, w->left, c);
	}
}

/* How many packets of definitions follow, in all, and whether they do. */
static __always_inline void mysql_prepared(struct mysql_walk *w, __u8 follow)
{
	mysql_pass_rest(w);
	if (w->columns && follow) {
		w->bad |= !(w->caps & CAP_EOF_KNOWN);
		w->part = PART_DEFINITIONS;
	} else {
		mysql_answered(w);
	}
}

static __always_inline void mysql_hear_params(struct mysql_walk *w, __u32 params)
{
	__u32 all = w->columns + params;

	if (!(w->caps & CAP_NO_EOF))
		all += (w->columns > 0) + (params > 0);
	w->bad |= all > 0xffff;
	w->columns = all;
	if (w->caps & CAP_META_FIRST && w->left >= 4)
		mysql_pass(w, 3, STEP_PREPARED_META);
	else
		mysql_prepared(w, 1);
}

/* Bytes of a number that begins with `c`. */
static __always_inline __u8 mysql_number_size(__u8 c)
{
	return c < 0xfb ? 0 : c == 0xfc ? 2 : c == 0xfd ? 3 : 8;
}

static __always_inline void mysql_hear_greeting(struct mysql_walk *w, __u8 c)
{
	switch (w->step) {
	case STEP_VERSION:
		w->bad |= c && (c < ' ' || c > '~');
		w->step = c ? STEP_VERSION : STEP_THREAD;
		w->half = 0;
		break;
	case STEP_THREAD:
		w->thread = w->thread >> 8 | (__u32)c << 24;
		w->half++;
		if (w->half == 4)
			mysql_pass(w, 8 + 1, STEP_OFFER);	/* half of the challenge */
		break;
	case STEP_OFFER:
		w->half = c & 1;	/* not MariaDB */
		if (c & 0x20)
			w->caps |= CAP_COMPRESS;
		mysql_pass(w, 1 + 1 + 2 + 1, STEP_OFFER_4);	/* more of them, charset, status */
		break;
	case STEP_OFFER_4:
		if (c & 1)
			w->caps |= CAP_NO_EOF;
		if (c & 2)
			w->caps |= CAP_META_FIRST;
		if (c & 4)
			w->caps |= CAP_COMPRESS;
		mysql_pass(w, 1 + 6, STEP_OFFER_5);	/* the challenge's length, nothing */
		break;
	default:
		if (!w->half && c & 0x10)
			w->caps |= CAP_META_LAST;
		w->greeted = 1;
		mysql_pass_rest(w);
	}
}

/* A byte of a packet's body behind the first. */
static __always_inline void mysql_hear_byte(struct mysql_walk *w, __u8 c)
{
	switch (w->step) {
	case STEP_FIRST:
		mysql_hear_body(w, c);
		break;
	case STEP_AFFECTED:
		mysql_pass(w, mysql_number_size(c), STEP_INSERTED);
		break;
	case STEP_INSERTED:
		mysql_pass(w, mysql_number_size(c), STEP_STATUS);
		break;
	case STEP_STATUS:
	case STEP_ERROR:
	case STEP_FIELDS:
	case STEP_PARAMS:
		w->half = c;
		w->step++;
		break;
	case STEP_STATUS_2:
		mysql_hear_status(w, w->half | (__u32)c << 8);
		break;
	case STEP_ERROR_2:
		mysql_hear_error(w, w->half | (__u32)c << 8);
		break;
	case STEP_COUNT:
		mysql_hear_count(w, c);
		break;
	case STEP_COUNT_LOW:
		w->columns = c;
		w->step = STEP_COUNT_HIGH;
		break;
	case STEP_COUNT_HIGH:
		w->columns |= (__u16)c << 8;
		mysql_counted(w);
		break;
	case STEP_META:
		mysql_hear_columns(w, c);
		break;
	case STEP_FIELDS_2:
		w->columns = w->half | (__u16)c << 8;
		w->step = STEP_PARAMS;
		break;
	case STEP_PARAMS_2:
		mysql_hear_params(w, w->half | (__u32)c << 8);
		break;
	case STEP_PREPARED_META:
		mysql_prepared(w, c);
		break;
	default:
		mysql_hear_greeting(w, c);
	}
}

/*
 * The end of most answers, taken in one go: an OK or EOF packet whose flags are at
 * hand, at the place where they usually are.  `p` is at its first byte, `n` bytes are
 * there.
 */
static __always_inline bool mysql_hear_end(struct mysql_walk *w, const __u8 *p, __u32 n)
{
	bool eof = p[0] == 0xfe && w->left == 5;
	bool ok = w->left >= 7 && !(p[1] > 0xfa) && !(p[2] > 0xfa) &&
		  (p[0] == 0 ? w->part == PART_FIRST : p[0] == 0xfe && w->left != PACKET_MAX);
	__u8 kind = RUN_KIND(w->asked);

	if (n < 5 || !(ok || eof) || w->part == PART_BORDER ||
	    (w->part != PART_ROWS && (w->part != PART_FIRST || (kind != ANSWER_RESULT &&
								kind != ANSWER_DOUBTFUL))))
		return false;
	mysql_hear_status(w, p[3] | (__u32)p[4] << 8);
	return true;
}

/* One step: a packet's header with its first byte, or one byte.  Returns 1 to stop. */
static long mysql_answer_step(__u64 i, struct answer *a)
{
	struct mysql_walk *w = mysql_walk();
	struct buffer *b = own_buffer();
	const __u8 *p;
	__u32 n;

	if (!w || !b || w->bad || w->at.off >= w->at.end)
		return 1;
	if (w->skip) {
		mysql_skip(w);
		return 0;
	}
	if (!at_hand(&w->at, HEADER_AND_FIRST) && !mysql_read_chunk(w, b, a)) {
		count(COUNT_RX_UNREADABLE);
		w->bad = 1;
		return 1;
	}
	p = message(&w->at, b, &n);
	if (!p || (w->step > STEP_FIRST && !w->left)) {
		w->bad = 1;	/* the packet ended too early */
		return 1;
	}
	if (w->step == STEP_LENGTH && n >= HEADER_AND_FIRST) {
		w->at.off += 4;
		mysql_begin_packet(w, le32(p) & 0xffffff, p[3]);
		if (w->part == PART_FIRST && RUN_KIND(w->asked) == ANSWER_PREPARED && n >= 9 && !p[4])
			w->prepared = le32(p + 5);
		p += 4;
		if (w->step == STEP_FIRST && mysql_hear_end(w, p, n - 4))
			return 0;
	} else if (w->step < STEP_FIRST) {
		w->at.off++;
		mysql_hear_header(w, p[0]);
		return 0;
	}
	if (w->step >= STEP_FIRST) {
		w->at.off++;
		w->left--;
		mysql_hear_byte(w, p[0]);
	}
	return 0;
}

/* Walks the new bytes of the segment.  NULL: not the protocol's, or not readable. */
static __always_inline struct mysql_walk *mysql_walk_answer(struct sock *sk,
							    struct sk_buff *skb,
							    const struct segment *g)
{
	struct answer a = {};
	struct mysql_walk *w = mysql_walk();

	if (!w || !answer_open(&a, sk, skb, g)) {
		count(COUNT_RX_UNREADABLE);
		return NULL;
	}
	w->at.end = g->len;
	bpf_loop(g->len + 1, mysql_answer_step, &a, 0);
	return w->bad ? NULL : w;
}

#endif
