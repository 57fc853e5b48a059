// SPDX-License-Identifier: GPL-2.0-or-later
/* A job of the clock: begins, connects, works for some minutes, ends.  A new process each time. */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->max_open = p->max_idle = (uint32_t)chance_between(1, 8);
	p->every_ns = 20 * NS_PER_S;
	p->night = 1;
	p->house_ns = chance_between(1, 10) * MINUTE;
}

static void keep_house(struct client_pool *p)
{
	uint32_t busy = p->open - p->idle_count;

	if (busy || !p->idle_count)
		return;
	pool_restart(p, chance_between(5, 120) * MINUTE);
}

static const struct family cron = {
	.name = "cron",
	.share = 1,
	.begin = begin,
	.keep_house = keep_house,
};
REGISTER(family, cron);
