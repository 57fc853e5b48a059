// SPDX-License-Identifier: GPL-2.0-or-later
/* The STOP file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "engine.h"
#include "lib/cleanup.h"

#define STOP_FILE "STOP"

static int state_path(const struct engine *e, const char *file, char *out, size_t size)
{
	if (!e->state_dir)
		return -ENOENT;
	return snprintf(out, size, "%s/%s", e->state_dir, file) < (int)size ? 0 : -ENAMETOOLONG;
}

bool engine_is_stopped(const struct engine *e)
{
	char path[512];

	return !state_path(e, STOP_FILE, path, sizeof(path)) && !access(path, F_OK);
}

int engine_set_stopped(struct engine *e, bool stopped)
{
	char path[512];
	int r = state_path(e, STOP_FILE, path, sizeof(path));
	_close_ int fd = -1;

	if (r)
		return r;
	if (!stopped)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : 0;
}
