// SPDX-License-Identifier: GPL-2.0-or-later
/* The word of Go pools, which else is read from their processes' memory once a second. */
#include <stdlib.h>

#include "edge.h"
#include "gopools.h"
#include "pool.h"

struct gopools {
	struct conns *conns;
	uint64_t read_ns;
};

static struct gopools reader;

EDGE(int, gopools_new, struct events *e, struct conns *t, struct gopools **ret)
{
	(void)e;
	reader = (struct gopools){ .conns = t };
	*ret = &reader;
	return 0;
}

EDGE(void, gopools_free, struct gopools *g)
{
	(void)g;
}

EDGE(void, gopools_found, struct gopools *g, const struct rec_go_handle *r)
{
	(void)g;
	(void)r;
}

static bool can_be_asked(const struct client_pool *p)
{
	return p->tells && p->runs;
}

static void read_pool(struct gopools *g, const struct client_pool *p)
{
	for (size_t i = 0; i < POOL_LINKS; i++) {
		const struct link *l = &p->links[i];

		if (l->state != LINK_NONE && l->state != LINK_DIALLING)
			conns_apply_lending(g->conns, l->sock->slot.cookie,
					    l->state == LINK_FREE ? LENDING_FREE : LENDING_LENT,
					    sim_now_ns, sim_now_ns);
	}
}

EDGE(void, gopools_step, struct gopools *g, uint64_t now_ns)
{
	if (elapsed_ns(g->read_ns, now_ns) < NS_PER_S)
		return;
	g->read_ns = now_ns;
	for (size_t n = 0; n < pools_count(); n++)
		if (can_be_asked(pools_get(n)))
			read_pool(g, pools_get(n));
}

static void tell(const struct gopools *g, struct levels *l, const struct client_pool *p)
{
	const struct pool_word word = {
		.known = true,
		.max_open = p->max_open,
		.open = p->open,
		.idle = p->idle_count,
	};

	for (size_t i = 0; i < POOL_LINKS; i++) {
		const struct link *link = &p->links[i];
		const struct conn *c =
			link->state == LINK_FREE || link->state == LINK_LENT
				? conns_find_cookie(g->conns, link->sock->slot.cookie)
				: NULL;

		if (c) {
			levels_apply_word(l, c, &word);
			return;
		}
	}
}

EDGE(void, gopools_tell, struct gopools *g, struct levels *l)
{
	for (size_t n = 0; n < pools_count(); n++)
		if (can_be_asked(pools_get(n)))
			tell(g, l, pools_get(n));
}
