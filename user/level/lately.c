// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "level/lately.h"

static struct pool *find(const struct levels *l, const struct conn *c)
{
	for (uint32_t i = 0; i < LATELY; i++)
		if (pool_owns(&l->lately[i], c))
			return &l->lately[i];
	return NULL;
}

static struct pool *oldest(struct levels *l)
{
	return &l->lately[l->lately_next++ % LATELY];
}

void lately_keep(struct levels *l, const struct pool *p)
{
	if (p->pid)
		*oldest(l) = *p;
}

void lately_take(struct levels *l, const struct conn *c, struct history *ret)
{
	struct pool *p = find(l, c);

	if (!p)
		return;
	*ret = p->history;
	*p = (struct pool){ 0 };
}

struct history *lately_of(struct levels *l, const struct ended *e, const struct conn *key)
{
	struct pool *p = find(l, key);

	if (p)
		return &p->history;
	p = oldest(l);
	*p = (struct pool){
		.pid = e->pid,
		.start_ticks = e->start_ticks,
		.uid = e->uid,
		.endpoint = e->remote,
		.protocol = e->protocol,
		.gear = 1,
	};
	memcpy(p->user, e->user, sizeof(p->user));
	memcpy(p->database, e->database, sizeof(p->database));
	memcpy(p->comm, e->comm, sizeof(p->comm));
	p->forwards = is_forwarder(p->comm);
	p->history.moves.tell = fills_ahead(p->comm);
	return &p->history;
}
