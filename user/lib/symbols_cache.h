/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered of places in files: a fixed number of them, the older give way. */
#ifndef PLIMSOLL_SYMBOLS_CACHE_H
#define PLIMSOLL_SYMBOLS_CACHE_H

#include "lib/mapping.h"
#include "lib/symbols_wire.h"

struct symbols_place {
	struct file_key file;
	uint64_t position;
	uint64_t is_return;
};

struct symbols_cache;

/* NULL: no memory. */
struct symbols_cache *symbols_cache_new(void);
void symbols_cache_free(struct symbols_cache *c);

/* Valid until the next put; NULL when it is not known, or not any more. */
const struct symbols_answer *symbols_cache_get(const struct symbols_cache *c,
					       const struct symbols_place *place, uint64_t now_ns);

/* `until_ns` 0: for good. */
void symbols_cache_put(struct symbols_cache *c, const struct symbols_place *place,
		       const struct symbols_answer *answer, uint64_t until_ns);

#endif
