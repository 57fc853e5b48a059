/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holding another process still, with ptrace.
 *
 * Unlike SIGSTOP this cannot outlive us: when the holder of a process ends, in
 * whatever way, the kernel lets the process run on.  Its parent sees nothing of
 * it, and a shell does not take it for a stopped job.
 */
#ifndef PLIMSOLL_HOLD_H
#define PLIMSOLL_HOLD_H

#include <stddef.h>
#include <sys/types.h>

struct held_thread {
	pid_t tid;
	int signal;	/* arrived while it was being held; given back on release */
};

struct hold {
	struct held_thread *threads;
	size_t count, capacity;
};

/*
 * Stops every thread of `pid`.  Blocks until all stand; the caller bounds that
 * with a timer that ends it.  0; -ESRCH: gone; -EBUSY: somebody else traces it;
 * -EPERM: not permitted.  On failure nothing is held.
 */
int hold_begin(struct hold *h, pid_t pid);
void hold_end(struct hold *h);

#endif
