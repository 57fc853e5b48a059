/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Go's own table of functions, files and lines, which the runtime needs and strip
 * leaves in place.  Layouts of Go 1.18 and 1.20, little-endian, 64 bits.
 *
 * Every offset in it is somebody else's claim: nothing outside the given bytes is
 * ever read.
 */
#ifndef PLIMSOLL_SYMBOLS_PCLNTAB_H
#define PLIMSOLL_SYMBOLS_PCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCLNTAB_TEXT_START 24 /* where it says where the code begins, if nothing moved it */

struct pclntab {
	const uint8_t *bytes;
	size_t size;
	uint64_t text_start;
	uint64_t functions;			       /* how many */
	uint64_t names, units, files, programs, table; /* offsets of its parts */
	uint32_t quantum;			       /* bytes of the shortest instruction */
	uint32_t func_size; /* bytes of a function record, up to its programs */
};

/* `text_start` stands in where the table says 0.  0, or -EINVAL: no such table. */
int pclntab_open(const void *bytes, size_t size, uint64_t text_start, struct pclntab *ret);

struct pclntab_place {
	const char *function, *file; /* in the table, terminated; file NULL: unknown */
	uint32_t line;		     /* 0 unknown */
	bool inlined;		     /* the line is that of the call, or near it */
};

/* False when no function of the table contains `pc`. */
bool pclntab_find(const struct pclntab *t, uint64_t pc, struct pclntab_place *ret);

/* Where the function of exactly this name begins; false when there is none. */
bool pclntab_function(const struct pclntab *t, const char *name, uint64_t *ret_pc);

/* How far above the stack pointer the return address lies, at `pc`. */
bool pclntab_frame(const struct pclntab *t, uint64_t pc, uint64_t *ret_bytes);

#endif
