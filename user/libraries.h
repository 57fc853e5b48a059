/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins connections and probes: in the processes whose connections the wire cannot be
 * read of, client libraries are looked for by their functions, whatever their files are
 * called and wherever they are, and watched.
 */
#ifndef PLIMSOLL_LIBRARIES_H
#define PLIMSOLL_LIBRARIES_H

#include "conn.h"
#include "events.h"

struct libraries;

/* For `doctor`. */
struct libraries_state {
	uint32_t watched;	/* files with probes on them now */
	uint32_t read, not_read;	/* files looked into, and those that could not be */
	uint32_t refused;	/* files that the kernel takes no probes on */
	uint32_t left_out;	/* files for which there was no room */
};

/* `all`: every process with a database connection is looked at.  0 or -ENOMEM. */
int libraries_new(struct events *e, bool all, struct libraries **ret);
void libraries_free(struct libraries *l);

/* A step of the search; never blocks.  To be called a few times a second. */
void libraries_step(struct libraries *l, const struct conns *t, uint64_t now_ns);

struct libraries_state libraries_state(const struct libraries *l);

#endif
