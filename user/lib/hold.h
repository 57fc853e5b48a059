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
#include <stdint.h>
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
 * Stops every thread of `pid`.  0; -ESRCH: gone; -EBUSY: somebody else traces it;
 * -EPERM: not permitted; -ETIME: not all of them stood within `limit_ns`.  On failure
 * nothing is held; but a thread that did not stand can be let go by our end only, so
 * after -ETIME the caller has to exit.
 */
int hold_begin(struct hold *h, pid_t pid, uint64_t limit_ns);
void hold_end(struct hold *h);

#endif
