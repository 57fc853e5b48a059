/* SPDX-License-Identifier: GPL-2.0-or-later */
/* perf-PID.map: what compilers at run time write of the code they made. */
#ifndef PLIMSOLL_SYMBOLS_PERF_MAP_H
#define PLIMSOLL_SYMBOLS_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbols/module.h"

/* The last line that covers `address`: code moves, and lines are only ever added. */
bool perf_map_find(const char *text, size_t len, uint64_t address, struct place *ret);

#endif
