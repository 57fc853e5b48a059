// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/proc.h"

/* A process that ended between open and read is one that is not there. */
int proc_read(const char *path, char *out, size_t out_size)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do {
		n = read(fd, out + used, out_size - 1 - used);
		if (n < 0 && errno != EINTR)
			return -errno;
		used += n > 0 ? (size_t)n : 0;
	} while (n && used < out_size - 1);
	out[used] = '\0';
	return 0;
}

uint32_t proc_threads_called(uint32_t pid, const char *comm)
{
	char path[80], name[32];
	struct dirent *entry;
	uint32_t n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%.16s/comm", pid,
			       entry->d_name);
		if (entry->d_name[0] == '.' || proc_read(path, name, sizeof(name)))
			continue;
		name[strcspn(name, "\n")] = '\0';
		n += strcmp(name, comm) == 0;
	}
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Field `n` of what follows the name, counted as proc(5) counts: 3 is the state. */
static const char *field(const char *after_name, unsigned n)
{
	const char *s = after_name;

	for (unsigned i = 2; s && i < n; i++) {
		s = strchr(s, ' ');
		s = s ? s + 1 : NULL;
	}
	return s;
}

/*
 * The name may hold anything, " ) R 1" among it, but only numbers and one letter
 * come after it: the last parenthesis is the one that ends it.
 */
int proc_stat_parse(const char *text, struct proc_stat *ret)
{
	const char *open_at = strchr(text, '(');
	const char *close_at = strrchr(text, ')');
	struct proc_stat st = { 0 };
	const char *start, *times;
	uint64_t ticks, user, system;
	size_t len;

	if (!open_at || !close_at || close_at < open_at)
		return -EINVAL;
	if (sscanf(close_at + 1, " %c %" SCNu32, &st.state, &st.ppid) != 2)
		return -EINVAL;
	start = field(close_at + 1, 22);
	if (!start || sscanf(start, "%" SCNu64, &ticks) != 1)
		return -EINVAL;
	st.start_ticks = (uint32_t)ticks;
	times = field(close_at + 1, 14);
	if (sscanf(times, "%" SCNu64 " %" SCNu64, &user, &system) != 2)
		return -EINVAL;
	st.cpu_ticks = user + system;
	len = (size_t)(close_at - open_at) - 1;
	memcpy(st.comm, open_at + 1, len < sizeof(st.comm) ? len : sizeof(st.comm) - 1);
	*ret = st;
	return 0;
}

int proc_stat(uint32_t pid, struct proc_stat *ret)
{
	char path[40], text[1024];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	r = proc_read(path, text, sizeof(text));
	return r < 0 ? r : proc_stat_parse(text, ret);
}

/* The path of a line "id:controllers:path" whose controllers are `wanted`, or NULL. */
static const char *cgroup_path(const char *line, const char *id, const char *wanted)
{
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path)
		return NULL;
	if (id && ((size_t)(controllers - line) != strlen(id) || strncmp(line, id, strlen(id))))
		return NULL;
	controllers++;
	if ((size_t)(path - controllers) != strlen(wanted) ||
	    strncmp(controllers, wanted, strlen(wanted)))
		return NULL;
	return path + 1;
}

/* A host with both hierarchies puts everything at the root of the one it does not use. */
void proc_cgroup_parse(const char *text, char *out, size_t out_size)
{
	const char *unified = NULL, *named = NULL, *path;
	size_t len;

	for (const char *line = text; *line; line += *line == '\n') {
		path = cgroup_path(line, "0", "");
		unified = path ?: unified;
		path = cgroup_path(line, NULL, "name=systemd");
		named = path ?: named;
		line += strcspn(line, "\n");
	}
	path = unified;
	if (named && (!unified || strcspn(unified, "\n") <= 1))
		path = named;
	len = path ? strcspn(path, "\n") : 0;
	if (len >= out_size)
		len = 0;
	memcpy(out, path ?: "", len);
	out[len] = '\0';
}

#define ROOT_INODE 1

/* Only the root of the hierarchy has everybody below it; in a namespace `/` may be another's. */
static bool is_cgroup_root(const char *path)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino == ROOT_INODE;
}

int proc_cgroup_root(char *out, size_t out_size)
{
	_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		char root[2], path[256];

		if (strstr(line, " - cgroup2 ") &&
		    sscanf(line, "%*u %*u %*s %1s %255s", root, path) == 2 &&
		    is_cgroup_root(path) && snprintf(out, out_size, "%s", path) < (int)out_size)
			return 0;
	}
	return -ENOENT;
}

void proc_cgroup(uint32_t pid, char *out, size_t out_size)
{
	char path[40], text[8192];

	out[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/cgroup", pid);
	if (!proc_read(path, text, sizeof(text)))
		proc_cgroup_parse(text, out, out_size);
}

void proc_exe(uint32_t pid, char *out, size_t out_size)
{
	char path[40];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/exe", pid);
	n = readlink(path, out, out_size);
	out[n < 0 || (size_t)n == out_size ? 0 : n] = '\0';
}

const char *proc_boot_tag(void)
{
	static char tag[8];
	char id[64];

	if (!tag[0] && !proc_read("/proc/sys/kernel/random/boot_id", id, sizeof(id)))
		(void)snprintf(tag, sizeof(tag), "%.4s", id);
	return tag[0] ? tag : "0000";
}
