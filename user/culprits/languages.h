/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the processes that own pools are written in: looked up once each, never waited for. */
#ifndef PLIMSOLL_LANGUAGES_H
#define PLIMSOLL_LANGUAGES_H

#include "level.h"
#include "lib/symbols.h"

struct languages;

/* `s` stays the caller's and must outlive it.  0 or -ENOMEM. */
int languages_new(struct symbols *s, struct languages **ret);
void languages_free(struct languages *l);

/* Moves what is under way on, and begins to look at owners that were not seen before. */
void languages_step(struct languages *l, const struct levels *pools);

/* "go", "jvm", "python", "node", "native"; "" not known, or not yet. */
const char *languages_of(const struct languages *l, uint32_t pid, uint32_t start_ticks);

#endif
