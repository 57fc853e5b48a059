// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/cleanup.h"
#include "lib/mapping.h"

static FILE *open_of(const char *pid, const char *what)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, what);
	return fopen(path, "re");
}

/* "start-end perms offset dev inode   path" */
static bool parse(const char *line, struct mapping *ret)
{
	static const char deleted[] = " (deleted)";
	struct mapping m = { 0 };
	char perms[8];
	int path_at = 0;
	const char *name;
	size_t len;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %" SCNu64 " %n", &m.start,
		   &m.end, perms, &m.offset, &m.inode, &path_at) != 5)
		return false;
	m.executable = strchr(perms, 'x') != NULL;
	name = strrchr(line + path_at, '/');
	name = name ? name + 1 : line + path_at;
	len = strcspn(name, "\n");
	if (len > sizeof(deleted) - 1 &&
	    !strncmp(name + len - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1))
		len -= sizeof(deleted) - 1;
	(void)snprintf(m.name, sizeof(m.name), "%.*s", (int)len, name);
	*ret = m;
	return true;
}

int mapping_walk(uint32_t pid, bool (*each)(const struct mapping *m, void *arg), void *arg)
{
	_fclose_ FILE *f = NULL;
	_free_ char *line = NULL;
	size_t size = 0;
	struct mapping m;
	char number[16];

	(void)snprintf(number, sizeof(number), "%" PRIu32, pid);
	f = open_of(number, "maps");
	if (!f)
		return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
	errno = 0;
	while (getline(&line, &size, f) > 0)
		if (parse(line, &m) && !each(&m, arg))
			break;
	return ferror(f) && errno ? -errno : 0;
}

/* O_NONBLOCK and O_NOCTTY say nothing together with O_PATH: that opens nothing. */
int mapping_pin(uint32_t pid, const struct mapping *m)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, pid,
		       m->start, m->end);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int mapping_pin_exe(uint32_t pid)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/exe", pid);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int remembered(int pin, struct statx *ret)
{
	const int how = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;

	return statx(pin, "", how, STATX_BASIC_STATS | STATX_MNT_ID, ret) ? -errno : 0;
}

int mapping_key(int pin, struct file_key *ret)
{
	struct statx sx;
	int r = remembered(pin, &sx);

	if (r < 0)
		return r;
	if (!S_ISREG(sx.stx_mode))
		return -EINVAL;
	*ret = (struct file_key){
		.device = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.inode = sx.stx_ino,
		.mtime_ns = (uint64_t)sx.stx_mtime.tv_sec * 1000000000 + sx.stx_mtime.tv_nsec,
		.size = sx.stx_size,
	};
	return 0;
}

/*
 * The type of the file system, by the number of the mount or, for a mount that is in
 * no namespace (the layers under an overlay), by its device.  "" unknown.
 */
static void type_of(const char *pid, const struct statx *sx, bool by_device, char type[static 32])
{
	_fclose_ FILE *f = open_of(pid, "mountinfo");
	_free_ char *line = NULL;
	size_t size = 0;

	type[0] = '\0';
	while (f && !type[0] && getline(&line, &size, f) > 0) {
		unsigned int major, minor;
		const char *after;
		uint64_t id;

		if (sscanf(line, "%" SCNu64 " %*u %u:%u", &id, &major, &minor) != 3)
			continue;
		if (by_device ? major != sx->stx_dev_major || minor != sx->stx_dev_minor
			      : id != sx->stx_mnt_id)
			continue;
		/* Optional fields come before the dash; a space in a path is written \040. */
		after = strstr(line, " - ");
		if (after)
			(void)sscanf(after + 3, "%31s", type);
	}
}

static bool is_served_by_a_program(const char *type)
{
	return !strcmp(type, "fuse") || !strncmp(type, "fuse.", 5) || !strcmp(type, "fuseblk");
}

int mapping_judge(int pin, uint32_t pid)
{
	char number[16], type[32] = "";
	const char *const who[] = { number, "self" };
	struct statx sx;
	int r = remembered(pin, &sx);

	if (r < 0)
		return r;
	(void)snprintf(number, sizeof(number), "%" PRIu32, pid);
	for (int by_device = 0; by_device < 2 && !type[0]; by_device++)
		for (size_t i = 0; i < ARRAY_SIZE(who) && !type[0]; i++)
			type_of(who[i], &sx, by_device, type);
	if (is_served_by_a_program(type))
		return -EREMOTE;
	/* A disk answers for itself; what has no device could be anybody's. */
	return type[0] || sx.stx_dev_major ? 0 : -ENODEV;
}
