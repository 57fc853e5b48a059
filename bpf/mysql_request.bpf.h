/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MySQL: what the client asks, packet by packet, and what kind of answer follows.
 *
 * A packet is a length (3 bytes, lowest first), a number, a body.  A command is
 * a packet with number 0; others go on with one, or with a login.  Kinds of answer
 * that are still to come are kept in order, as runs of a kind and how many: two
 * runs of up to 255 and one of 127, in one word.  Of the text only the first word is looked at: it
 * tells whether an error can have ended the transaction behind our back.
 */
#ifndef PLIMSOLL_MYSQL_REQUEST_BPF_H
#define PLIMSOLL_MYSQL_REQUEST_BPF_H

#include "wire.bpf.h"

/* mysql_notes.caps: what the two sides agreed on, and what was noticed since. */
#define CAP_NO_EOF	0x01	/* definitions of columns are not ended by an EOF packet */
#define CAP_EOF_KNOWN	0x02	/* CAP_NO_EOF is known */
#define CAP_META_FIRST	0x04	/* MySQL: whether definitions follow is said before their number */
#define CAP_META_LAST	0x08	/* MariaDB: it is said behind it */
#define CAP_MANUAL	MYSQL_MANUAL
#define CAP_DOUBTFUL	0x20	/* a statement that ANSWER_DOUBTFUL is for was prepared */
#define CAP_FULL	0x40	/* the packet under way is as large as can be: the next goes on */
#define CAP_COMPRESS	0x80	/* during the greeting: compression was offered */
#define CAP_MULTI	0x80	/* after: this answer has had results already */

/* mysql_notes.part: its low half. */
enum part {
	PART_NONE,		/* nothing was asked */
	PART_FIRST,		/* the first packet of an answer, or of its next result */
	PART_COLUMNS,		/* definitions of columns */
	PART_BORDER,		/* between them and the rows */
	PART_ROWS,
	PART_DEFINITIONS,	/* of a prepared statement */
	PART_FILE,		/* LOAD DATA LOCAL: the client sends, an empty packet ends it */
	PART_GREETING,
};

#define PART_BITS 4
#define PART_MASK 0x0f

/* What answers look like.  Seven kinds fit. */
enum answer_kind {
	ANSWER_NONE,		/* there is none */
	ANSWER_RESULT,		/* OK, error, rows, a file's name; and again, if more are announced */
	ANSWER_DOUBTFUL,	/* the same; after an error the transaction's state is not known */
	ANSWER_PREPARED,
	ANSWER_ROWS,		/* rows without definitions */
	ANSWER_TEXT,		/* one packet without a mark */
	ANSWER_LOGIN,		/* anything until OK or error */
	ANSWER_STREAM,		/* replication: no end */
	ANSWER_UNKNOWN,
};

#define RUN_BITS	11
#define RUN_MASK	((1U << RUN_BITS) - 1)
#define KIND_BITS	3
#define RUN_ONE		(1U << KIND_BITS)
#define RUN(kind)	((kind) | RUN_ONE)
#define RUN_KIND(q)	((q) & (RUN_ONE - 1))
#define RUN_COUNT(q)	(((q) & RUN_MASK) >> KIND_BITS)
_Static_assert(ANSWER_STREAM == MYSQL_STREAM && RUN_ONE == MYSQL_KIND + 1, "as user space has it");

static __always_inline __u32 le32(const __u8 *p)
{
	return *(const __u32 *)p;
}

static __always_inline bool mysql_enqueue(__u32 *queue, __u32 kind)
{
	for (__u32 shift = 0; shift < 32; shift += RUN_BITS) {
		__u32 run = *queue >> shift & RUN_MASK, rest = *queue >> shift >> RUN_BITS;
		__u32 most = shift + RUN_BITS < 32 ? 255 : 127;

		if (!run) {
			*queue |= RUN(kind) << shift;
			return true;
		}
		if (!rest && RUN_KIND(run) == kind && RUN_COUNT(run) < most) {
			*queue += RUN_ONE << shift;
			return true;
		}
	}
	return false;
}

struct mysql_asked {
	struct reach at;
	__u64 sk;
	__u32 seq;		/* TCP sequence of offset 0 */
	__u32 asked;		/* the queue */
	__u32 head;		/* of a packet's header that was cut by the end */
	__u32 login, length;	/* TCP sequence of a login's body, and its length */
	__u32 index;		/* of the slot */
	__u32 word;		/* the first of the last query */
	__u8 have;		/* bytes in `head` */
	__u8 part, caps;
	__u8 at_work;		/* in a transaction, or any statement opens one, or its text is wanted */
	__u8 texts;		/* enum texts */
	__u8 strict;		/* no packet may go on with one that we did not see */
	__u8 names;		/* `login` was found */
	__u8 uses;		/* another database was asked for */
	__u8 deep;		/* more commands than can be remembered */
	__u8 bad;		/* not the protocol's bytes, or not readable */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mysql_asked);
} mysql_requests SEC(".maps");

#define USE_MAX 256	/* a power of two */

struct mysql_use {
	__u8 command[USE_MAX];	/* ends with 0; empty: not known */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct mysql_use);
} mysql_uses SEC(".maps");

static __always_inline struct mysql_asked *mysql_asked(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mysql_requests, &zero);
}

static __always_inline struct mysql_asked *mysql_asked_begin(void)
{
	struct mysql_asked *w = mysql_asked();

	if (w)
		__builtin_memset(w, 0, sizeof(*w));
	return w;
}

#define LOOK_AT	  48	/* bytes read of a command */
#define BLANKS	  16	/* passed over before its first word */

/*
 * Whether a statement that begins like this leaves the transaction as it was when
 * it fails: it neither ends one first, as CREATE does, nor can begin or end one
 * on its way, as CALL can.  Not to know the word is to doubt.
 */
static __always_inline bool mysql_is_plain(__u32 word)
{
	switch (word) {
	case WORD('s', 'e', 'l', 'e'):
	case WORD('(', 's', 'e', 'l'):
	case WORD('i', 'n', 's', 'e'):
	case WORD('u', 'p', 'd', 'a'):
	case WORD('d', 'e', 'l', 'e'):
	case WORD('r', 'e', 'p', 'l'):
	case WORD('w', 'i', 't', 'h'):
	case WORD('s', 'h', 'o', 'w'):
	case WORD('d', 'e', 's', 'c'):
	case WORD('e', 'x', 'p', 'l'):
	case WORD('s', 'e', 't', ' '):
	case WORD('u', 's', 'e', ' '):
	case WORD('s', 'a', 'v', 'e'):
	case WORD('r', 'e', 'l', 'e'):
	case WORD('r', 'o', 'l', 'l'):
	case WORD('k', 'i', 'l', 'l'):
		return true;
	default:
		return false;
	}
}

/* Whether outside a transaction it may begin one: the others' texts are not kept. */
static __always_inline bool mysql_may_begin(__u32 word)
{
	switch (word) {
	case WORD('b', 'e', 'g', 'i'):
	case WORD('s', 't', 'a', 'r'):
	case WORD('c', 'a', 'l', 'l'):
	case WORD('e', 'x', 'e', 'c'):
		return true;
	default:
		return (word & 0xffff) == (WORD('x', 'a', 0, 0)) ||
		       (word & 0xffff) == (WORD('/', '*', 0, 0));
	}
}

/*
 * The first four letters of a command's text, small ones; 0 when they are not there.
 * `n` bytes of it are at `p`, which has room for more.
 */
static __always_inline __u32 mysql_first_word(const __u8 *p, __u32 n)
{
	__u32 i = 0;

	/* Blanks, and the two bytes 0 and 1 that say "no attributes" before a query. */
	for (__u32 k = 0; k < BLANKS; k++)
		if (i == k && p[k] <= ' ')
			i++;
	if (i + 4 > n)
		return 0;
	return WORD(p[i], p[i + 1], p[i + 2], (__u32)p[i + 3]) | 0x20202020;
}

#define COM_QUERY	 0x03
#define COM_INIT_DB	 0x02
#define COM_CHANGE_USER	 0x11
#define COM_STMT_PREPARE 0x16
#define COM_STMT_EXECUTE 0x17
#define COM_RESET	 0x1f
#define COM_STMT_BULK	 0xfa

/* How the server answers the command at `p`; `n` bytes are there, one at least. */
static __always_inline __u8 mysql_kind(struct mysql_asked *w, const __u8 *p, __u32 n)
{
	switch (p[0]) {
	case 0x01:	/* QUIT */
	case 0x18:	/* STMT_SEND_LONG_DATA */
	case 0x19:	/* STMT_CLOSE */
		return ANSWER_NONE;
	case COM_QUERY:
		w->word = mysql_first_word(p + 1, n - 1);
		return mysql_is_plain(w->word) ? ANSWER_RESULT : ANSWER_DOUBTFUL;
	case COM_STMT_PREPARE:
		if (!mysql_is_plain(mysql_first_word(p + 1, n - 1)))
			w->caps |= CAP_DOUBTFUL;
		return ANSWER_PREPARED;
	case COM_STMT_EXECUTE:
	case COM_STMT_BULK:
		return w->caps & CAP_DOUBTFUL ? ANSWER_DOUBTFUL : ANSWER_RESULT;
	case 0x04:	/* FIELD_LIST */
	case 0x1c:	/* STMT_FETCH */
		return ANSWER_ROWS;
	case 0x09:	/* STATISTICS */
		return ANSWER_TEXT;
	case COM_CHANGE_USER:
		return ANSWER_LOGIN;
	case 0x12:	/* BINLOG_DUMP */
	case 0x13:	/* TABLE_DUMP */
	case 0x1e:	/* BINLOG_DUMP_GTID */
		return ANSWER_STREAM;
	case 0x05:	/* CREATE_DB */
	case 0x06:	/* DROP_DB */
	case 0x07:	/* REFRESH */
	case 0x08:	/* SHUTDOWN */
	case COM_RESET:
		return ANSWER_DOUBTFUL;
	case 0x00:	/* SLEEP and the others that are answered with OK, EOF or an error */
	case COM_INIT_DB:
	case 0x0a:	/* PROCESS_INFO */
	case 0x0b:	/* CONNECT */
	case 0x0c:	/* PROCESS_KILL */
	case 0x0d:	/* DEBUG */
	case 0x0e:	/* PING */
	case 0x0f:	/* TIME */
	case 0x10:	/* DELAYED_INSERT */
	case 0x14:	/* CONNECT_OUT */
	case 0x15:	/* REGISTER_SLAVE */
	case 0x1a:	/* STMT_RESET */
	case 0x1b:	/* SET_OPTION */
	case 0x1d:	/* DAEMON */
		return ANSWER_RESULT;
	default:
		return ANSWER_UNKNOWN;
	}
}

static __always_inline void mysql_note_login(struct mysql_asked *w, __u32 length)
{
	w->names = 1;
	w->login = w->seq + w->at.off;
	w->length = length;
}

/* How many preparations have not been answered: of several, a number names none. */
static __always_inline __u32 mysql_prepares(__u32 queue)
{
	__u32 n = 0;

	for (__u32 shift = 0; shift < 32; shift += RUN_BITS) {
		__u32 run = queue >> shift & RUN_MASK;

		if (RUN_KIND(run) == ANSWER_PREPARED)
			n += RUN_COUNT(run);
	}
	return n;
}

/*
 * Keeps the text of what may matter once somebody asks: all in a transaction, and
 * outside of one what may begin it.
 */
static __always_inline void mysql_keep(struct mysql_asked *w, const __u8 *p, __u32 n,
				       __u32 length)
{
	__u32 seq = w->seq + w->at.off + 1, size = length - 1, name = 0;

	if (p[0] == COM_STMT_PREPARE)
		name = mysql_prepares(w->asked) == 1 ? NAME_TO_COME : 0;
	else if (p[0] == COM_QUERY && is_end(w->word))
		return;
	else if (!w->at_work && !(p[0] == COM_QUERY && mysql_may_begin(w->word)))
		return;
	if ((p[0] == COM_STMT_EXECUTE || p[0] == COM_STMT_BULK) && n > 4) {
		size = 0;
		name = le32(p + 1);
	} else if (p[0] == COM_QUERY && size > 2 && n > 2 && !p[1] && p[2] == 1) {
		seq += 2;	/* "no attributes" */
		size -= 2;
	} else if (p[0] != COM_QUERY && p[0] != COM_STMT_PREPARE) {
		return;
	}
	w->at.size = 0;		/* the buffer is used for it */
	w->texts = keep_text(w->sk, w->index, seq, size, name) ? TEXTS_KEPT : TEXTS_LOST;
}

#define KILL_QUERY 11	/* "kill query ", as drivers and the shell write it */
#define DIGITS	   20

/*
 * Another connection is told to give up its statement; `n` bytes of the text are at `p`.
 * What is written otherwise - a number of another kind, or computed - is passed over.
 * Not inline, for the sake of the stack.
 */
static __noinline void mysql_hear_kill(const struct mysql_asked *w, const __u8 *p, __u32 n,
					    __u32 size)
{
	const struct slot *s = bpf_map_lookup_elem(&slots, &w->index);
	__u32 at = KILL_QUERY, id = 0;

	if (!s || n < KILL_QUERY || (le32(p + 4) | 0x20202020) != (WORD(' ', 'q', 'u', 'e')) ||
	    (p[8] | 0x20) != 'r' || (p[9] | 0x20) != 'y' || p[10] != ' ')
		return;
	for (int i = 0; i < DIGITS && at < n && p[at] - '0' < 10u; i++, at++)
		id = id * 10 + p[at] - '0';
	if (at > KILL_QUERY && (at == size || p[at] == ';' || p[at] == ' '))
		report_cancel(s, w->index, id);
}

/* "use" and what may stand behind it: a blank, or a quoted name. */
static __always_inline bool mysql_is_use(__u32 word)
{
	__u8 next = word >> 24;

	return (word & 0xffffff) == (WORD('u', 's', 'e', 0)) &&
	       (next == ' ' || next == '`' || next == ('\t' | 0x20) || next == ('\n' | 0x20));
}

/*
 * Another database is asked for.  The command is kept until it is granted; of several in
 * one flight the answer would not say which.
 */
static __noinline void mysql_keep_use(struct mysql_asked *w, __u8 command, __u32 length,
					   bool alone)
{
	struct buffer *b;
	__u32 n;

	if (command != COM_INIT_DB && !(command == COM_QUERY && mysql_is_use(w->word)))
		return;
	w->uses = 1;
	w->at.size = 0;		/* the buffer is used for it */
	n = alone && length < USE_MAX ? read_sent(w->sk, w->seq + w->at.off, USE_MAX) : 0;
	b = own_buffer();
	if (!b)
		return;
	b->bytes[n < length ? 0 : length & (USE_MAX - 1)] = 0;
	if (bpf_map_update_elem(&mysql_uses, &w->index, b, BPF_ANY))
		count(COUNT_STARTUP_LOST);
}

/* One packet: its header was read, its body begins at w->at.off and, `n` bytes of it, at `p`. */
static __always_inline void mysql_hear_request(struct mysql_asked *w, const __u8 *p, __u32 n)
{
	__u32 length = w->head & 0xffffff, number = w->head >> 24;
	__u8 kind = ANSWER_NONE;
	__u8 command = n ? p[0] : 0;
	bool alone = !w->asked;

	if (w->part == PART_FILE) {
		w->part = length ? PART_FILE : PART_FIRST;
	} else if (w->part == PART_GREETING) {
		mysql_note_login(w, length);
		w->bad |= number != 1 || length < 32;
	} else if (!number) {
		kind = length && n ? mysql_kind(w, p, n) : ANSWER_UNKNOWN;
		if (length && n && p[0] == COM_CHANGE_USER)
			mysql_note_login(w, length);
		if (length && n && (p[0] == COM_CHANGE_USER || p[0] == COM_RESET))
			forget_prepared(w->index);	/* numbers may begin anew */
	} else {
		w->bad |= w->strict;
	}
	w->bad |= kind == ANSWER_UNKNOWN;
	if (kind != ANSWER_NONE && !w->bad && !mysql_enqueue(&w->asked, kind))
		w->bad = w->deep = 1;
	if (command == COM_QUERY && !w->bad && w->word == (WORD('k', 'i', 'l', 'l')))
		mysql_hear_kill(w, p + 1, n - 1, length - 1);
	if (kind != ANSWER_NONE && !w->bad)
		mysql_keep(w, p, n, length);
	if ((kind == ANSWER_RESULT || kind == ANSWER_DOUBTFUL) && !w->bad)
		mysql_keep_use(w, command, length, alone);
	if (w->part == PART_NONE && w->asked)
		w->part = PART_FIRST;
	w->at.off += length;
	w->head = w->have = 0;
}

/* One packet, or one byte where its header is in pieces.  Returns 1 to stop. */
static long mysql_request_step(__u64 i, void *ctx)
{
	struct mysql_asked *w = mysql_asked();
	struct buffer *b = own_buffer();
	const __u8 *p;
	__u32 n;

	if (!w || !b || w->bad || w->at.off >= w->at.end)
		return 1;
	w->bad = 1;
	if (!at_hand(&w->at, LOOK_AT)) {
		w->at.base = w->at.off;
		w->at.size = read_sent(w->sk, w->seq + w->at.off, LOOK_AT);
	}
	p = message(&w->at, b, &n);
	if (!p || !n || n > LOOK_AT)
		return 1;
	w->bad = 0;
	if (!w->have && n > 4 && w->at.end - w->at.off > 4) {
		w->head = le32(p);
		w->at.off += 4;
		mysql_hear_request(w, p + 4, n - 4);
	} else if (w->have == 4) {
		mysql_hear_request(w, p, n);
	} else {
		w->head |= (__u32)p[0] << (w->have * 8 & 31);
		w->have++;
		w->at.off++;
		if (w->have == 4 && !(w->head & 0xffffff))
			mysql_hear_request(w, p, 0);
	}
	return 0;
}

#define LOOPS_MAX (1 << 23)	/* the kernel's own limit */

/* Walks what mysql_asked() describes; proved once. */
__noinline int mysql_walk_requests(__u32 bytes)
{
	bpf_loop(bytes < LOOPS_MAX ? bytes + 1 : LOOPS_MAX, mysql_request_step, NULL, 0);
	return 0;
}

#endif
