/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a process keeps its sql.DBs, from its memory alone: also of pools that nobody calls,
 * that are exhausted, and that are older than we are.
 *
 * Each sql.DB has a channel for a million of nothing, and no other channel is like that.
 * Whoever has its address where an sql.DB has it, and there where the sql.DB has its
 * connector has an interface, is an sql.DB.
 */
#ifndef PLIMSOLL_GOPOOLS_SEARCH_H
#define PLIMSOLL_GOPOOLS_SEARCH_H

#include "gopools/layout.h"
#include "gopools/memory.h"

#define SEARCH_FOUND_MAX 64
#define SEARCH_BYTES	 (64ULL << 20) /* looked at, at most: some 30 ms, mostly far fewer */

/* The memory that is there: what was never touched, or is swapped out, is left alone. */
struct go_pages {
	/* The next piece at `from` or above, lowest first.  False: there is none. */
	bool (*next)(uint64_t from, uint64_t *ret_at, uint64_t *ret_end, void *arg);
	void *arg;
};

struct search {
	uint32_t pid;
	struct go_layout layout;
	/* found */
	bool whole;	/* all of it was looked at */
	uint32_t count;
	uint64_t found[SEARCH_FOUND_MAX];
};

/* Fills in what is found. */
void search_run(const struct go_memory *m, const struct go_pages *p, struct search *s);

/* The pages of process s->pid. */
void search_process(const struct go_memory *m, struct search *s);

#endif
