/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage event: the kernel edge.  Loads and attaches the programs, maps the
 * slots, drains the ring, runs the iterators.  The only file that sees libbpf.
 */
#ifndef PLIMSOLL_EVENTS_H
#define PLIMSOLL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct events;

/* Which way a fact is obtained on this kernel, for `plimsoll doctor`. */
struct event_fact {
	const char *fact;	/* "open, owner, close" */
	const char *way;	/* "tp_btf/inet_sock_set_state" */
	bool works;
	char why_not[128];
};

#define EVENT_FACTS 20

struct events_options {
	uint32_t slots;			/* connections tracked at once */
	uint32_t statement_bytes;	/* kept of a statement, STATEMENT_DEFAULT to _MAX */
	enum evidence_tier tier;
};

typedef void (*record_fn)(const struct rec_hdr *rec, size_t len, void *arg);
typedef void (*holder_fn)(const struct holder *h, void *arg);
typedef void (*queues_fn)(const struct queues *q, void *arg);

/*
 * 0, or a negative errno after one sentence to the user.  -EPERM: not root;
 * -EOPNOTSUPP: no BTF, or the kernel lacks what nothing can replace.
 */
int events_open(struct events **ret, const struct events_options *opt, record_fn record, void *arg);
void events_close(struct events *e);

/* Readable when records wait.  events_drain() returns how many it delivered, or -errno. */
int events_fd(const struct events *e);
int events_drain(struct events *e);

/*
 * Sets the kernel side's coarse clock against CLOCK_MONOTONIC.  To be called every
 * few seconds: the two drift apart while the clock is being adjusted.
 */
void events_set_clock(struct events *e);

/* Slots at or above this index have never been used. */
uint32_t events_high(const struct events *e);

/*
 * A consistent copy of slot `index`.  False when the writer did not hold still
 * for as long as it is reasonable to wait (try again at the next look).
 */
bool events_slot(const struct events *e, uint32_t index, struct slot *ret);

/* What is known of a statement. */
enum statement_known {
	STATEMENT_NONE,		/* none was sent inside a transaction */
	STATEMENT_TEXT,
	STATEMENT_UNSEEN,	/* prepared earlier: before we were there, or too many ago */
	STATEMENT_CALL,		/* none: a function, called by its number */
};

/* Raw, as sent; `cut` when more was sent than is here. */
struct statement_text {
	size_t len;
	bool cut;
	char bytes[STATEMENT_MAX];
};

/* A statement of the connection that `gen` says; `ret` is filled in when it has a text. */
enum statement_known events_statement(const struct events *e, uint32_t index, uint32_t gen,
				      enum statement_which which, struct statement_text *ret);

/*
 * Outside of a transaction: whether the last statement of the connection in that slot is
 * the one that was kept.
 */
bool events_is_last(const struct events *e, uint32_t index);

/* Who did what to a connection. */
enum deed {
	DEED_SENT,	/* the statement that opened the transaction, or else the last one */
	DEED_CONNECTED,
	DEED_MAX
};

/* Whether what was kept of DEED_SENT is about what was sent last, or its transaction. */
bool events_is_sender(const struct events *e, uint32_t index);

/* Which thread that is (stack_snapshot.sender); 0: not known. */
uint32_t events_sender(const struct events *e, uint32_t index);

/* False when nothing was kept of it. */
bool events_snapshot(const struct events *e, uint32_t index, uint32_t gen, enum deed deed,
		     struct stack_snapshot *ret);

/* Takes in connections that are older than we are, in every network namespace. */
int events_adopt(struct events *e);

/*
 * Looks over the Unix sockets: which were closed has no hook.  To be called a few
 * times a second.
 */
void events_look_over(struct events *e);

/* What the kernel says of one Unix socket.  0, -ENOENT when it is closed, -EOPNOTSUPP. */
int events_ask_unix(const struct events *e, uint64_t cookie, struct unix_question *ret);

enum probe_kind {
	PROBE_GO,	/* Go's (*DB).conn: tells where a pool is (REC_GO_HANDLE) */
	PROBE_ENTRY,	/* of a library's function; the cookie says which (enum library_call) */
	PROBE_RETURN,
	PROBE_KINDS
};

struct probe_place {
	uint64_t offset;	/* in the file */
	uint64_t cookie;
	enum probe_kind kind;
};

#define PROBE_PLACES 64

/*
 * Probes at `n` places (PROBE_PLACES at most) of the file that `pin` names, in every process
 * that has it mapped, now or later, until events_unprobe().  Nobody waits for them: they
 * are put and taken away beside us.  0 or -errno when there is no room.
 */
struct probes;
int events_probe(struct events *e, int pin, const struct probe_place *places, uint32_t n,
		 struct probes **ret);
void events_unprobe(struct probes *p);

/*
 * 0: they are there; -EINPROGRESS: not yet; else why the kernel does not take them
 * (-EOPNOTSUPP: no such program is loaded, or the kernel is too old for it).
 */
int events_probe_result(const struct probes *p);

/*
 * Whether some are being put or taken away just now.  Meanwhile fork() and whoever looks into
 * a process's mappings may have to wait until the kernel is done with it.
 */
bool events_is_probing(const struct events *e);

/* Waits for `ms` at most until that is over.  False when it is not. */
bool events_await_probes(struct events *e, int ms);

/*
 * Watches functions of a library: probes of PROBE_ENTRY and PROBE_RETURN, whose sayings
 * are then tied to connections.  As events_probe(); -EOPNOTSUPP: no evidence is taken.
 */
struct watch;
int events_watch(struct events *e, int pin, const struct probe_place *places, uint32_t n,
		 struct watch **ret);
void events_unwatch(struct watch *w);
int events_watch_result(const struct watch *w);

/* What a process was handed by the libraries that are watched; false: by none. */
bool events_handles(const struct events *e, uint32_t pid, struct handle_counts *ret);
void events_forget_handles(const struct events *e, uint32_t pid);

/* Every (process, socket) pair of the host; `cookie` 0 for all sockets. */
int events_holders(struct events *e, uint64_t cookie, holder_fn fn, void *arg);

/* Every connection that is quiet and has something unread or unacknowledged.  0 or -errno. */
int events_queues(struct events *e, queues_fn fn, void *arg);
/* Told again when it is hit again: what lay there is gone. */
void events_forget_handle(struct events *e, uint32_t pid, uint32_t start_ticks, uint64_t address);

/* How often the probes of PROBE_GO with the cookie `n`, below GO_PROBES, were hit, in all. */
#define GO_PROBES 256
uint64_t events_probe_hits(const struct events *e, uint32_t n);

/*
 * How often the processes that share connection `index` have sent in turn, since it was
 * first asked about.  Counted only while they are watched, which costs every message of the
 * host some 60 ns.
 */
uint32_t events_turns(struct events *e, uint32_t index, uint32_t gen);
void events_watch_turns(struct events *e, bool watch);

uint64_t events_counter(const struct events *e, enum counter c);
const char *events_counter_name(enum counter c);
const char *events_counter_help(enum counter c);

size_t events_facts(const struct events *e, const struct event_fact **ret);

#endif
