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

struct go_memory {
	/* All of `size` bytes or nothing. */
	bool (*read)(uint64_t address, void *to, size_t size, void *arg);
	void *arg;
};

static inline bool memory_read(const struct go_memory *m, uint64_t address, void *to, size_t size)
{
	return address && m->read(address, to, size, m->arg);
}

#endif
