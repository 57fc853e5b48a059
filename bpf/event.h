/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What crosses between kernel and user space, and nothing else.
 *
 * The facts of a connection live in one `struct slot` of a memory-mapped array.
 * The kernel side is its only writer, user space reads it as plain memory and
 * checks `lock` around every read (see slot_read() in user/event.c).  What cannot
 * wait for the next look, or would be gone by then, is a record in the ring.
 */
#ifndef PLIMSOLL_EVENT_H
#define PLIMSOLL_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SLOTS_DEFAULT	65536	/* connections tracked at once */
#define RING_BYTES	(1 << 20)
#define STARTUP_MAX	512	/* bytes copied of a start-up packet */

/* Where the conversation of a connection stands.  Numbers are never reused. */
enum phase {
	PHASE_FREE = 0,		/* nobody's slot */
	PHASE_OPENING = 1,	/* SYN sent */
	PHASE_HELLO = 2,	/* established, nothing recognised yet */
	PHASE_NEGOTIATE = 3,	/* SSLRequest or GSSENCRequest sent, one byte to come; MySQL: greeted */
	PHASE_AUTH = 4,		/* start-up packet sent, not let in yet */
	PHASE_READY = 5,	/* authenticated; answers are followed */
	PHASE_BLIND = 6,	/* encrypted or compressed: only its life and its silence are seen */
	PHASE_ADOPTED = 7,	/* older than we are: nothing recognised yet */
	PHASE_CLOSED = 8,	/* over; the slot is on its way to be free */
};

/* What is spoken, by its own bytes.  Numbers are never reused. */
enum wire {
	WIRE_UNKNOWN = 0,
	WIRE_POSTGRESQL = 1,
	WIRE_MYSQL = 2,		/* MariaDB too */
};

/* slot.flags */
#define SLOT_ADOPTED	0x01	/* older than the observer: ages are lower bounds */
#define SLOT_TLS	0x02	/* encrypted by TLS */
#define SLOT_GSS	0x04	/* PostgreSQL: encrypted by GSSAPI */
#define SLOT_COMPRESSED	0x04	/* MySQL, which knows no such thing: compressed */
#define SLOT_UNFRAMED	0x08	/* answers: message boundaries lost, look for an edge */
#define SLOT_UNCOUNTED	0x10	/* requests: how many are open is not known */
#define SLOT_BUSY	0x20	/* a request is being worked on or answered */
#define SLOT_EDGE	0x40	/* a request was acknowledged, its answer has not begun */
#define SLOT_SYNC	0x80	/* the last request counted ended in Sync, not in Query */
#define SLOT_USING	0x80	/* MySQL: another database was asked for, and not granted yet */

/* How far PostgreSQL's answers were read: a message's header split over segments. */
struct postgresql_notes {
	__u8 head[4];		/* its length field */
	__u8 type;		/* its type; 0 between messages */
	__u8 have;		/* bytes of it collected, 0..5 */
};

/* How far MySQL's were: see bpf/mysql_answer.bpf.h and bpf/mysql_request.bpf.h. */
struct mysql_notes {
	__u16 columns;		/* definitions still to come of the result under way */
	__u8 part;		/* low half: of the answer; high half: bytes to pass over */
	__u8 step;		/* low 5 bits: within a packet; high 3: request header, bytes held */
	__u8 half;		/* the first byte of a number in two */
	__u8 caps;		/* what client and server agreed on, and what was noticed */
};

#define MYSQL_KIND   7	/* of asked: how the command under way is answered, */
#define MYSQL_STREAM 7	/* here without an end: replication */
#define MYSQL_MANUAL 0x10	/* of caps: autocommit is off, any statement opens a transaction */

/*
 * One connection.  Three cache lines: the first is written by every segment
 * that says something, the second less often, the third once.
 */
struct slot {
	/* line 0 */
	__u32 lock;		/* sequence count, odd while being written */
	__u32 gen;		/* how many connections this slot has served */
	__u64 last_ns;		/* last byte in either direction, CLOCK_MONOTONIC */
	__u32 rx_left;		/* bytes still to come of the message under way */
	__u32 tx_next;		/* TCP sequence up to which requests were acknowledged */
	__u32 tx_msg;		/* TCP sequence of the next request message */
	union {
		__u32 asked;	/* MySQL: commands to be answered, runs of a kind, first lowest */
		__u32 answered;	/* PostgreSQL: rx_bytes up to the last ready mark, its low half */
	};
	union {
		struct postgresql_notes pg;
		struct mysql_notes my;
	};
	__u8 status;		/* last ready mark: 'I', 'T', 'E' (not MySQL); 0 unknown */
	__u8 phase;		/* enum phase */
	__u32 queries;		/* answers finished since authentication */
	__u8 flags;		/* SLOT_* */
	__u8 tcp_state;		/* kernel's TCP_* number */
	__u8 protocol;		/* enum wire */
	__u8 pending;		/* requests sent and not answered yet, up to 255 */
	__u64 rx_bytes;		/* payload bytes received, as tcp_info counts them */
	__u64 tx_bytes;		/* payload bytes acknowledged by the server, likewise */

	/* line 1 */
	__u64 txn_ns;		/* when the open transaction was first seen; 0 none */
	__u64 rtt_sum_us;	/* sums over all samples of the smoothed round trip: */
	__u64 rtt_sq_us2;	/* the difference of two readings is a window */
	__u32 rtt_n;
	__u32 rtt_us;		/* smoothed round trip time now */
	__u32 mdev_us;		/* its mean deviation now */
	__u32 backend_pid;	/* server's process or thread id; 0 unknown */
	__u64 cookie;		/* the kernel's name of the socket, unique in a boot */
	__u64 opened_ns;	/* connect(), or adoption */
	__u32 tgid;		/* who called connect(); 0 when adopted */
	__u32 start_ticks;	/* its start time, as field 22 of /proc/PID/stat */

	/* line 2 */
	__u8 laddr[16];		/* IPv4 as ::ffff:a.b.c.d */
	__u8 raddr[16];
	__u16 lport;		/* host order */
	__u16 rport;
	__u32 netns;		/* inode of the network namespace */
	__u32 uid;
	__u32 tid;
	char comm[16];		/* of the owner, when it connected */
};

_Static_assert(sizeof(struct slot) == 192, "struct slot is ABI: three cache lines");

/*
 * The text of a statement as it was sent, cut at what the configuration allows.
 * Raw: whoever shows it redacts it first.  Keyed by slot * 2 + which; `gen` says
 * whether it is the present connection's.
 */
enum statement_which {
	STATEMENT_OPENING = 0,	/* the one that opened the transaction */
	STATEMENT_LAST = 1,	/* the last one */
};

/* Of slots below this number it is in an array, of the others in a hash. */
#define NEAR_SLOTS 1024

#define STATEMENT_DEFAULT 256
#define STATEMENT_MAX	  1024

struct statement {
	__u32 gen;
	__u32 size;		/* of the whole text */
	__u32 copied;		/* bytes valid in `bytes`; 0: prepared earlier, or no statement */
	__u16 call;		/* 1: no statement but a function, called by its number */
	__u16 several;		/* 1: the last of a flight of several */
	__u64 name;		/* it was prepared under: a hash, or MySQL's number; 0 none */
	__u8 bytes[STATEMENT_MAX];
};

_Static_assert(sizeof(struct statement) == 24 + STATEMENT_MAX, "struct statement is ABI");

/*
 * Of each slot: whether what is kept of the last statement is about what was asked last.
 * Outside of transactions most are passed over, and then it is not.
 */
struct mark {
	__u32 upto;		/* as slot.tx_msg: up to there no other statement was asked */
	__u16 window;		/* of time, in which this many stacks were taken: */
	__u8 taken;
	__u8 wanted;		/* 1: the statement that was just sent is to be kept */
	__u8 sent_last;		/* 1: outside a transaction nothing was sent since the snapshot */
	__u8 pad[3];
	__u32 sender;		/* the thread of the snapshot, by a number no other has */
};

_Static_assert(sizeof(struct mark) == 16, "struct mark is ABI");

/*
 * Where the text lies of a statement that was prepared under a name: evidence, so the
 * oldest of the host go first.  What is under the key of another epoch is forgotten.
 */
#define PREPARED_MAX 4096

struct prepared_key {
	__u32 slot, gen;
	__u32 epoch;
	__u32 pad;
	__u64 name;
};

/* Of each slot: which names are still good. */
struct prepared_note {
	__u32 epoch;		/* moves on when one may mean another text than we think */
	__u32 until;		/* slot.queries; an error before that may be a preparation's */
};

/*
 * Who sent the statement that opened the transaction, or connected: thread, goroutine,
 * and what unwinding the stack needs.  Keyed by slot.
 */
#define SNAPSHOT_BYTES 8192

struct stack_snapshot {
	__u32 gen;
	__u32 tid;
	__u64 ns;
	__u64 ip, sp, bp, bx, r12, r13, r14, r15;	/* at the system call's entry */
	__u64 goroutine[2];	/* what Go before and since 1.23 has at its g's goid */
	__u32 len;		/* bytes of the stack, from sp upward */
	__u32 sender;		/* the same thread as a number no other has, however old; never 0 */
	__u64 since_ns;		/* what was kept is of this thread since then */
	char thread[16];
	__u8 bytes[SNAPSHOT_BYTES];
};

_Static_assert(sizeof(struct stack_snapshot) == 128 + SNAPSHOT_BYTES, "stack_snapshot is ABI");

/* How much evidence is taken of who sent what. */
enum evidence_tier {
	TIER_OFF = 0,
	TIER_TRANSACTIONS = 1,	/* of each statement that opens a transaction */
	TIER_ALL = 2,		/* of each statement */
};

/* Ring records.  Kinds are numbered by hand and never reused. */
enum rec_type {
	REC_STARTUP = 1,	/* struct rec_startup */
	REC_CLOSED = 2,		/* struct rec_closed */
	REC_STALLED = 3,	/* struct rec_stalled */
	REC_GO_HANDLE = 8,	/* struct rec_go_handle */
	REC_OPAQUE = 9,		/* struct rec_hdr: encrypted or compressed from here on */
	REC_PATH = 10,		/* struct rec_path */
	REC_DIALLED = 11,	/* struct rec_path: who would have to be heard from here on */
	REC_CANCEL = 16,	/* struct rec_cancel */
	REC_LISTEN = 17,	/* struct rec_hdr: it waits for notifications from here on */
	REC_DATABASE = 20,	/* struct rec_startup: the command that changed it; empty: not known */
};

struct rec_hdr {
	__u16 type;		/* enum rec_type */
	__u16 len;		/* of the whole record */
	__u32 slot;
	__u32 gen;
	__u32 pad;
	__u64 cookie;
	__u64 ts_ns;
};

/*
 * Who logs in, and where to, with no secret in it.  PostgreSQL: the start-up packet
 * as sent, parameter names and values.  MySQL, whose packet also holds the password's
 * scramble: made here of its capabilities (4 bytes, lowest first), the user's name
 * and the database's, each ended by NUL; the latter absent when it could not be read.
 */
struct rec_startup {
	struct rec_hdr hdr;
	__u32 size;		/* as the packet states it */
	__u32 copied;		/* bytes valid in `bytes` */
	__u8 bytes[STARTUP_MAX];
};

/* The connection is over.  By now its slot may already serve another. */
struct rec_closed {
	struct rec_hdr hdr;
	__u32 queries;
	__u8 phase;		/* the phase it died in */
	__u8 by_server;		/* 1 when the server closed first */
	__u8 pad[2];
};

#define UNIX_MARK 0xff	/* a Unix socket's laddr and raddr begin with two of these, its ports are 0 */
#define UNIX_PATH 112	/* of sun_path, with an end */

/* A connection through a Unix socket: where to. */
struct rec_path {
	struct rec_hdr hdr;
	char server[16];	/* adopted: what the process that listens is called */
	char path[UNIX_PATH];	/* an abstract one begins with '@' */
};

_Static_assert(sizeof(struct rec_path) == 48 + UNIX_PATH, "rec_path is ABI");

/* What lies in a socket's queues: what no segment tells, because none comes. */
struct queues {
	__u64 cookie;
	__u32 slot;
	__u32 gen;
	__u32 unread;		/* bytes received that the owner has not read; Unix: messages */
	__u32 unacked;		/* bytes written that the server has not acknowledged */
	__u32 room;		/* bytes that the server may still send before they are read */
	__u32 retransmits;	/* of the same bytes, or probes without an answer, in a row */
	__u32 error;		/* what the network said of them: a positive errno, or 0 */
	__u32 held;		/* 1: none has left this host, though the server has room for them */
};

/* The same bytes were sent a second time, or oftener, and nothing came. */
struct rec_stalled {
	struct rec_hdr hdr;
	struct queues queues;
};

/* Who sends on a connection that several processes hold, keyed by slot. */
struct senders {
	__u32 gen;
	__u32 tgid;		/* the last one; 0: none yet */
	__u32 turns;		/* how often another sent than the one before */
	__u32 pad;
};

_Static_assert(sizeof(struct queues) == 40, "queues is ABI");
_Static_assert(sizeof(struct rec_stalled) == 72, "rec_stalled is ABI");
/* A Go program's own pool: where its sql.DB lies.  About no connection, so no slot. */
struct rec_go_handle {
	struct rec_hdr hdr;
	__u32 tgid;
	__u32 start_ticks;
	__u64 address;
};

/* Which of them were told already. */
struct go_handle_key {
	__u32 tgid;
	__u32 start_ticks;
	__u64 address;
};

/*
 * Somebody asks a PostgreSQL server to give up what `backend_pid` does for him, by a
 * connection of its own (the header's).
 */
struct rec_cancel {
	struct rec_hdr hdr;
	__u32 backend_pid;
	__u32 tgid;		/* who asks */
	__u8 raddr[16];		/* of the server, as in the slot */
	__u16 rport;
	__u16 pad[3];
};

_Static_assert(sizeof(struct rec_cancel) == 64, "rec_cancel is ABI");
_Static_assert(sizeof(struct rec_hdr) == 32, "rec_hdr is ABI");
_Static_assert(sizeof(struct rec_startup) == 40 + STARTUP_MAX, "rec_startup is ABI");
_Static_assert(sizeof(struct rec_closed) == 40, "rec_closed is ABI");
_Static_assert(sizeof(struct rec_go_handle) == 48, "rec_go_handle is ABI");

/* What both sides write or read beside the maps. */
struct shared {
	__u32 high;	/* slots at or above this number were never used */
	__u32 armed;	/* 1: the reader sleeps, the next record must wake it */
	__u64 clock_offset_ns;	/* CLOCK_MONOTONIC less jiffies, set anew now and then */
	__u64 page_offset_base;	/* where all memory is mapped, and the page array: */
	__u64 vmemmap_base;	/* how sent bytes are found (bpf/sent.bpf.h) */
	__u32 unix_ends;	/* connections through Unix sockets that are followed */
	__u32 unix_heard;	/* 1: what is said on Unix sockets is heard */
	__u32 unix_greeters;	/* servers that speak first, as a walk counted them */
	__u32 proved;	/* 1: how sent bytes are found was tried, and is right */
};

/* Every fact that is lost has a counter: enum, name and help come from this list. */
#define COUNTERS(X)                                                                                \
	X(SLOTS_FULL, slots_full, "connections not tracked: table full")                           \
	X(RING_FULL, ring_full, "records lost: ring full")                                         \
	X(RX_HOLE, rx_hole, "answers not read: segments out of order or missed")                   \
	X(RX_UNREADABLE, rx_unreadable, "answers not read: segment memory not readable")           \
	X(RX_LOST, rx_lost, "answers not read: not the bytes of the protocol")                     \
	X(TX_UNREADABLE, tx_unreadable, "requests not counted: no longer in the send queue")       \
	X(TX_LOST, tx_lost, "requests not counted: not the bytes of the protocol")                 \
	X(TX_DEEP, tx_deep, "requests not followed: too many before their answers")                \
	X(STARTUP_LOST, startup_lost, "user and database unknown: start-up packet not readable")   \
	X(STATEMENT_LOST, statement_lost, "statements not kept: no room or not readable")          \
	X(PREPARED_LOST, prepared_lost, "statements not known: prepared unseen, or too many were")   \
	X(SNAPSHOT_LOST, snapshot_lost, "stacks not kept: no room")                                \
	X(CONNECT_LOST, connect_lost, "stacks of who connected not kept: no room")                 \
	X(ADOPT_CLASH, adopt_clash, "connections that closed while they were being adopted")       \
	X(UNIX_CLASH, unix_clash, "messages not read: two threads on one Unix socket")             \
	X(SAID_LOST, said_lost, "statements in libraries not kept: no room or not readable")       \
	X(HANDLES_LOST, handles_lost, "libraries' handles not counted: no room")                   \
	X(RUNS_SKIPPED, runs_skipped, "events not looked at: another was being, on that CPU")

enum counter {
#define COUNTER_ENUM(id, name, help) COUNT_##id,
	COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
	COUNT_MAX
};

/*
 * One line of the holder iterator: process `tgid` has a socket open as `fd`.  Of a
 * connection, its client's end; or one that listens, which tells what is served.
 */
struct holder {
	__u64 cookie;
	__u32 tgid;
	__u32 fd;
	__u32 start_ticks;
	__u32 uid;
	char comm[16];
	__u32 netns;
	__u16 port;		/* listened on; 0: a connection */
	__u16 pad;
};

/* What is asked of one Unix socket, and the kernel's own answer. */
struct unix_question {
	__u64 cookie;
	__u32 found;		/* 1: it is open */
	__u32 unread;		/* messages the owner has not read */
	__u32 unacked;		/* memory of those that the server has not read */
	__u32 server_gone;	/* 1: the other end was closed */
};

_Static_assert(sizeof(struct unix_question) == 24, "unix_question is ABI");
_Static_assert(sizeof(struct holder) == 48, "holder is ABI");

/*
 * What a function of a client library means when it is called, as the cookie of the
 * probe on it.  Arguments count from 1.
 */
enum library_call {
	CALL_SAY = 1,		/* argument 2 is a statement, ended by NUL */
	CALL_SAY_SIZED = 2,	/* the same, as long as argument 3 */
	CALL_PREPARE = 3,	/* of handle 1, under the name 2: statement 3, ended by NUL */
	CALL_EXECUTE = 4,	/* of handle 1: the one under the name 2 */
	CALL_PREPARE_SIZED = 5,	/* of handle 1: statement 2, as long as argument 3 */
	CALL_EXECUTE_LAST = 6,	/* the one of handle 1 */
	CALL_OPEN = 7,		/* connection 1 begins, or goes on to begin */
	CALL_CLOSE = 8,		/* connection 1 ends */
	CALL_RESULT = 9,	/* a result is made */
	CALL_RESULT_RETURN = 10,/* on return: a result, if it is not NULL */
	CALL_CLEAR = 11,	/* result 1 ends, if it is not NULL */
};

/* Of a process: what its libraries handed out since they were watched, less what it gave back. */
struct handle_counts {
	__s64 connections;
	__s64 results;
};

#define HANDLE_PROCESSES 4096

#endif
