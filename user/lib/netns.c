// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/netns.h"

#define OWN   "/proc/self/ns/net"
#define NAMED "/run/netns"

uint32_t netns_own(void)
{
	struct stat st;

	return stat(OWN, &st) ? 0 : (uint32_t)st.st_ino;
}

/* Inode numbers are those of one file system: a plain file there has its own. */
static bool is_mounted_at(int dir, const char *name, uint32_t inode, dev_t dev)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) &&
	       st.st_ino == inode && st.st_dev == dev;
}

void netns_name(uint32_t inode, char *out, size_t out_size)
{
	const struct dirent *entry;
	struct stat own;
	DIR *dir = opendir(NAMED);

	(void)snprintf(out, out_size, "net:[%" PRIu32 "]", inode);
	if (!dir)
		return;
	while (!stat(OWN, &own) && (entry = readdir(dir))) {
		if (!is_mounted_at(dirfd(dir), entry->d_name, inode, own.st_dev))
			continue;
		if (strlen(entry->d_name) < out_size)
			(void)snprintf(out, out_size, "%s", entry->d_name);
		break;
	}
	(void)closedir(dir);
}
