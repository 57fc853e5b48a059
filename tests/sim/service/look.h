/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When the observer looks.  The daemon does so every 100 to 400 ms; 73 days of that
 * are too much to compute, and most of it shows nothing new.  So it looks here every 10
 * to 50 s in quiet times, every 100 ms for half a second after a suspicion, as the daemon
 * does, and every 100 to 400 ms in stretches that somebody asks for.
 */
#ifndef PLIMSOLL_SIM_LOOK_H
#define PLIMSOLL_SIM_LOOK_H

#include <stdbool.h>
#include <stdint.h>

/* Looks as often as the daemon does in this time. */
void look_closely(uint64_t from_ns, uint64_t until_ns);

/* Ends the observer and begins it anew. */
void look_restart(void);

#endif
