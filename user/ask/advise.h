/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large a pool should be, and what it seems to be set to: pure, of what was counted. */
#ifndef PLIMSOLL_ASK_ADVISE_H
#define PLIMSOLL_ASK_ADVISE_H

#include "level/demand.h"

/* Libraries whose settings we know by name. */
enum library {
	LIBRARY_DATABASE_SQL,
	LIBRARY_HIKARICP,
	LIBRARY_SQLALCHEMY,
	LIBRARY_NODE_POSTGRES,
	LIBRARY_PHP_FPM,
	LIBRARY_MAX,
};

struct advice {
	bool enough;		/* was seen to say anything at all; else all below is 0 */
	uint32_t max_open;	/* peak queries/s x latency x 2, or the most ever in use */
	uint32_t max_idle, max_idle_least;
	uint64_t lifetime_s, lifetime_least_s;
};

/* What the pool seems to be set to; 0: cannot be told. */
struct guess {
	uint32_t max_open, max_idle;
	bool unlimited_life;	/* connections get older than any that is advised */
};

struct advice advise(const struct demand *d, uint64_t now_ns);
struct guess advise_guess(const struct demand *d, uint64_t now_ns);

/* By the names of process and executable; LIBRARY_MAX: it may be any. */
enum library library_of(const char *comm, const char *exe_name);
const char *library_name(enum library l);

/* The advice in a library's own words. */
void library_settings(enum library l, const struct advice *a, char *out, size_t out_size);

#endif
