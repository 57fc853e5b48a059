/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The load line of one pool and its gear.  What they rest on is in struct pool. */
#ifndef PLIMSOLL_LEVEL_LINE_H
#define PLIMSOLL_LEVEL_LINE_H

#include "level.h"

/* What one look measured. */
struct soundings {
	double rtt_var_ms2, jitter_rate, decay_factor;
	bool has_rtt;		/* the first two are measured at all */
	bool has_spread;	/* of enough round trips to say that they are calmer now */
};

/* Takes soundings in, and draws the line anew. */
void line_draw(struct pool *p, const struct soundings *s, uint64_t now_ns);

/* Shifts the gear to what level and line ask for.  Returns the gear it was. */
unsigned int gear_shift(struct pool *p, uint64_t now_ns);

#endif
