/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage detect: connections -> findings.
 *
 * A detector is a predicate over one connection or one pool; it keeps no state.
 * The driver turns what it says into a finding's life: suspect when first said,
 * confirmed when still said after the facts were read once more, retracted when the
 * connection goes back to work, mended when a repair ended it.  Pure.
 */
#ifndef PLIMSOLL_DETECT_H
#define PLIMSOLL_DETECT_H

#include "level.h"
#include "lib/param.h"
#include "lib/sockdiag.h"
#include "lib/symbols.h"

enum finding_state {
	FINDING_SUSPECT,
	FINDING_CONFIRMED,
	FINDING_RETRACTED,
	FINDING_MENDED,
	FINDING_STATE_MAX
};

struct detector;

#define CONFIDENCE_MIN 0.5

struct symptom {
	uint64_t since_ns;	/* when the trouble began */
	double confidence;	/* 0..1; below CONFIDENCE_MIN it stays a suspicion */
	char why[128];		/* evidence in words, no text of the client's in it */
};

/*
 * What every detector has, whatever else it declares.  A detector is handed its grace
 * as it is in the gear of the pool: as configured in the first, less in the others.
 */
struct detector_conf {
	uint64_t enabled;
	uint64_t grace_ns;
};

struct detector {
	const char *name;	/* "idle-in-txn" */
	const char *summary;
	/*
	 * A kind that tells the same trouble with less to say, or NULL.  Of the two a connection
	 * has one finding: the one that it has already, else this; rules on that kind mean this too.
	 */
	const char *rather_than;
	uint64_t grace_ns;	/* default */
	const struct param *params;	/* own settings beyond enabled and grace, or NULL */
	size_t conf_size;	/* of own settings */
	/* Whether `c` shows this trouble now; `p` NULL: it is in no pool.  Or else: */
	bool (*check)(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		      const void *conf, uint64_t now_ns, struct symptom *ret);
	/* Whether `p` does.  Findings on pools need no second source. */
	bool (*check_pool)(const struct pool *p, const struct detector_conf *base,
			   const void *conf, uint64_t now_ns, struct symptom *ret);
	/*
	 * Whether what the socket says of itself, asked after `check`, bears `c` out.
	 * NULL: its state and byte counters do, and nothing is under way.
	 */
	bool (*agrees)(const struct conn *c, const struct sock_facts *facts);
	bool borrowed;	/* what it finds, idle as it lies there, is not its pool's to lend */
	bool at_work;	/* it is found on connections that work: that one goes on is no regret */
};
REGISTRY(detector);

#define FINDING_ID_LEN 24
#define SHAPE_LEN      (STATEMENT_MAX + 8)	/* sql_redact() adds at most 4 */

/* What was asked inside the transaction, as far as it may be shown. */
struct shape {
	char sql[SHAPE_LEN];	/* "" not known */
	const char *note;	/* why it is not, in words; NULL: nothing to say */
	char trace_id[SQL_TRACE_ID_LEN];	/* "" none */
};

/* Who sent the statement that opened the transaction, or else who connected. */
struct culprit {
	bool at_connect;
	uint32_t tries;		/* so far, if it is worth another one; 0: it is not */
	uint64_t tried_ns;	/* when the last one ended */
	uint32_t tid;
	char thread[16];
	uint64_t goroutine;	/* 0: none */
	size_t count;		/* frames, innermost first */
	struct frame frames[];
};

struct finding {
	char id[FINDING_ID_LEN];	/* "f5c1e22aa03bd", the same after a restart */
	const struct detector *detector;
	enum finding_state state;
	/*
	 * As it was when last looked at.  Of a pool's finding only what all its
	 * connections have in common: cookie 0, and no id.
	 */
	struct conn conn;
	struct symptom symptom;
	struct shape shape;	/* filled in by the caller, on suspicion */
	char language[8];	/* of the owner, likewise; "" not known */
	struct culprit *culprit;	/* likewise, malloc'ed, then the table's; NULL not known */
	uint64_t grace_ns;	/* the least that it was found under: a patient gear later is no excuse */
	uint64_t suspected_ns, confirmed_ns, ended_ns;
	uint64_t seen_ns;	/* the last run that still showed it */
	uint64_t decided_ns, decided_version;	/* the last verdict: when, under which rules */
	bool checked;		/* a second source agreed; needed to be confirmed */
	bool denied;		/* the second source disagreed: stays suspect */
	/*
	 * Set by the caller while a repair is under way.  What the wire then shows
	 * is our own doing: the finding waits, and is not retracted.
	 */
	bool under_repair;
	bool used;
};

/* Settings of one detector as configured. */
struct detector_setting {
	const struct detector *detector;
	struct detector_conf base;
	void *own;		/* conf_size bytes */
};

struct detect_conf {
	struct detector_setting *settings;	/* one for each registered detector, by name */
	size_t count;
};

/* Defaults for every registered detector.  0 or -ENOMEM. */
int detect_conf_init(struct detect_conf *c);
void detect_conf_done(struct detect_conf *c);
struct detector_setting *detect_conf_find(const struct detect_conf *c, const char *name);

/* The shortest grace of any detector that looks; UINT64_MAX: none does. */
uint64_t detect_conf_least_grace_ns(const struct detect_conf *c);

/* What became of the findings of one detector. */
struct score {
	const struct detector *detector;
	uint64_t confirmed, regretted;
};

/* Findings lie in a table with holes; `count` is where it ends for now. */
struct detect {
	struct finding *findings;
	uint32_t count, capacity;
	uint32_t hole;		/* no free place below this one */
	struct index by_subject;	/* detector, and cookie or pool */
	uint64_t suspected, confirmed, retracted, mended;
	uint64_t lost;		/* did not fit the table */
	uint64_t regretted;	/* confirmed, and the connection went on working */
	struct score *scores;	/* one for each registered detector */
	size_t score_count;
};

/*
 * Called for every change of a finding's state, before it is dropped from the
 * table when it ended.
 */
typedef void (*finding_fn)(const struct finding *f, void *arg);

int detect_init(struct detect *d, uint32_t capacity);
void detect_done(struct detect *d);

/*
 * Runs every enabled detector over every connection, and moves the findings on.
 * A suspect is confirmed only at a later run than the one that found it, and
 * only once `checked`.
 */
void detect_run(struct detect *d, const struct detect_conf *conf, const struct conns *t,
		const struct levels *l, uint64_t now_ns, finding_fn changed, void *arg);

/* Whether it is about a pool and not about one connection. */
bool finding_is_of_pool(const struct finding *f);

/* Whether the socket bears the finding out: `agrees` of its detector. */
bool finding_is_borne_out(const struct finding *f, const struct sock_facts *facts);

/* A finding by its own id or by its connection's id, or NULL. */
struct finding *detect_find(struct detect *d, const char *id);

/* The repair of `f` helped: it ends as mended. */
void detect_mend(struct detect *d, struct finding *f, uint64_t now_ns, finding_fn changed, void *arg);

const char *finding_state_name(enum finding_state s);

#define findings_for_each(d, f)                                                                    \
	for (struct finding *f = (d)->findings; f < (d)->findings + (d)->count; f++)               \
		if (f->used)

#endif
