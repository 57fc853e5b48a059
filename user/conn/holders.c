// SPDX-License-Identifier: GPL-2.0-or-later
/* Which processes have a connection open, and what the servers among them speak. */
#include <string.h>

#include "conn/internal.h"

bool protocol_is_served_by(const struct protocol *p, const char comm[static 16])
{
	for (size_t i = 0; i < SERVER_COMMS && p->server_comms[i]; i++)
		if (strncmp(p->server_comms[i], comm, 16) == 0)
			return true;
	return false;
}

void conns_holders_begin(struct conns *t)
{
	memset(t->tallies, 0, t->high * sizeof(*t->tallies));
	t->server_count = 0;
}

/* Who listens tells what is spoken there, to clients on this host. */
static void apply_listener(struct conns *t, const struct holder *h)
{
	for_each(protocol, it) {
		if (!protocol_is_served_by(*it, h->comm) || t->server_count == LOCAL_SERVERS)
			continue;
		t->servers[t->server_count++] = (struct local_server){
			.netns = h->netns,
			.port = h->port,
			.protocol = *it,
		};
	}
}

static bool is_owner(const struct conn *c, const struct holder *h)
{
	return c->pid == h->tgid && (c->start_ticks == h->start_ticks || !c->start_ticks);
}

void conns_apply_holder(struct conns *t, const struct holder *h)
{
	struct conn *c = h->port ? NULL : conns_find_cookie(t, h->cookie);
	struct tally *n;

	if (h->port)
		apply_listener(t, h);
	if (!c || !h->tgid)
		return;
	n = &t->tallies[c->slot];
	if (n->last_tgid == h->tgid)
		return;
	n->last_tgid = h->tgid;
	n->processes++;
	n->owner_seen |= is_owner(c, h);
	if (n->processes == 1 || h->start_ticks < n->oldest.start_ticks)
		n->oldest = *h;
}

static void move_to(struct conn *c, const struct holder *h)
{
	c->pid = h->tgid;
	c->start_ticks = h->start_ticks;
	c->uid = h->uid;
	c->tid = 0;
	memset(c->comm, 0, sizeof(c->comm));
	memcpy(c->comm, h->comm, sizeof(c->comm) - 1);
}

void conns_holders_end(struct conns *t)
{
	conns_for_each(t, c) {
		const struct tally *n = &t->tallies[c->slot];

		c->holders = n->processes;
		if (!n->processes)
			continue;
		if (!c->pid || (!n->owner_seen && n->processes == 1))
			move_to(c, &n->oldest);
		else if (n->owner_seen && !c->start_ticks)
			c->start_ticks = n->oldest.start_ticks;
	}
}
