/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage journal: what was found, decided, done, and what came of it.
 *
 * One SQLite file (WAL, synchronous=FULL).  An intent is durable before anything
 * is touched; a repair id is written once, so it cannot act twice.
 */
#ifndef PLIMSOLL_JOURNAL_H
#define PLIMSOLL_JOURNAL_H

#include <jansson.h>

#include "repair.h"

struct journal;

#define JOURNAL_FILE   "journal.db"
#define JOURNAL_SCHEMA 1

/*
 * Opens or creates DIR/journal.db (directory 0700).  0 or -errno, logged.
 * -EBADMSG: damaged, or no journal; -EPROTONOSUPPORT: written by a newer plimsoll.
 */
int journal_open(const char *dir, struct journal **ret);

/* Opens an existing one to read.  0, -ENOENT when there is none, or -errno, logged. */
int journal_open_readonly(const char *dir, struct journal **ret);
void journal_close(struct journal *j);

/*
 * Between the two, findings and refusals are gathered and written at the end in one go:
 * each by itself waits for the disk, and a host may have thousands at once.  What a
 * repair writes waits for nothing.  journal_end() returns 0 or -errno, logged.
 */
void journal_begin(struct journal *j);
int journal_end(struct journal *j);

/* A finding's change of state.  0 or -errno. */
int journal_finding(struct journal *j, const struct finding *f);

/*
 * A verdict that is no act: why nothing was done.  Written once for a finding and
 * a reason, however often it is said.  0 or -errno.
 */
int journal_refusal(struct journal *j, const struct repair *r);

/*
 * The intent, durable when this returns 0.  -EEXIST: this id has been begun
 * before, whatever came of it: do not act.
 */
int journal_intent(struct journal *j, const struct repair *r);

/*
 * Steps and outcome of a repair whose intent is there.  0, -ENOENT when it is not,
 * -EALREADY when there is an outcome, or another -errno.
 */
int journal_outcome(struct journal *j, const struct repair *r);

/*
 * Calls `fn` with the JSON of every repair whose intent has no outcome, with a
 * further key "precondition".  `fn` may settle it.  0 or -errno.
 */
int journal_unresolved(struct journal *j, void (*fn)(json_t *repair, void *arg), void *arg);

/*
 * Settles a repair of a former life: outcome and one step that says how it was
 * found.  Returns as journal_outcome().
 */
int journal_settle(struct journal *j, const char *repair_id, enum outcome outcome, const char *note);

/* JSON array of all entries since wall time `since_ns`, oldest first.  NULL on error. */
json_t *journal_read(struct journal *j, uint64_t since_ns);

/* The documents of DESIGN section 8; also used by `watch` and `fix`. */
json_t *finding_to_json(const struct finding *f, uint64_t now_ns);
json_t *repair_to_json(const struct repair *r);

/* Who is behind it, part by part; `who` NULL: not known, then the thread that connected. */
json_t *thread_to_json(const struct culprit *who, const struct conn *c);
json_t *goroutine_to_json(const struct culprit *who);
json_t *stack_to_json(const struct culprit *who);
json_t *moment_to_json(const struct culprit *who);

/* One step of a repair's document, at a wall time. */
json_t *step_to_json(const char *name, int err, uint64_t wall_ns, const char *note);

/* What must still be true at the last moment. */
json_t *precondition_to_json(const struct precondition *p);

/* A time as the documents write it: RFC 3339, null for 0. */
json_t *time_to_json(uint64_t wall_ns);

#endif
