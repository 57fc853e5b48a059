/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which thread uses each connection of Java's pools, and which of its pools that is of. */
#ifndef PLIMSOLL_BORROWERS_H
#define PLIMSOLL_BORROWERS_H

#include "conn.h"

struct events;

/* One look at those that moved since the last one.  Without evidence nothing is known. */
void borrowers_step(const struct events *e, struct conns *t);

#endif
