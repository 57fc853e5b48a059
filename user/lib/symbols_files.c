// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of a look-up.  Here they are only pinned.  They are opened in the new
 * process, before it becomes the reader: whatever answers for a file, and whenever,
 * keeps only that process waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/cleanup.h"
#include "lib/proc.h"
#include "lib/symbols_lookup.h"

#define OUT_OF_THE_WAY	   64 /* of the numbers that the request gives */
#define PERF_MAP_MAX_BYTES (64ULL << 20)

_Static_assert(SYMBOLS_FD + SYMBOLS_FILES_MAX <= OUT_OF_THE_WAY, "no pin is overwritten");

static uint32_t add_file(struct lookup *l, const struct file_key *key, uint32_t kind, int pin)
{
	l->files[l->file_count] = (struct mapped_file){
		.key = *key,
		.kind = kind,
		.pin = pin,
		.number = -1,
	};
	return l->file_count++;
}

static uint32_t find_file(const struct lookup *l, const struct file_key *key)
{
	for (uint32_t i = 0; i < l->file_count; i++)
		if (!memcmp(&l->files[i].key, key, sizeof(*key)))
			return i;
	return NO_FILE;
}

uint32_t lookup_take_pin(struct lookup *l, int pin)
{
	_close_ int fd = pin;
	struct file_key key;
	uint32_t found;
	int away;

	if (fd < 0 || mapping_key(fd, &key) < 0)
		return NO_FILE;
	found = find_file(l, &key);
	if (found != NO_FILE || l->file_count == SYMBOLS_FILES_MAX)
		return found;
	away = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	return away < 0 ? NO_FILE : add_file(l, &key, SYMBOLS_ELF, away);
}

uint32_t lookup_pin(struct lookup *l, const struct mapping *m)
{
	return lookup_take_pin(l, mapping_pin(l->pid, m));
}

uint32_t lookup_pin_exe(struct lookup *l)
{
	return lookup_take_pin(l, mapping_pin_exe(l->pid));
}

/* Code comes and goes under the same addresses, so its key is the process. */
uint32_t lookup_perf_map(struct lookup *l)
{
	struct proc_stat st = { 0 };
	struct file_key key = { .device = UINT64_MAX, .inode = l->pid };
	uint32_t found;

	if (proc_stat(l->pid, &st) < 0)
		return NO_FILE;
	key.mtime_ns = st.start_ticks;
	found = find_file(l, &key);
	if (found != NO_FILE || l->file_count == SYMBOLS_FILES_MAX)
		return found;
	return add_file(l, &key, SYMBOLS_PERF_MAP, -1);
}

/* ---- in the new process */

static int reopen(int pin)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int pin_below(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(O_PATH | O_NOFOLLOW | O_CLOEXEC | flags),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* Its number in its own namespace, and whose it is. */
static bool identity(uint32_t pid, uint32_t *ret_inner, uid_t uids[2])
{
	_free_ char *line = NULL;
	size_t size = 0;
	bool has_uid = false;
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);

	_fclose_ FILE *f = fopen(path, "re");

	*ret_inner = pid;
	while (f && getline(&line, &size, f) > 0) {
		const char *last = strrchr(line, '\t');

		if (!strncmp(line, "NSpid:", 6) && last)
			(void)sscanf(last, "%" SCNu32, ret_inner);
		if (sscanf(line, "Uid: %u %u", &uids[0], &uids[1]) == 2)
			has_uid = true;
	}
	return has_uid;
}

/* The notes on code made at run time, of the process itself and of nobody else. */
static int open_perf_map(uint32_t pid)
{
	char path[64];
	uint32_t inner;
	uid_t uids[2];
	struct stat st;

	if (!identity(pid, &inner, uids))
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/root", pid);

	_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_close_ int tmp = root < 0 ? -1 : pin_below(root, "tmp", O_DIRECTORY);

	if (tmp < 0 || mapping_judge(tmp, pid) < 0)
		return -EACCES;
	(void)snprintf(path, sizeof(path), "perf-%" PRIu32 ".map", inner);

	_close_ int pin = pin_below(tmp, path, 0);

	if (pin < 0 || mapping_judge(pin, pid) < 0 || fstat(pin, &st))
		return -EACCES;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)PERF_MAP_MAX_BYTES)
		return -EINVAL;
	if (st.st_uid != uids[0] && st.st_uid != uids[1])
		return -EPERM;
	return reopen(pin);
}

int lookup_open_files(void *lookup)
{
	const struct lookup *l = lookup;
	int count = 0;

	for (uint32_t i = 0; i < l->file_count; i++) {
		const struct mapped_file *f = &l->files[i];
		int to = SYMBOLS_FD + f->number;
		int fd;

		if (f->number < 0)
			continue;
		count++;
		/* No number below ours is given out while files are opened. */
		fd = f->kind == SYMBOLS_ELF ? reopen(f->pin) : open_perf_map(l->pid);
		if (fd < 0)
			(void)close(to);
		else if (fd == to)
			(void)fcntl(fd, F_SETFD, 0);
		else if (dup2(fd, to) < 0 || close(fd))
			return -errno;
	}
	return SYMBOLS_FD + count;
}
