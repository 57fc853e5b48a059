/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches who sends on the connections that several processes have open. */
#ifndef PLIMSOLL_TURNS_H
#define PLIMSOLL_TURNS_H

#include "conn.h"

struct events;

struct turns {
	uint64_t stepped_ns;
	uint64_t grown_ns;	/* when there was last one more of them */
	uint32_t shared;	/* how many there are */
};

/* One look, now and then; else nothing is done. */
void turns_step(struct turns *n, struct events *e, struct conns *t, uint64_t now_ns);

#endif
