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
#include "conn/internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

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
	if (!t->table || !t->tallies || !t->early || !t->ended ||
	    index_init(&t->by_cookie, capacity) < 0 || index_init(&t->endpoints, capacity) < 0) {
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

void conns_end(struct conns *t, struct conn *c, uint64_t ended_ns)
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
		conns_end(t, c, 0);
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
	case TCP_STATE_FIN_WAIT1:
	case TCP_STATE_FIN_WAIT2:
	case TCP_STATE_TIME_WAIT:
	case TCP_STATE_CLOSE:
	case TCP_STATE_LAST_ACK:
	case TCP_STATE_CLOSING:
		return true;
	default:
		return s->phase == PHASE_CLOSED;
	}
}

#define TURNS 2	/* one may be a connection that is handed over */

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

struct conn *conns_apply_slot(struct conns *t, uint32_t index, const struct slot *s)
{
	struct conn *c;

	if (index >= t->capacity)
		return NULL;
	c = &t->table[index];
	if (c->used && (s->phase == PHASE_FREE || c->gen != s->gen || c->cookie != s->cookie))
		conns_end(t, c, 0);
	if (s->phase == PHASE_FREE || !s->cookie || (!c->used && s->phase == PHASE_CLOSED))
		return NULL;
	if (!c->used)
		begin_conn(t, index, s);
	conn_queues_moved(t, c, s);
	refresh(c, s);
	recognise(c, s);
	conns_apply_early(t, c);
	return c;
}

void conns_apply_lending(struct conns *t, uint64_t cookie, enum lending lending, uint64_t read_ns,
			 uint64_t now_ns)
{
	struct conn *c = conns_find_cookie(t, cookie);

	if (!c)
		return;
	if (lending != LENDING_LENT)
		c->lent_ns = 0;
	else if (c->lending != LENDING_LENT)
		c->lent_ns = now_ns;
	c->lending = (uint8_t)lending;
	c->lending_ns = read_ns;
}

/* HikariCP asks whether it is alive when it was not used for so long. */
#define PINGED_NS (500 * NS_PER_MS)

void conn_apply_sender(struct conn *c, uint32_t sender, uint32_t borrower, uint64_t since_ns)
{
	uint64_t seen_ns = c->sender_seen_ns;

	if (borrower != c->borrower || since_ns != c->borrowed_ns) {
		c->borrower = borrower;
		c->borrowed_ns = since_ns;
		c->borrowed_queries = c->sender_queries;
		c->borrowed_queries += seen_ns && elapsed_ns(seen_ns, since_ns) >= PINGED_NS;
	}
	c->sender = sender;
	c->sender_seen_ns = c->last_ns;
	c->sender_queries = c->queries;
}

void conn_apply_turns(struct conn *c, uint32_t turns, uint64_t now_ns)
{
	if (c->holders < 2 || turns < TURNS)
		c->shared_ns = 0;
	else if (!c->shared_ns)
		c->shared_ns = now_ns;
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
