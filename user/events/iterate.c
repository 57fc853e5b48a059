// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The iterators: connections older than we are, who holds which socket, and what lies
 * in its queues.
 *
 * iter/tcp and iter/unix show one network namespace, that of the thread that creates them; so
 * each namespace that any process lives in is entered for the length of a walk.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "events/internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define NAMESPACES_MAX 1024

/* Creates an iterator over `link` here and now; a descriptor or -errno. */
static int begin(struct bpf_link *link)
{
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -EOPNOTSUPP;

	return fd < 0 ? (fd == -1 ? -errno : fd) : fd;
}

static int walk(struct bpf_link *link)
{
	_close_ int fd = begin(link);
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

/* The sockets of the namespace we are in. */
static int walk_unix(struct events *e)
{
	return e->local ? walk(e->local->links.on_unix) : 0;
}

static int walk_sockets(struct events *e)
{
	(void)walk_unix(e);
	return walk(e->bpf->links.on_tcp);
}

static bool seen(ino_t *inodes, size_t *count, ino_t inode)
{
	for (size_t i = 0; i < *count; i++)
		if (inodes[i] == inode)
			return true;
	if (*count < NAMESPACES_MAX)
		inodes[(*count)++] = inode;
	return false;
}

/* Walks the namespace of `pid` if it is none of those walked before. */
static void walk_namespace_of(struct events *e, int (*here)(struct events *e), const char *pid,
			      int home, ino_t *inodes, size_t *count)
{
	char path[64];
	struct stat st;
	_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	if (stat(path, &st) || seen(inodes, count, st.st_ino))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET)) {
		(void)log_warn(-errno, "cannot enter the network namespace of process %s, "
				       "its older connections stay unseen", pid);
		return;
	}
	(void)here(e);
	if (setns(home, CLONE_NEWNET))
		(void)log_err(-errno, "cannot return to our own network namespace");
}

static int walk_all(struct events *e, int (*here)(struct events *e))
{
	_close_ int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	_free_ ino_t *inodes = calloc(NAMESPACES_MAX, sizeof(*inodes));
	DIR *proc = opendir("/proc");
	struct dirent *d;
	size_t count = 0;
	struct stat st;
	int r = -ENOMEM;

	if (home >= 0 && inodes && proc && !fstat(home, &st)) {
		(void)seen(inodes, &count, st.st_ino);
		r = here(e);
		while (!r && (d = readdir(proc)))
			if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
				walk_namespace_of(e, here, d->d_name, home, inodes, &count);
	}
	if (proc)
		(void)closedir(proc);
	return r;
}

int events_adopt(struct events *e)
{
	return walk_all(e, walk_sockets);
}

int events_adopt_unix(struct events *e)
{
	return walk_all(e, walk_unix);
}

/* Reads an iterator to its end: whole things of `size` bytes, some at a time. */
static int read_all(int fd, size_t size, void (*each)(const void *thing, void *arg), void *arg)
{
	uint64_t some[1024];
	ssize_t n;

	for (;;) {
		n = read(fd, some, sizeof(some) / size * size);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (size_t at = 0; at + size <= (size_t)n; at += size)
			each((const char *)some + at, arg);
	}
}

struct told {
	holder_fn holder;
	queues_fn queues;
	void *arg;
};

static void tell_holder(const void *thing, void *arg)
{
	const struct told *t = arg;

	t->holder(thing, t->arg);
}

int events_holders(struct events *e, uint64_t cookie, holder_fn fn, void *arg)
{
	struct told told = { .holder = fn, .arg = arg };
	uint32_t zero = 0;
	_close_ int fd = -1;

	if (bpf_map_update_elem(bpf_map__fd(e->bpf->maps.wanted), &zero, &cookie, BPF_ANY))
		return -errno;
	fd = begin(e->bpf->links.on_file);
	return fd < 0 ? fd : read_all(fd, sizeof(struct holder), tell_holder, &told);
}

static void tell_queues(const void *thing, void *arg)
{
	const struct told *t = arg;

	t->queues(thing, t->arg);
}

int events_queues(struct events *e, queues_fn fn, void *arg)
{
	struct told told = { .queues = fn, .arg = arg };
	_close_ int fd = begin(e->bpf->links.on_socket);

	return fd < 0 ? fd : read_all(fd, sizeof(struct queues), tell_queues, &told);
}
