/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a process as its reader sees it.  Whatever stands in it may be wrong,
 * meant to mislead, and another the next time: every reading of it is bounded.
 */
#ifndef PLIMSOLL_GOPOOLS_MEMORY_H
#define PLIMSOLL_GOPOOLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct go_span {
	uint64_t address;
	void *to;
	size_t size;
};

#define GO_SPANS_MAX 2

struct go_memory {
	/* All bytes of all spans (GO_SPANS_MAX at most), one span after the other, or nothing. */
	bool (*read)(const struct go_span *spans, size_t n, void *arg);
	void *arg;
};

static inline bool memory_read(const struct go_memory *m, uint64_t address, void *to, size_t size)
{
	const struct go_span span = { address, to, size };

	return address && m->read(&span, 1, m->arg);
}

#endif
