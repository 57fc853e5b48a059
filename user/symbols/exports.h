/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of some functions an ELF file has, and where. */
#ifndef PLIMSOLL_SYMBOLS_EXPORTS_H
#define PLIMSOLL_SYMBOLS_EXPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/symbols_wire.h"

/*
 * For each of `n` names the place in the file where the function begins, 0 where
 * there is none; by its symbols, dynamic or not.  Closes `fd`.  False when the file is no
 * ELF file of this machine.
 */
bool exports_find(int fd, char names[][SYMBOLS_NAME_LEN], uint32_t n, uint64_t *offsets);

#endif
