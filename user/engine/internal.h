/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's own pieces; nobody outside user/engine* includes this. */
#ifndef PLIMSOLL_ENGINE_INTERNAL_H
#define PLIMSOLL_ENGINE_INTERNAL_H

#include "engine.h"

/* engine.c: to whoever watches; `record` is of the type that `what` says. */
void engine_tell(struct engine *e, enum notice what, const void *record);
void engine_on_shift(const struct pool *p, unsigned int from, uint64_t fact_ns, void *arg);
void engine_on_finding(const struct finding *f, void *arg);

/* intake.c: takes in a record, every slot, who holds what now, and what is due. */
void engine_on_record(const struct rec_hdr *rec, size_t len, void *arg);
void engine_read_slots(struct engine *e);
void engine_count_holders(struct engine *e);
void engine_count_holders_when_due(struct engine *e);
void engine_walk_queues_when_due(struct engine *e);

/* suspect.c: lets the second source confirm or deny it. */
void engine_check_suspect(const struct engine *e, struct finding *f);

/* act.c: asks the policy about a confirmed finding, and does what it says. */
void engine_decide(struct engine *e, struct finding *f);
struct repair_world engine_world(struct engine *e);

#endif
