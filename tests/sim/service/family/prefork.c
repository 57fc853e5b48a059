// SPDX-License-Identifier: GPL-2.0-or-later
/* Forked before they serve: each worker with one connection of its own, for life. */
#include "family/house.h"

static void begin(struct client_pool *p)
{
	p->workers = 4;
	p->every_ns = chance_between(MINUTE, 20 * MINUTE);
}

static const struct family prefork = {
	.name = "prefork",
	.share = 5,
	.begin = begin,
};
REGISTER(family, prefork);
