// SPDX-License-Identifier: GPL-2.0-or-later
/* What could not wait for a look at the slot: the ring's records. */
#include <string.h>

#include "conn/internal.h"

static bool is_about(const struct rec_hdr *rec, const struct conn *c)
{
	return c->used && rec->slot == c->slot && rec->gen == c->gen && rec->cookie == c->cookie;
}

static void read_startup(struct conn *c, const struct rec_startup *r)
{
	c->protocol->startup(r->bytes, r->copied, c->user, c->database);
	c->named = true;
	if (c->protocol->replicates)
		c->replicates = c->protocol->replicates(r->bytes, r->copied);
}

/* What is not known is empty: rather no database than the one it has left. */
static void apply_use(struct conn *c, const struct rec_startup *r)
{
	memset(c->database, 0, sizeof(c->database));
	if (c->protocol && c->protocol->use && memchr(r->bytes, '\0', sizeof(r->bytes)))
		c->protocol->use((const char *)r->bytes, c->database);
}

static void apply_startup(struct conns *t, const struct rec_startup *r)
{
	struct conn *c = &t->table[r->hdr.slot];

	if (is_about(&r->hdr, c) && c->evidence == EVIDENCE_WIRE)
		read_startup(c, r);
	else if (!c->used || (int32_t)(r->hdr.gen - c->gen) >= 0)
		t->early[r->hdr.slot % EARLY_STARTUPS] = *r;
}

void conns_apply_early(struct conns *t, struct conn *c)
{
	struct rec_startup *early = &t->early[c->slot % EARLY_STARTUPS];

	if (!early->hdr.type || c->evidence != EVIDENCE_WIRE || !is_about(&early->hdr, c))
		return;
	read_startup(c, early);
	early->hdr.type = 0;
}

static bool is_socket_of(const struct protocol *p, const char *path)
{
	const char *name = strrchr(path, '/');

	return p->unix_name && name && !strncmp(name + 1, p->unix_name, strlen(p->unix_name));
}

/* Where a Unix socket leads to; of one that is older than we are, also what may be spoken. */
static void apply_path(struct conn *c, const struct rec_path *r)
{
	char path[UNIX_PATH + 1] = "";

	memcpy(path, r->path, UNIX_PATH);
	c->remote = addr_unix(path);
	for_each(protocol, it) {
		bool listens = protocol_is_served_by(*it, r->server);

		if (c->protocol || (!listens && !is_socket_of(*it, path)))
			continue;
		c->protocol = *it;
		c->evidence = listens ? EVIDENCE_SERVER : EVIDENCE_PORT;
	}
}

/* Who else gives the same number at the same server is not told to give up. */
static void apply_cancel(struct conns *t, const struct rec_cancel *r)
{
	struct addr server = { .port = r->rport };

	memcpy(server.ip, r->raddr, sizeof(server.ip));
	conns_for_each(t, c) {
		if (c->backend_pid != r->backend_pid || c->pid != r->tgid ||
		    !addr_equal(&c->remote, &server))
			continue;
		c->cancelled_ns = r->hdr.ts_ns;
		c->cancelled_queries = c->queries;
	}
}

void conns_apply_record(struct conns *t, const struct rec_hdr *rec, size_t len)
{
	const struct rec_startup *startup = (const struct rec_startup *)rec;
	const struct rec_closed *closed = (const struct rec_closed *)rec;
	const struct rec_stalled *stalled = (const struct rec_stalled *)rec;
	struct conn *c;

	if (len < sizeof(*rec) || rec->len > len || rec->slot >= t->capacity)
		return;
	c = &t->table[rec->slot];
	switch (rec->type) {
	case REC_STARTUP:
		if (rec->len >= sizeof(*startup) && startup->copied <= STARTUP_MAX)
			apply_startup(t, startup);
		break;
	case REC_PATH:
		if (rec->len >= sizeof(struct rec_path) && is_about(rec, c))
			apply_path(c, (const struct rec_path *)rec);
		break;
	case REC_DATABASE:
		if (rec->len >= sizeof(*startup) && is_about(rec, c))
			apply_use(c, startup);
		break;
	case REC_STALLED:
		if (rec->len >= sizeof(*stalled))
			conns_apply_queues(t, &stalled->queues, rec->ts_ns);
		break;
	case REC_LISTEN:
		if (is_about(rec, c))
			c->listens = true;
		break;
	case REC_CANCEL:
		if (rec->len >= sizeof(struct rec_cancel))
			apply_cancel(t, (const struct rec_cancel *)rec);
		break;
	case REC_CLOSED:
		if (rec->len < sizeof(*closed) || !is_about(rec, c))
			break;
		c->queries = closed->queries;
		conns_end(t, c, rec->ts_ns);
		break;
	default:
		break;
	}
}
