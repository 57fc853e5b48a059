// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "lib/hold.h"

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

/* Waits until a thread stands.  A signal that stopped it instead is kept for it. */
static void await(struct held_thread *t)
{
	int status;

	while (waitpid(t->tid, &status, __WALL) < 0)
		if (errno != EINTR)
			return;
	if (WIFSTOPPED(status) && status >> 16 == 0)
		t->signal = WSTOPSIG(status);
}

int hold_begin(struct hold *h, pid_t pid)
{
	size_t standing = 0;
	int more;

	*h = (struct hold){ 0 };
	/* A thread that runs may start another one: until a look finds none anew. */
	while ((more = seize_all(h, pid)) > 0)
		for (; standing < h->count; standing++)
			await(&h->threads[standing]);
	if (more < 0 || h->count == 0) {
		hold_end(h);
		return more < 0 ? more : -ESRCH;
	}
	return 0;
}

void hold_end(struct hold *h)
{
	for (size_t i = 0; i < h->count; i++)
		(void)ptrace(PTRACE_DETACH, h->threads[i].tid, NULL,
			     (void *)(long)h->threads[i].signal);
	free(h->threads);
	*h = (struct hold){ 0 };
}
