/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process of ours that puts probes on files and takes them away, so that nobody else
 * has to wait for it.
 *
 * To do either the kernel goes to every process that has the file mapped and waits until
 * its memory map may be changed, and then for grace periods.  That takes 10 to 100 ms, most of
 * a second where others do the same, and as long as it pleases a file on FUSE that
 * answers no page fault.  It cannot be interrupted, and whoever has the last descriptor
 * of a probe waits when he closes it.  So the descriptors are that process's alone, and
 * it ends when we do.
 */
#ifndef PLIMSOLL_EVENTS_ATTACH_H
#define PLIMSOLL_EVENTS_ATTACH_H

#include <sys/types.h>

#include "events.h"

#define ATTACH_SETS	    2048 /* there at a time */
#define ATTACH_UPROBE_MULTI 48	 /* BPF_TRACE_UPROBE_MULTI, since 6.6 */

struct attacher {
	pid_t pid; /* 0: there is none */
	int socket;
};

/* Makes set `number` of what is on the file sent along; with no place, takes it away. */
struct attach_order {
	uint32_t number, count;
	struct probe_place places[PROBE_PLACES];
};

/*
 * Starts it with the programs of each kind (-1: not loaded).  `multi`: they were loaded
 * for uprobe_multi, which entered in 6.6; without it only PROBE_GO can be put.
 */
int attacher_start(struct attacher *a, const int programs[PROBE_KINDS], bool multi);

/* Gives an order; one at a time.  `pin` is the file, or -1.  0 or -errno; never blocks. */
int attacher_order(const struct attacher *a, const struct attach_order *order, int pin);

/* What came of it: *ret is 0 or -errno.  -EAGAIN: not yet; -EPIPE: the process is gone. */
int attacher_answer(const struct attacher *a, int *ret);

/* Waits for its end, but not for long: what holds it up does not hold up us. */
void attacher_end(struct attacher *a);

#endif
