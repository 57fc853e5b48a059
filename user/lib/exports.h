/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of some functions other people's files have, and where in them.  Asked of the
 * reader (user/symbols.c), in a process of its own without privileges, within 3 s.
 */
#ifndef PLIMSOLL_EXPORTS_H
#define PLIMSOLL_EXPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORTS_FILES_MAX 32
#define EXPORTS_NAMES_MAX 64

enum exports_state {
	EXPORTS_UNKNOWN,	/* nobody got to it: it may be asked again */
	EXPORTS_READ,
	EXPORTS_NOT_READ,	/* no ELF file, or it stopped the reader */
};

struct exports_file {
	int pin;		/* of the caller: names the file, cannot read it */
	enum exports_state state;
	uint64_t offsets[EXPORTS_NAMES_MAX];	/* of each name; 0: it has none such */
};

struct exports;

/*
 * Begins to look for `n` functions in `count` files, which stay the caller's and in
 * their place until exports_end().  Never blocks.  `helper`: path of the reader, NULL for
 * the one beside our own program.  0 or -errno.
 */
int exports_start(const char *helper, const char *const *names, size_t n,
		  struct exports_file *files, size_t count, struct exports **ret);

/* True when all is known that ever will be.  To be called again and again until then. */
bool exports_step(struct exports *x);

/* At any time.  False when the reader does not go at once (it waits for a disk): again later. */
bool exports_end(struct exports *x);

#endif
