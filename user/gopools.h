/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins Go programs' own pools and what is seen of them: finds each sql.DB by a probe,
 * reads it from the process's memory once a second, and hands on which connections
 * are lent and what the pools count.
 */
#ifndef PLIMSOLL_GOPOOLS_H
#define PLIMSOLL_GOPOOLS_H

#include "conn.h"
#include "events.h"
#include "level.h"

struct gopools;

/* `e` and `t` stay the caller's and must live longer.  0 or -ENOMEM. */
int gopools_new(struct events *e, struct conns *t, struct gopools **ret);
void gopools_free(struct gopools *g);

/* A probe was hit for the first time with this pool. */
void gopools_found(struct gopools *g, const struct rec_go_handle *r);

/* Moves on what is under way and says of connections whether they are lent.  Never blocks. */
void gopools_step(struct gopools *g, uint64_t now_ns);

/* What the pools say of themselves, before levels_update(). */
void gopools_tell(struct gopools *g, struct levels *l);

#endif
