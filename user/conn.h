/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage conn: kernel facts -> connections.
 *
 * Takes copies of the kernel's slots and its ring records, and keeps one
 * `struct conn` for each connection that is open: who owns it, what it speaks,
 * what it is doing.  Pure: no clock, no system call.
 */
#ifndef PLIMSOLL_CONN_H
#define PLIMSOLL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "lib/addr.h"
#include "lib/index.h"
#include "lib/registry.h"
#include "sql.h"

enum activity {
	ACTIVITY_UNKNOWN,
	ACTIVITY_STARTING,
	ACTIVITY_IDLE,
	ACTIVITY_BUSY,
	ACTIVITY_IDLE_IN_TXN,
	ACTIVITY_FAILED_TXN,
	ACTIVITY_UNREAD,
	ACTIVITY_MAX
};

enum stage {
	STAGE_ESTABLISHING,
	STAGE_READY,
	STAGE_DEGRADED,
	STAGE_RECOVERING,
	STAGE_TERMINATED,
	STAGE_MAX
};

/* The kernel's states of a TCP socket, as its slot has them: those that anybody asks about. */
enum tcp_state {
	TCP_STATE_ESTABLISHED = 1,
	TCP_STATE_FIN_WAIT1 = 4,
	TCP_STATE_FIN_WAIT2 = 5,
	TCP_STATE_TIME_WAIT = 6,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_CLOSE_WAIT = 8,
	TCP_STATE_LAST_ACK = 9,
	TCP_STATE_CLOSING = 11,
};

/* How we know what the connection speaks. */
enum evidence {
	EVIDENCE_NONE,
	EVIDENCE_WIRE,		/* its own bytes */
	EVIDENCE_ENDPOINT,	/* other connections to the same address and port */
	EVIDENCE_SERVER,	/* adopted and silent: the process that listens there, on this host */
	EVIDENCE_PORT,		/* adopted and silent: the protocol's usual port */
	EVIDENCE_MAX
};

#define NAME_LEN    64		/* PostgreSQL and MySQL names fit, with their end */
#define CONN_ID_LEN 32
#define HOLDERS_UNKNOWN 0	/* nobody has counted them yet */
#define SERVER_COMMS	2
#define GOODBYE_MAX	8

struct protocol {
	const char *name;	/* as printed */
	uint8_t wire;		/* enum wire: the kernel side's number for it */
	enum sql_dialect dialect;
	uint16_t usual_port;
	const char *server_comms[SERVER_COMMS];	/* what its server's process may be called */
	const char *unix_name;	/* what its Unix sockets' names begin with; NULL: anything */
	/*
	 * Reads user and database out of what came of a start-up packet (struct
	 * rec_startup).  `bytes` may be cut short; what is not there stays as it
	 * was.  Raw text, always terminated.
	 */
	void (*startup)(const uint8_t *bytes, size_t len, char user[static NAME_LEN],
			char database[static NAME_LEN]);
	/* Whether such a packet asks for replication.  NULL: a command does. */
	bool (*replicates)(const uint8_t *bytes, size_t len);
	/*
	 * Reads the database out of the command that changed it (REC_DATABASE), which ends
	 * with NUL.  NULL: there is no such command.
	 */
	void (*use)(const char *command, char database[static NAME_LEN]);
	/* What a client says before it leaves, and what that is called. */
	const char *goodbye_name;
	uint8_t goodbye[GOODBYE_MAX];
	size_t goodbye_len;
};
REGISTRY(protocol);

/* Whether the application has a connection, by its own pool's word. */
enum lending {
	LENDING_UNKNOWN,	/* no pool that could be asked */
	LENDING_FREE,		/* it lies in the pool */
	LENDING_LENT,		/* the pool gave it out and has not got it back */
};

/* What lay in its queues when they were last looked at: what a slot cannot tell. */
struct sock_view {
	uint64_t asked_ns;	/* 0: not looked at since it last moved */
	uint64_t unread_ns;	/* since when `unread` did not shrink; 0: nothing is unread */
	uint64_t read_ns;	/* when the owner was last seen to have read of it, or 0 */
	uint64_t stalled_ns;	/* since when bytes are sent again, or cannot be; 0: they are not */
	uint32_t unread;	/* bytes that came and were not read by the owner */
	uint32_t unacked;	/* bytes that the server has not acknowledged */
	uint32_t room;		/* bytes that may still come before the owner reads */
	uint32_t retransmits;	/* of the same bytes, in a row; or probes without an answer */
	uint32_t error;		/* what the network said of them: an errno, or 0 */
	bool held;		/* none of them has left this host, though there is room */
	bool lossy;		/* on this path as much was lost before, and came through */
	bool alive;		/* others on this path heard of the server since it stalled */
};

struct conn {
	/* identity */
	char id[CONN_ID_LEN];	/* "c9a2b.1f3": boot tag and socket cookie */
	uint64_t cookie;
	uint32_t slot, gen;
	uint32_t netns;
	struct addr local, remote;

	/* the owner; pid 0 while nobody knows (adopted, holders not read yet) */
	uint32_t pid;
	uint32_t start_ticks;
	uint32_t tid;
	uint32_t uid;
	char comm[16];
	uint32_t holders;	/* processes that have it open; 0 not counted */
	uint64_t shared_ns;	/* since when several were seen to send in turn; 0: were not */

	/* what it speaks */
	const struct protocol *protocol;	/* NULL: not recognised */
	enum evidence evidence;
	char user[NAME_LEN], database[NAME_LEN];
	uint32_t backend_pid;
	bool tls, gss;		/* encrypted: the wire cannot be read */
	bool compressed;	/* nor can it be here */

	/* what it is doing */
	enum stage stage;
	enum activity activity;
	enum activity said;	/* the same by the wire alone: never unread */
	bool adopted;		/* ages are lower bounds */
	bool uncertain;		/* facts were lost: report, never repair */
	uint8_t phase;		/* enum phase */
	uint8_t tcp_state;	/* enum tcp_state */
	uint8_t status;		/* the last ready mark, as in the slot */
	uint32_t answered;	/* rx_bytes behind it, low half; PostgreSQL only */
	bool replicates;	/* it streams the server's log */
	uint64_t opened_ns, last_ns;
	uint64_t txn_ns;	/* 0: no transaction known */
	uint64_t queries;

	/*
	 * Of the time since last_ns, how much the owner could not run (stopped, frozen,
	 * traced): no fault of its.  Nothing counts while it cannot: the quiet clock
	 * stands where it stood at paused_at_ns.
	 */
	uint64_t paused_ns, paused_at_ns;
	bool paused;

	/* When it last had trouble, and its last_ns then; 0: never.  See conn/stage.c. */
	uint64_t trouble_ns, trouble_last_ns;

	/* the pool's word, by its latest reading; see gopools.h */
	uint8_t lending;	/* enum lending */
	uint64_t lending_ns;	/* when that reading began; 0: there was none */
	uint64_t lent_ns;	/* lent at each reading since then; 0: not lent */

	/*
	 * On how many occasions its owner dialled another since this one came to rest, and
	 * when first: one that it put to work, or, where this one was never used, one that
	 * was not either.  Set by stage level, see level/history.h.
	 */
	uint64_t overtaken_ns;
	uint32_t overtaken;

	/*
	 * In HikariCP's pools: which one it is of (a number; 0: none, or not known), the
	 * thread that used it last (a number; 0: not known, or one that does not borrow for
	 * itself), since when without another between, and `queries` before that, with the
	 * ping that precedes a loan after a pause.  See borrowers.c.
	 */
	uint32_t bag, borrower;
	uint64_t borrowed_ns, borrowed_queries;
	uint32_t sender;	/* by the kernel's mark, as of sender_seen_ns */
	uint64_t sender_seen_ns;	/* last_ns then */
	uint64_t sender_queries;	/* `queries` then */

	bool listens;		/* PostgreSQL: it has asked for notifications, and may wait for ever */
	bool half_asked;	/* of its last request only a part was sent, and no answer came */
	uint64_t rest_rx_bytes;	/* rx_bytes when it was last seen without a request */
	uint64_t cancelled_ns;	/* when its owner last asked the server to give up; 0: never */
	uint64_t cancelled_queries;	/* `queries` then */
	struct sock_view view;

	/* byte counters as of the last segment seen, as tcp_info counts them */
	uint64_t rx_bytes, tx_bytes;

	/* round trip: smoothed now, and the kernel's sums for windows */
	uint32_t rtt_us, mdev_us, rtt_n;
	uint64_t rtt_sum_us, rtt_sq_us2;

	/*
	 * Set when a repair put this very transaction into the failed state: the
	 * rx_bytes at which it then stood.  0: none.  See detect/idle_in_txn.c.
	 */
	uint64_t defused_rx_bytes;

	bool named;		/* its start-up packet was read */
	bool used;		/* this entry holds a connection */
};

/* A connection that is over, for those who keep account of pools. */
struct ended {
	uint64_t cookie;
	uint32_t slot;
	uint32_t uid;
	char comm[16];
	uint32_t pid, start_ticks;
	struct addr remote;
	const struct protocol *protocol;
	char user[NAME_LEN], database[NAME_LEN];
	uint64_t opened_ns, last_ns;
	uint64_t ended_ns;	/* by the kernel's clock; 0: nobody saw it end */
	uint64_t queries;
	bool adopted;		/* its age and queries are lower bounds */
};

#define ENDED_KEPT 8192		/* more than end between two looks */

/* Start-up packets that came before the first look at their slot. */
#define EARLY_STARTUPS 1024

/* A database server on this host, by the process that listens. */
struct local_server {
	uint32_t netns;
	uint16_t port;
	const struct protocol *protocol;
};

#define LOCAL_SERVERS 64

/* The way to an endpoint, on which something was sent again and again. */
struct path {
	bool used;
	uint32_t netns;
	struct addr remote;
	uint64_t overcome_ns;	/* when it came through at last; 0: it never did */
	uint64_t heard_ns;	/* when anything was heard from there, as of `asked_ns` */
	uint64_t asked_ns;
};

#define PATHS 64

/* Indexed by the kernel's slot number. */
struct conns {
	struct conn *table;
	struct tally *tallies;	/* of the count of holders under way, one for each entry */
	struct rec_startup *early;	/* EARLY_STARTUPS, by slot number; hdr.type 0: none */
	struct index by_cookie;
	struct index endpoints;	/* work space of conns_guess_protocols() */
	struct local_server servers[LOCAL_SERVERS];
	uint32_t server_count;
	struct path paths[PATHS];
	uint32_t capacity;
	uint64_t walked_ns;	/* when the last walk over the queues began */
	uint32_t viewed;	/* connections in which it found something */
	uint32_t high;		/* no connection at or above this index */
	uint32_t open;		/* connections held */
	uint64_t closed;	/* connections seen to end */
	struct ended *ended;	/* a ring of ENDED_KEPT, the newest at (ended_count - 1) */
	uint64_t ended_count;	/* listed connections seen to end */
	char boot_tag[8];
};

/* `capacity` connections at most; `boot_tag` as proc_boot_tag().  0 or -ENOMEM. */
int conns_init(struct conns *t, uint32_t capacity, const char *boot_tag);
void conns_done(struct conns *t);

/*
 * Folds one reading of slot `index` in.  Returns the connection (owned by the
 * table, valid until it closes) or NULL when the slot is free.
 */
struct conn *conns_apply_slot(struct conns *t, uint32_t index, const struct slot *s);

/* Folds one ring record in; `len` bytes.  Records that are malformed or late are ignored. */
void conns_apply_record(struct conns *t, const struct rec_hdr *rec, size_t len);

/*
 * Begins and ends one count of holders; between the two, one call for every
 * (process, socket) pair of the host, listeners too.  Fills in the owner of adopted connections,
 * and moves a connection to its only holder when the owner no longer has it.  A
 * connection that nobody was seen to hold has unknown holders.
 */
void conns_holders_begin(struct conns *t);
void conns_apply_holder(struct conns *t, const struct holder *h);
void conns_holders_end(struct conns *t);

/*
 * Folds in what its pool says of connection `cookie`, which was read between `read_ns` and
 * `now_ns`; nothing happens when there is none.
 */
void conns_apply_lending(struct conns *t, uint64_t cookie, enum lending lending, uint64_t read_ns,
			 uint64_t now_ns);

/*
 * `sender` has sent on it last, as far as anybody knows (0: nobody does); it is lent to
 * `borrower`, who has used it since `since_ns`.
 */
void conn_apply_sender(struct conn *c, uint32_t sender, uint32_t borrower, uint64_t since_ns);

/* Its holders have sent on it in turn `turns` times, A, B, A being two. */
void conn_apply_turns(struct conn *c, uint32_t turns, uint64_t now_ns);

/*
 * Begins and ends one walk over the queues of all quiet connections; between the two,
 * one call for each that has something in them.  Of the others they are empty.
 */
void conns_queues_begin(struct conns *t, uint64_t now_ns);
void conns_apply_queues(struct conns *t, const struct queues *q, uint64_t now_ns);
void conns_queues_end(struct conns *t);

/*
 * Gives adopted, silent connections a protocol by what else is known of their
 * endpoint (EVIDENCE_ENDPOINT, EVIDENCE_SERVER, EVIDENCE_PORT).
 */
void conns_guess_protocols(struct conns *t);

/*
 * Moves every connection to its stage (conn/stage.c), once a look, after all that is
 * known of it was folded in.
 */
void conns_judge_stages(struct conns *t, uint64_t now_ns);

/*
 * Its owner was looked at, at `now_ns`: it could not run for all the time since
 * `from_ns` (now_ns: for none), and it cannot now (`paused`).  A pause counts from the
 * last byte on at most.
 */
void conn_apply_pause(struct conn *c, uint64_t from_ns, bool paused, uint64_t now_ns);

struct conn *conns_find_id(struct conns *t, const char *id);
struct conn *conns_find_cookie(struct conns *t, uint64_t cookie);

/* Whether it belongs in a list of database connections: recognised and not over. */
bool conn_is_listed(const struct conn *c);

/* Whether it goes through a Unix socket. */
bool conn_is_unix(const struct conn *c);

/* Whether what is said on it cannot be read, and nothing can be said either. */
bool conn_is_opaque(const struct conn *c);

/*
 * Whether an answer, or some of it, lies unread and its server waits for that or is done:
 * not what a server may say at any time, nor the first words of a statement that runs.
 */
bool conn_answer_is_unread(const struct conn *c);

/*
 * For how long no byte has passed in either direction, nor the owner read what had come,
 * though it could run.
 */
uint64_t conn_quiet_ns(const struct conn *c, uint64_t now_ns);

const char *activity_name(enum activity a);
const char *stage_name(enum stage s);
const char *evidence_name(enum evidence e);

#define conns_for_each(t, c)                                                                       \
	for (struct conn *c = (t)->table; c < (t)->table + (t)->high; c++)                         \
		if (c->used)

#endif
