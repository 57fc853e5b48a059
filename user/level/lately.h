/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools that have no connection at the moment, and are not forgotten at once: some
 * programs open one for each query.
 */
#ifndef PLIMSOLL_LEVEL_LATELY_H
#define PLIMSOLL_LEVEL_LATELY_H

#include "level.h"

/* `p` has lost its last connection. */
void lately_keep(struct levels *l, const struct pool *p);

/* `c` is the first again of a pool: gives its history, when it is kept, and forgets it. */
void lately_take(struct levels *l, const struct conn *c, struct history *ret);

/* The history of the pool that `e` was of, made where there is none; `key`: `e` as one. */
struct history *lately_of(struct levels *l, const struct ended *e, const struct conn *key);

#endif
