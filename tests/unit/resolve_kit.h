/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lookups in lib/symbols.h that wait for the reader, as only a test may. */
#ifndef PLIMSOLL_RESOLVE_KIT_H
#define PLIMSOLL_RESOLVE_KIT_H

#include <poll.h>
#include <string.h>

#include "lib/symbols.h"

static inline void await_reader(struct lookup *l)
{
	while (!lookup_step(l)) {
		struct pollfd p = { .fd = lookup_fd(l), .events = POLLIN };

		(void)poll(&p, 1, 100);
	}
}

/* `frames` has room for n + 1.  The number of frames, or -errno as from symbols_start(). */
static inline int resolve(struct symbols *s, uint32_t pid, const uint64_t *addrs, size_t n,
			  struct frame *frames)
{
	const struct frame *found;
	struct lookup *l = NULL;
	int r = symbols_start(s, pid, addrs, n, &l);

	if (r < 0)
		return r;
	await_reader(l);
	found = lookup_frames(l, &n);
	memcpy(frames, found, n * sizeof(*frames));
	lookup_free(l);
	return (int)n;
}

/* "" where it is not known. */
static inline const char *language_now(struct symbols *s, uint32_t pid)
{
	struct lookup *l = NULL;
	const char *language;

	if (symbols_start(s, pid, NULL, 0, &l) < 0)
		return "";
	await_reader(l);
	language = lookup_language(l);
	lookup_free(l);
	return language;
}

#endif
