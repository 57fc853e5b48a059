// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/hold.h"

#define STEP_US	 20
#define LATE_NS	 (500 * NS_PER_US)	/* for those behind one that does not stand */
#define LATE_MAX 8

static bool is_held(const struct hold *h, pid_t tid)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->threads[i].tid == tid)
			return true;
	return false;
}

static int remember(struct hold *h, pid_t tid)
{
	if (h->count == h->capacity) {
		size_t more = h->capacity ? 2 * h->capacity : 32;
		void *p = realloc(h->threads, more * sizeof(*h->threads));

		if (!p)
			return -ENOMEM;
		h->threads = p;
		h->capacity = more;
	}
	h->threads[h->count++] = (struct held_thread){ .tid = tid };
	return 0;
}

static int seize(struct hold *h, pid_t tid)
{
	int r;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return errno == ESRCH ? 0 : errno == EPERM ? -EBUSY : -errno;
	r = remember(h, tid);
	if (!r && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) && errno != ESRCH)
		r = -errno;
	return r;
}

/* Takes every thread that is not held yet; how many, or -errno. */
static int seize_all(struct hold *h, pid_t pid)
{
	char path[64];
	struct dirent *d;
	int r = 0, more = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r >= 0 && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid <= 0 || is_held(h, tid))
			continue;
		more++;
		r = seize(h, tid);
	}
	(void)closedir(dir);
	return r < 0 ? r : more;
}

#ifdef __x86_64__
#define USER_CS 0x33	/* of 64-bit code; the numbers of calls are others in 32-bit code */

/*
 * Most calls that wait are begun anew by the kernel after we let go.  These are not,
 * they fail with EINTR, and a program that has no signal handlers need not expect
 * that.  Where it waits without a limit, beginning anew is the same as never having
 * been disturbed.
 */
static bool waits_for_ever(const struct user_regs_struct *r)
{
	switch (r->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return (int)r->r10 < 0;
	case SYS_epoll_pwait2:
	case SYS_semtimedop:
		return !r->r10;
	case SYS_rt_sigtimedwait:
		return !r->rdx;
	case SYS_semop:
		return true;
	default:
		return false;
	}
}

/* The kernel's own word for "begin anew, unless a handler ran", seen by tracers only. */
#define ERESTARTNOHAND 514

static void keep_waiting(pid_t tid)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &r) || r.cs != USER_CS || (long)r.rax != -EINTR ||
	    !waits_for_ever(&r))
		return;
	r.rax = (unsigned long long)-ERESTARTNOHAND;
	(void)ptrace(PTRACE_SETREGS, tid, NULL, &r);
}
#else
static void keep_waiting(pid_t tid)
{
	(void)tid;
}
#endif

/*
 * Waits until a thread stands.  A signal that stopped it instead is kept for it.
 * False when it does not by `until_ns`: a disk that does not answer, a vfork().
 */
static bool await(struct held_thread *t, uint64_t until_ns)
{
	int status;
	pid_t r;

	while ((r = waitpid(t->tid, &status, __WALL | WNOHANG)) == 0) {
		if (clock_now_ns() >= until_ns)
			return false;
		(void)usleep(STEP_US);
	}
	if (r < 0 || !WIFSTOPPED(status))
		return true;
	if (status >> 16 == 0)
		t->signal = WSTOPSIG(status);
	keep_waiting(t->tid);
	return true;
}

/*
 * All that were seized stand, or not in time.  Then, too, the others are awaited, as
 * long as they are not many: one that we leave before it stands is interrupted.
 */
static int await_all(struct hold *h, size_t *standing, uint64_t until_ns)
{
	size_t late = 0;

	for (; *standing < h->count && late < LATE_MAX; (*standing)++) {
		if (await(&h->threads[*standing], until_ns))
			continue;
		late++;
		until_ns = clock_now_ns() + LATE_NS;
	}
	return late ? -ETIME : 0;
}

int hold_begin(struct hold *h, pid_t pid, uint64_t limit_ns)
{
	uint64_t until_ns = clock_now_ns() + limit_ns;
	size_t standing = 0;
	int r;

	*h = (struct hold){ 0 };
	/* A thread that runs may start another one: until a look finds none anew. */
	while ((r = seize_all(h, pid)) > 0) {
		r = await_all(h, &standing, until_ns);
		if (r)
			break;
	}
	if (!r && !h->count)
		r = -ESRCH;
	if (r)
		hold_end(h);
	return r;
}

void hold_end(struct hold *h)
{
	for (size_t i = 0; i < h->count; i++)
		(void)ptrace(PTRACE_DETACH, h->threads[i].tid, NULL,
			     (void *)(long)h->threads[i].signal);
	free(h->threads);
	*h = (struct hold){ 0 };
}
