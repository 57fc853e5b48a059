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

#define WATCHED_MAX 512

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

/* Begins to read all that is wanted.  0, -EBUSY: a round is under way, or -errno. */
int watch_begin(struct watch *w, uint64_t now_ns);

enum watch_progress { WATCH_IDLE, WATCH_BUSY, WATCH_DONE, WATCH_STUCK };

/*
 * How far the round is; DONE and STUCK are said once and end it.  STUCK: *ret is the number
 * that was being read; those before it were read.  Never blocks.
 */
enum watch_progress watch_step(struct watch *w, uint64_t now_ns, uint32_t *ret);

#endif
