/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins evidence and symbols: who sent the statement behind a finding, who connected,
 * and what the owners are written in.  Looked up while the loop goes on; it is there
 * when it is there.
 */
#ifndef PLIMSOLL_CULPRITS_H
#define PLIMSOLL_CULPRITS_H

#include "detect.h"
#include "events.h"

struct culprits;

/* 0 or -ENOMEM. */
int culprits_new(const struct events *e, struct culprits **ret);
void culprits_free(struct culprits *c);

/*
 * Begins to look up who is behind `f`, if evidence of it was kept and none is known: of
 * a transaction who opened it, of other trouble who sent the last statement, if that
 * was kept, or else who connected.
 */
void culprits_want(struct culprits *c, struct finding *f);

/* Moves all that is under way on, and hands findings of `d` what is known by now. */
void culprits_step(struct culprits *c, struct detect *d, const struct levels *l);

/*
 * Who did it to a connection; the table's, until the next call.  NULL: not known, or,
 * with *ret_pending set, not yet.
 */
const struct culprit *culprits_of(struct culprits *c, const struct conn *conn, enum deed deed,
				  bool *ret_pending);

/* "go", "jvm", "python", "node", "native"; "" not known.  `c` may be NULL. */
const char *culprits_language(const struct culprits *c, const struct conn *conn);

#endif
