/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads other processes' memory, in a process of its own.
 *
 * Whoever owns memory may have arranged that reading it takes for ever (a file on
 * FUSE, a fault that another thread answers).  So a child of ours reads and the loop
 * goes on; one that does not come back is ended, and what it was reading is named.
 */
#ifndef PLIMSOLL_GOPOOLS_WATCH_H
#define PLIMSOLL_GOPOOLS_WATCH_H

#include "gopools/handle.h"
#include "gopools/search.h"

#define WATCHED_MAX  512
#define SEARCHES_MAX 64

struct watched {
	bool wanted; /* in the next round */
	bool read;   /* in the last one */
	uint32_t pid;
	uint64_t address;
	struct go_layout layout;
};

struct watch;

/* 0 or -ENOMEM.  The child comes with the first round. */
int watch_new(struct watch **ret);
void watch_free(struct watch *w);

/* Number `n` of WATCHED_MAX; not to be touched while a round is under way. */
struct watched *watch_at(struct watch *w, uint32_t n);

/* What came of it, where it was read. */
const struct handle_reading *watch_reading(const struct watch *w, uint32_t n);

/* Number `n` is this sql.DB from now on. */
void watch_set(struct watch *w, uint32_t n, uint32_t pid, uint64_t address);

/* Has the memory of `pid` searched for pools in the next search.  False: there is no room. */
bool watch_search(struct watch *w, uint32_t pid, const struct go_layout *layout);
void watch_forget_searches(struct watch *w);

/* What the search number `n` found, once it is done; NULL: there were fewer. */
const struct search *watch_found(const struct watch *w, uint32_t n);

enum watch_what {
	WATCH_READ = 'r',	/* all that is wanted */
	WATCH_SEARCH = 's',	/* all that was asked to be searched */
};

/* Begins it.  0, -EBUSY: something is under way, or -errno.  Forks if there is no child. */
int watch_begin(struct watch *w, enum watch_what what, uint64_t now_ns);
bool watch_has_child(const struct watch *w);

enum watch_progress { WATCH_IDLE, WATCH_BUSY, WATCH_DONE, WATCH_STUCK };

/*
 * How far it is; DONE and STUCK are said once and end it.  STUCK: *ret is the number that
 * was being read or searched; those before it were.  Never blocks.
 */
enum watch_progress watch_step(struct watch *w, uint64_t now_ns, uint32_t *ret);

#endif
