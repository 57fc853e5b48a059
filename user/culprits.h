/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins evidence and symbols: who sent the statement behind a finding.  Looked up
 * while the loop goes on; the finding has it when it is there.
 */
#ifndef PLIMSOLL_CULPRITS_H
#define PLIMSOLL_CULPRITS_H

#include "detect.h"
#include "events.h"

struct culprits;

int culprits_new(const struct events *e, struct culprits **ret);
void culprits_free(struct culprits *c);

/* Begins to look up who is behind `f`, if evidence of it was kept and none is known. */
void culprits_want(struct culprits *c, const struct finding *f);

/* Moves all that is under way on, and hands findings of `d` what is known by now. */
void culprits_step(struct culprits *c, struct detect *d);

#endif
