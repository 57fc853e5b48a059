/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edges of the program under test: the functions through which it meets kernel,
 * clock, processes and disk are put aside by the linker (--wrap) for those in edge*.c,
 * which ask the modelled world.  Everything between them is the program's own.
 */
#ifndef PLIMSOLL_SIM_EDGE_H
#define PLIMSOLL_SIM_EDGE_H

#include <stdbool.h>

#include "event.h"

/* What the linker puts in place of NAME; of the same type, or it is not compiled. */
#define EDGE(type, name, ...)                                                                      \
	extern __typeof__(name) __wrap_##name;                                                     \
	type __wrap_##name(__VA_ARGS__)

/* A record for the ring.  False when it is full. */
bool edge_submit(const struct rec_hdr *rec);

/* Whether records wait. */
bool edge_has_records(void);

#endif
