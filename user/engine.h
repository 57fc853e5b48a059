/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole path, joined: event -> conn -> level -> detect -> policy -> repair
 * -> journal.  The daemon runs it for as long as it lives, the CLI for the length
 * of a command when there is no daemon.  Owns no event loop; its owner calls
 * engine_drain() when engine_ring_fd() is readable and engine_tick() a few times
 * a second.
 */
#ifndef PLIMSOLL_ENGINE_H
#define PLIMSOLL_ENGINE_H

#include "config.h"
#include "journal.h"
#include "repair.h"
#include "turns.h"

struct events;
struct culprits;
struct libraries;
struct pauses;
struct gopools;

/* Something happened that a watcher would want to see. */
enum notice { NOTICE_FINDING, NOTICE_REPAIR, NOTICE_GEAR };

/* What NOTICE_GEAR is about; the pool is as it is now, in its new gear. */
struct gear_change {
	const struct pool *pool;
	unsigned int from;
	uint64_t fact_ns, decided_ns;	/* the kernel's time of the fact, and ours */
};

typedef void (*notice_fn)(enum notice what, const void *record, void *arg);

struct engine {
	struct config config;
	const char *config_path;	/* NULL: none */
	int forced_mode;		/* enum mode from the command line, or -1 */
	const char *state_dir;		/* journal.db and STOP live here */
	struct events *events;
	struct culprits *culprits;	/* NULL: in a simulation */
	struct libraries *libraries;	/* NULL: no evidence is taken */
	struct pauses *pauses;		/* NULL: nobody watches whether owners can run */
	struct gopools *gopools;
	struct conns conns;
	struct levels levels;
	struct detect detect;
	struct policy policy;
	struct journal *journal;	/* NULL: none, hence no repairs */
	uint64_t started_ns, now_ns;
	uint64_t holders_ns;		/* last count of holders */
	uint64_t queues_ns;		/* next walk over the queues */
	struct turns turns;
	uint64_t clock_ns;		/* last setting of the kernel side's clock */
	bool has_daemon;		/* false in the CLI's own engine */
	notice_fn notice;
	void *notice_arg;
	uint64_t repairs;		/* begun in this life, by rule or order */
	uint64_t orders;		/* repairs ordered by hand, to tell them apart */
};

struct engine_options {
	const char *config_path;	/* NULL: CONFIG_PATH if it exists, else defaults */
	const char *state_dir;		/* NULL: no journal */
	int mode;			/* enum mode, or -1: as configured */
};

/*
 * Loads programs, adopts what is open already, opens the journal.  0, or a
 * negative errno after one sentence to the user (log_err).  -EINVAL:
 * configuration; -EPERM/-EACCES: privilege; -EOPNOTSUPP: this kernel cannot.
 */
int engine_open(struct engine *e, const struct engine_options *opt);
void engine_close(struct engine *e);

int engine_ring_fd(const struct engine *e);
int engine_drain(struct engine *e);

/* One turn of the whole path at `now_ns`. */
void engine_tick(struct engine *e, uint64_t now_ns);

/* Reads the configuration again; on error the old one stays.  0 or -errno, `why` filled. */
int engine_reload(struct engine *e, char *why, size_t why_size);

/* What opened the transaction of `c`, or what it was last asked inside it: redacted. */
void engine_shape(const struct engine *e, const struct conn *c, enum statement_which which,
		  struct shape *ret);

/* STOP file: present means no repair is begun. */
bool engine_is_stopped(const struct engine *e);
int engine_set_stopped(struct engine *e, bool stopped);

/*
 * Carries out `action` on connection or finding `id` by an operator's order, or
 * only says what would happen (`dry`).  Fills `ret`; returns 0 when it ran or
 * would run, -ENOENT when there is no such id, -EPERM when refused (reason in
 * ret->verdict), -EINVAL when there is no such action.  `action` NULL: the
 * gentlest that suits.
 */
int engine_fix(struct engine *e, const char *id, const char *action, bool dry, struct repair *ret);

#endif
