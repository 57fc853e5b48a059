// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of connections: one entry for each of the kernel's slots.
 *
 * An entry is one connection for as long as generation and cookie stay the same;
 * when either changes the old one has ended and the new one inherits nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "conn.h"
#include "conn/queues.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

/* One connection's part of a count of holders. */
struct tally {
	uint32_t processes;
	uint32_t last_tgid; /* a process comes with all its descriptors in one go */
	bool owner_seen;
	struct holder oldest;
};

static const char *const activity_names[] = {
	"unknown", "starting", "idle", "busy", "idle-in-txn", "failed-txn", "unread",
};
_Static_assert(ARRAY_SIZE(activity_names) == ACTIVITY_MAX, "every activity has a name");

static const char *const stage_names[] = {
	"establishing", "ready", "degraded", "recovering", "terminated",
};
_Static_assert(ARRAY_SIZE(stage_names) == STAGE_MAX, "every stage has a name");

static const char *const evidence_names[] = { "none", "wire", "endpoint", "server", "port" };
_Static_assert(ARRAY_SIZE(evidence_names) == EVIDENCE_MAX, "every evidence has a name");

int conns_init(struct conns *t, uint32_t capacity, const char *boot_tag)
{
	*t = (struct conns){ .capacity = capacity };
	(void)snprintf(t->boot_tag, sizeof(t->boot_tag), "%s", boot_tag);
	t->table = calloc(capacity, sizeof(*t->table));
	t->tallies = calloc(capacity, sizeof(*t->tallies));
	t->early = calloc(EARLY_STARTUPS, sizeof(*t->early));
	t->ended = calloc(ENDED_KEPT, sizeof(*t->ended));
	if (!t->table || !t->tallies || !t->early || !t->ended || index_init(&t->by_cookie, capacity) < 0 ||
	    index_init(&t->endpoints, capacity) < 0) {
		conns_done(t);
		return -ENOMEM;
	}
	return 0;
}

void conns_done(struct conns *t)
{
	free(t->table);
	free(t->tallies);
	free(t->early);
	free(t->ended);
	index_done(&t->by_cookie);
	index_done(&t->endpoints);
	*t = (struct conns){ 0 };
}

static bool same_cookie(const void *table, uint32_t n, const void *cookie)
{
	return ((const struct conn *)table)[n].cookie == *(const uint64_t *)cookie;
}

static uint64_t hash_cookie(const struct conns *t, uint64_t cookie)
{
	return XXH3_64bits_withSeed(&cookie, sizeof(cookie), t->by_cookie.seed);
}

struct conn *conns_find_cookie(struct conns *t, uint64_t cookie)
{
	uint32_t n = index_find(&t->by_cookie, hash_cookie(t, cookie), same_cookie, t->table,
				&cookie);

	return n == INDEX_NONE ? NULL : &t->table[n];
}

struct conn *conns_find_id(struct conns *t, const char *id)
{
	const char *dot = strchr(id, '.');
	struct conn *c = dot ? conns_find_cookie(t, strtoull(dot + 1, NULL, 16)) : NULL;

	return c && strcmp(c->id, id) == 0 ? c : NULL;
}

/* Whose protocol was never known was of no pool.  `ended_ns`: 0 if nobody saw it end. */
static void note_ended(struct conns *t, const struct conn *c, uint64_t ended_ns)
{
	struct ended *n;

	if (!c->protocol || c->phase <= PHASE_HELLO)
		return;
	n = &t->ended[t->ended_count++ % ENDED_KEPT];
	*n = (struct ended){
		.cookie = c->cookie,
		.slot = c->slot,
		.uid = c->uid,
		.pid = c->pid,
		.start_ticks = c->start_ticks,
		.remote = c->remote,
		.protocol = c->protocol,
		.opened_ns = c->opened_ns,
		.last_ns = c->last_ns,
		.ended_ns = ended_ns,
		.queries = c->queries,
		.adopted = c->adopted,
	};
	memcpy(n->user, c->user, sizeof(n->user));
	memcpy(n->database, c->database, sizeof(n->database));
	memcpy(n->comm, c->comm, sizeof(n->comm));
}

static void end_conn(struct conns *t, struct conn *c, uint64_t ended_ns)
{
	note_ended(t, c, ended_ns);
	index_remove(&t->by_cookie, hash_cookie(t, c->cookie), c->slot);
	*c = (struct conn){ 0 };
	t->open--;
	t->closed++;
	while (t->high && !t->table[t->high - 1].used)
		t->high--;
}

static void begin_conn(struct conns *t, uint32_t index, const struct slot *s)
{
	struct conn *c = conns_find_cookie(t, s->cookie);

	/* A cookie names one socket: an entry under another number is out of date. */
	if (c)
		end_conn(t, c, 0);
	c = &t->table[index];
	*c = (struct conn){
		.cookie = s->cookie,
		.slot = index,
		.gen = s->gen,
		.netns = s->netns,
		.local.port = s->lport,
		.remote.port = s->rport,
		.pid = s->tgid,
		.start_ticks = s->start_ticks,
		.tid = s->tid,
		.uid = s->uid,
		.adopted = s->flags & SLOT_ADOPTED || s->phase == PHASE_ADOPTED,
		.opened_ns = s->opened_ns,
		.used = true,
	};
	memcpy(c->remote.ip, s->raddr, sizeof(c->remote.ip));
	memcpy(c->comm, s->comm, sizeof(c->comm) - 1);
	(void)snprintf(c->id, sizeof(c->id), "c%s.%llx", t->boot_tag,
		       (unsigned long long)s->cookie);
	index_put(&t->by_cookie, hash_cookie(t, s->cookie), index);
	t->tallies[index] = (struct tally){ 0 };
	t->open++;
	if (index >= t->high)
		t->high = index + 1;
}

static bool is_ended(const struct slot *s)
{
	switch (s->tcp_state) {
	case 4:	 /* FIN_WAIT1 */
	case 5:	 /* FIN_WAIT2 */
	case 6:	 /* TIME_WAIT */
	case 7:	 /* CLOSE */
	case 9:	 /* LAST_ACK */
	case 11: /* CLOSING */
		return true;
	default:
		return s->phase == PHASE_CLOSED;
	}
}

#define TCP_STATE_CLOSE_WAIT 8
#define TURNS		     2	/* one may be a connection that is handed over */

/* As far as the slot says it; whether a connection that is ready does well, conn/stage.c. */
static enum stage stage_of(const struct conn *c, const struct slot *s)
{
	if (is_ended(s))
		return STAGE_TERMINATED;
	if (s->tcp_state == TCP_STATE_CLOSE_WAIT)
		return STAGE_DEGRADED;
	if (s->phase < PHASE_READY)
		return STAGE_ESTABLISHING;
	return c->stage == STAGE_DEGRADED || c->stage == STAGE_RECOVERING ? c->stage : STAGE_READY;
}

static bool is_busy(const struct slot *s)
{
	return s->flags & SLOT_BUSY || s->pending;
}

/* Whether what the wire says of this connection may be out of date. */
static bool is_uncertain(const struct slot *s)
{
	if (s->phase == PHASE_READY)
		return s->flags & (SLOT_UNFRAMED | SLOT_UNCOUNTED);
	return s->phase == PHASE_ADOPTED;
}

/* COPY sends such parts too, but not before the server has said to go on. */
static bool is_half_asked(const struct conn *c, const struct slot *s)
{
	return s->phase == PHASE_READY && s->protocol == WIRE_POSTGRESQL && s->pending &&
	       !is_uncertain(s) && (int32_t)(s->tx_msg - s->tx_next) > 0 &&
	       s->rx_bytes == c->rest_rx_bytes;
}

static enum activity activity_of(const struct slot *s)
{
	if (s->phase < PHASE_READY)
		return ACTIVITY_STARTING;
	if (s->phase != PHASE_READY)
		return ACTIVITY_UNKNOWN;
	if (is_busy(s))
		return ACTIVITY_BUSY;
	if (is_uncertain(s))
		return ACTIVITY_UNKNOWN;
	switch (s->status) {
	case 'I':
		return ACTIVITY_IDLE;
	case 'T':
		return ACTIVITY_IDLE_IN_TXN;
	case 'E':
		return ACTIVITY_FAILED_TXN;
	default:
		return ACTIVITY_UNKNOWN;
	}
}

static void recognise(struct conn *c, const struct slot *s)
{
	if (s->protocol == WIRE_UNKNOWN || c->evidence == EVIDENCE_WIRE)
		return;
	for_each(protocol, it) {
		if ((*it)->wire == s->protocol) {
			c->protocol = *it;
			c->evidence = EVIDENCE_WIRE;
		}
	}
}

static void refresh(struct conn *c, const struct slot *s)
{
	c->stage = stage_of(c, s);
	c->said = activity_of(s);
	c->status = s->status;
	c->answered = s->answered;
	c->replicates |= s->protocol == WIRE_MYSQL && (s->asked & MYSQL_KIND) == MYSQL_STREAM;
	c->uncertain = is_uncertain(s);
	c->phase = s->phase;
	c->tcp_state = s->tcp_state;
	c->tls = s->flags & SLOT_TLS;
	c->gss = s->flags & SLOT_GSS && s->protocol != WIRE_MYSQL;
	c->compressed = s->flags & SLOT_COMPRESSED && s->protocol == WIRE_MYSQL;
	/* Bound late: at the first look connect() may not have chosen it yet. */
	memcpy(c->local.ip, s->laddr, sizeof(c->local.ip));
	c->local.port = s->lport;
	if (c->last_ns != s->last_ns)
		c->paused_ns = 0;
	c->last_ns = s->last_ns;
	c->txn_ns = s->txn_ns;
	c->queries = s->queries;
	c->backend_pid = s->backend_pid;
	c->rx_bytes = s->rx_bytes;
	c->tx_bytes = s->tx_bytes;
	c->rtt_us = s->rtt_us;
	c->mdev_us = s->mdev_us;
	c->rtt_n = s->rtt_n;
	c->rtt_sum_us = s->rtt_sum_us;
	c->rtt_sq_us2 = s->rtt_sq_us2;
	if (c->said != ACTIVITY_FAILED_TXN)
		c->defused_rx_bytes = 0;
	conn_queues_settle(c);
	if (c->said >= ACTIVITY_IDLE && c->said != ACTIVITY_BUSY)
		c->rest_rx_bytes = s->rx_bytes;
	c->half_asked = is_half_asked(c, s);
}

static void read_startup(struct conn *c, const struct rec_startup *r)
{
	c->protocol->startup(r->bytes, r->copied, c->user, c->database);
	c->named = true;
	if (c->protocol->replicates)
		c->replicates = c->protocol->replicates(r->bytes, r->copied);
}

static bool is_about(const struct rec_hdr *rec, const struct conn *c)
{
	return c->used && rec->slot == c->slot && rec->gen == c->gen && rec->cookie == c->cookie;
}

struct conn *conns_apply_slot(struct conns *t, uint32_t index, const struct slot *s)
{
	struct rec_startup *early;
	struct conn *c;

	if (index >= t->capacity)
		return NULL;
	c = &t->table[index];
	if (c->used && (s->phase == PHASE_FREE || c->gen != s->gen || c->cookie != s->cookie))
		end_conn(t, c, 0);
	if (s->phase == PHASE_FREE || !s->cookie || (!c->used && s->phase == PHASE_CLOSED))
		return NULL;
	if (!c->used)
		begin_conn(t, index, s);
	conn_queues_moved(t, c, s);
	refresh(c, s);
	recognise(c, s);
	early = &t->early[index % EARLY_STARTUPS];
	if (early->hdr.type && c->evidence == EVIDENCE_WIRE && is_about(&early->hdr, c)) {
		read_startup(c, early);
		early->hdr.type = 0;
	}
	return c;
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

static bool is_server_named(const struct protocol *p, const char comm[static 16])
{
	for (size_t i = 0; i < SERVER_COMMS && p->server_comms[i]; i++)
		if (strncmp(p->server_comms[i], comm, 16) == 0)
			return true;
	return false;
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
		bool listens = is_server_named(*it, r->server);

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
	conns_for_each(t, c)
		if (c->backend_pid == r->backend_pid && c->pid == r->tgid &&
		    addr_equal(&c->remote, &server))
			c->cancelled_ns = r->hdr.ts_ns;
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
		end_conn(t, c, rec->ts_ns);
		break;
	default:
		break;
	}
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
		if (!is_server_named(*it, h->comm) || t->server_count == LOCAL_SERVERS)
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

void conns_apply_lending(struct conns *t, uint64_t cookie, enum lending lending, uint64_t now_ns)
{
	struct conn *c = conns_find_cookie(t, cookie);

	if (!c)
		return;
	if (lending != LENDING_LENT)
		c->lent_ns = 0;
	else if (c->lending != LENDING_LENT)
		c->lent_ns = now_ns;
	c->lending = (uint8_t)lending;
}

void conn_apply_turns(struct conn *c, uint32_t turns, uint64_t now_ns)
{
	if (c->holders < 2 || turns < TURNS)
		c->shared_ns = 0;
	else if (!c->shared_ns)
		c->shared_ns = now_ns;
}

static bool same_endpoint(const void *table, uint32_t n, const void *key)
{
	const struct conn *a = &((const struct conn *)table)[n], *b = key;

	return a->netns == b->netns && addr_equal(&a->remote, &b->remote);
}

/* An address means something only in its own network namespace. */
static uint64_t hash_endpoint(const struct conns *t, const struct conn *c)
{
	uint64_t h = XXH3_64bits_withSeed(c->remote.ip, sizeof(c->remote.ip), t->endpoints.seed);

	return h ^ ((uint64_t)c->netns << 16 | c->remote.port) * 0x9e3779b97f4a7c15ULL;
}

static bool wants_guess(const struct conn *c)
{
	return c->adopted && !c->protocol;
}

static void index_endpoints(struct conns *t)
{
	index_clear(&t->endpoints);
	conns_for_each(t, c) {
		uint64_t hash = hash_endpoint(t, c);

		if (c->evidence == EVIDENCE_WIRE &&
		    index_find(&t->endpoints, hash, same_endpoint, t->table, c) == INDEX_NONE)
			index_put(&t->endpoints, hash, c->slot);
	}
}

static bool is_local(const struct conn *c)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };
	const uint8_t *ip = c->remote.ip;

	return memcmp(ip, c->local.ip, 16) == 0 || memcmp(ip, v6_loopback, 16) == 0 ||
	       (addr_is_v4(ip) && ip[12] == 127);
}

static const struct protocol *served_at(const struct conns *t, const struct conn *c)
{
	for (uint32_t i = 0; i < t->server_count && is_local(c); i++)
		if (t->servers[i].port == c->remote.port && t->servers[i].netns == c->netns)
			return t->servers[i].protocol;
	return NULL;
}

static void guess(struct conns *t, struct conn *c)
{
	uint32_t n = index_find(&t->endpoints, hash_endpoint(t, c), same_endpoint, t->table, c);
	const struct protocol *served = served_at(t, c);

	if (n != INDEX_NONE || served) {
		c->protocol = n != INDEX_NONE ? t->table[n].protocol : served;
		c->evidence = n != INDEX_NONE ? EVIDENCE_ENDPOINT : EVIDENCE_SERVER;
		return;
	}
	for_each(protocol, it) {
		if ((*it)->usual_port == c->remote.port) {
			c->protocol = *it;
			c->evidence = EVIDENCE_PORT;
		}
	}
}

void conns_guess_protocols(struct conns *t)
{
	bool indexed = false;

	conns_for_each(t, c) {
		if (!wants_guess(c))
			continue;
		if (!indexed)
			index_endpoints(t);
		indexed = true;
		guess(t, c);
	}
}

bool conn_is_listed(const struct conn *c)
{
	return c->protocol && c->stage != STAGE_TERMINATED && c->phase > PHASE_HELLO;
}

bool conn_is_unix(const struct conn *c)
{
	return addr_is_unix(&c->remote);
}

bool conn_is_opaque(const struct conn *c)
{
	return c->tls || c->gss || c->compressed;
}

void conn_apply_pause(struct conn *c, uint64_t from_ns, bool paused, uint64_t now_ns)
{
	c->paused_ns += elapsed_ns(from_ns > c->last_ns ? from_ns : c->last_ns, now_ns);
	c->paused = paused;
	c->paused_at_ns = now_ns;
}

uint64_t conn_quiet_ns(const struct conn *c, uint64_t now_ns)
{
	uint64_t until_ns = c->paused ? c->paused_at_ns : now_ns;
	uint64_t moved_ns = c->last_ns > c->view.read_ns ? c->last_ns : c->view.read_ns;
	uint64_t quiet_ns = elapsed_ns(moved_ns, until_ns);

	return quiet_ns > c->paused_ns ? quiet_ns - c->paused_ns : 0;
}

const char *activity_name(enum activity a)
{
	return a < ACTIVITY_MAX ? activity_names[a] : "unknown";
}

const char *stage_name(enum stage s)
{
	return s < STAGE_MAX ? stage_names[s] : "terminated";
}

const char *evidence_name(enum evidence e)
{
	return e < EVIDENCE_MAX ? evidence_names[e] : "none";
}
