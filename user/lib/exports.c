// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The answers come in the order of the files: the first that does not come names the
 * one that stopped the reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/exports.h"
#include "lib/helper.h"
#include "lib/symbols_wire.h"

#define DEADLINE_NS    (3 * NS_PER_S)
#define OUT_OF_THE_WAY 64	/* of the numbers that the request gives */

_Static_assert(EXPORTS_FILES_MAX == SYMBOLS_FILES_MAX, "each file has its number");
_Static_assert(EXPORTS_NAMES_MAX == SYMBOLS_NAMES_MAX, "each name has its place");

struct exports {
	struct exports_file *files;
	size_t count, answered;
	struct helper helper;
	uint64_t started_ns;
	struct symbols_offsets answer;	/* the part of it that has come */
	size_t have;
	bool ended;	/* and not gone */
};

/* In the new process: whatever answers for a file, and whenever, keeps only it waiting. */
static int open_files(void *arg)
{
	const struct exports *x = arg;
	int pins[EXPORTS_FILES_MAX];
	char path[40];

	for (size_t i = 0; i < x->count; i++) {
		pins[i] = fcntl(x->files[i].pin, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
		if (pins[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < x->count; i++) {
		int to = SYMBOLS_FD + (int)i, fd;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pins[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			(void)close(to);
		else if (fd == to)
			(void)fcntl(fd, F_SETFD, 0);
		else if (dup2(fd, to) < 0 || close(fd))
			return -errno;
	}
	return SYMBOLS_FD + (int)x->count;
}

int exports_start(const char *helper, const char *const *names, size_t n,
		  struct exports_file *files, size_t count, struct exports **ret)
{
	struct symbols_names request = { .head = { SYMBOLS_NAMES_MAGIC, (uint32_t)count,
						   (uint32_t)n } };
	size_t size = offsetof(struct symbols_names, names) + n * sizeof(request.names[0]);
	char beside_us[4096];
	struct exports *x;
	int r;

	if (n > EXPORTS_NAMES_MAX || count > EXPORTS_FILES_MAX)
		return -E2BIG;
	if (!helper) {
		r = helper_beside_us("plimsoll-symbols", beside_us, sizeof(beside_us));
		if (r)
			return r;
		helper = beside_us;
	}
	for (size_t i = 0; i < n; i++)
		(void)snprintf(request.names[i], sizeof(request.names[i]), "%s", names[i]);
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->files = files;
	x->count = count;
	x->started_ns = clock_now_ns();
	r = helper_start(helper, &request, size, open_files, x, &x->helper);
	if (r) {
		free(x);
		return r;
	}
	*ret = x;
	return 0;
}

static bool take(struct exports *x)
{
	struct exports_file *f = &x->files[x->answered];

	if (x->answer.file != x->answered)
		return false;
	f->state = x->answer.read ? EXPORTS_READ : EXPORTS_NOT_READ;
	memcpy(f->offsets, x->answer.offsets, sizeof(f->offsets));
	x->answered++;
	x->have = 0;
	return true;
}

bool exports_step(struct exports *x)
{
	bool over = elapsed_ns(x->started_ns, clock_now_ns()) >= DEADLINE_NS;

	while (x->answered < x->count) {
		ssize_t n = read(x->helper.out, (char *)&x->answer + x->have,
				 sizeof(x->answer) - x->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !over)
			return false;
		if (n <= 0)
			break;
		x->have += (size_t)n;
		if (x->have == sizeof(x->answer) && !take(x))
			break;
	}
	if (x->answered < x->count)
		x->files[x->answered].state = EXPORTS_NOT_READ;
	return true;
}

bool exports_end(struct exports *x)
{
	if (x->ended ? !helper_gone(x->helper.pid) : !helper_stop(&x->helper)) {
		x->ended = true;
		return false;
	}
	free(x);
	return true;
}
