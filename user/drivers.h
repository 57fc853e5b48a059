/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which frames of a stack belong to database drivers and language runtimes. */
#ifndef PLIMSOLL_DRIVERS_H
#define PLIMSOLL_DRIVERS_H

#include "lib/symbols.h"

/* Ends with an empty rule. */
extern const struct frame_rule driver_rules[];

#endif
