// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools and their load line.
 *
 * A pool lives as long as a connection of it is open; its counts are made anew
 * at every update, its window of round trips goes on.  The kernel side keeps sums
 * that only grow, so what a second brought is a difference of two readings, and
 * whole numbers leave and enter the window without rounding.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "level/demand.h"
#include "level/lately.h"
#include "level/line.h"
#include "lib/clock.h"
#include "lib/text.h"

#define WINDOW_S       60
#define HALF_LIFE_S    300.0
#define STALEST_FACTOR 0.5
#define FEW_SAMPLES    4	/* of fewer there is no saying that the network is calmer */

struct sums {
	uint64_t n, us, us2;
};

struct window {
	struct sums bucket[WINDOW_S];
	struct sums total;
	uint64_t second;	   /* the newest bucket's */
	double mdev_us, freshness; /* summed over the open connections */
	uint32_t measured;	   /* open connections that have a round trip */
};

/* What a connection's sums were when they were last taken in. */
struct reading {
	uint64_t cookie;
	uint64_t us, us2;
	uint64_t queries;
	uint32_t n;
};

int levels_init(struct levels *l, uint32_t conn_capacity)
{
	*l = (struct levels){ .capacity = conn_capacity, .conn_capacity = conn_capacity };
	l->pools = calloc(conn_capacity, sizeof(*l->pools));
	l->windows = calloc(conn_capacity, sizeof(*l->windows));
	l->demands = calloc(conn_capacity, sizeof(*l->demands));
	l->readings = calloc(conn_capacity, sizeof(*l->readings));
	l->pasts = calloc(conn_capacity, sizeof(*l->pasts));
	l->lately = calloc(LATELY, sizeof(*l->lately));
	l->of_conn = calloc(conn_capacity, sizeof(*l->of_conn));
	l->counted_as = calloc(conn_capacity, sizeof(*l->counted_as));
	l->moved = calloc(conn_capacity, sizeof(*l->moved));
	if (!l->pools || !l->windows || !l->demands || !l->readings || !l->pasts || !l->lately ||
	    !l->of_conn || !l->counted_as || !l->moved ||
	    index_init(&l->by_key, conn_capacity) < 0) {
		levels_done(l);
		return -ENOMEM;
	}
	return 0;
}

void levels_done(struct levels *l)
{
	free(l->pools);
	free(l->windows);
	free(l->demands);
	free(l->readings);
	free(l->pasts);
	free(l->lately);
	free(l->of_conn);
	free(l->counted_as);
	free(l->moved);
	index_done(&l->by_key);
	*l = (struct levels){ 0 };
}

static void sums_add(struct sums *to, const struct sums *s)
{
	to->n += s->n;
	to->us += s->us;
	to->us2 += s->us2;
}

static void sums_take(struct sums *from, const struct sums *s)
{
	from->n -= s->n;
	from->us -= s->us;
	from->us2 -= s->us2;
}

/* Lets go of what is older than the window. */
static void window_move(struct window *w, uint64_t second)
{
	if (second - w->second >= WINDOW_S && second > w->second) {
		memset(w->bucket, 0, sizeof(w->bucket));
		w->total = (struct sums){ 0 };
		w->second = second;
	}
	while (w->second < second) {
		struct sums *b = &w->bucket[++w->second % WINDOW_S];

		sums_take(&w->total, b);
		*b = (struct sums){ 0 };
	}
	w->mdev_us = 0;
	w->freshness = 0;
	w->measured = 0;
}

static uint64_t hash_key(const struct levels *l, uint32_t pid, const struct addr *endpoint,
			 const char *user, const char *database)
{
	uint64_t h = l->by_key.seed ^ (uint64_t)pid << 16 ^ endpoint->port;

	h = XXH3_64bits_withSeed(endpoint->ip, sizeof(endpoint->ip), h);
	h = XXH3_64bits_withSeed(user, strlen(user), h);
	return XXH3_64bits_withSeed(database, strlen(database), h);
}

static uint64_t hash_pool(const struct levels *l, const struct pool *p)
{
	return hash_key(l, p->pid, &p->endpoint, p->user, p->database);
}

bool pool_owns(const struct pool *p, const struct conn *c)
{
	return p->pid == c->pid && p->start_ticks == c->start_ticks && p->protocol == c->protocol &&
	       addr_equal(&p->endpoint, &c->remote) && strcmp(p->user, c->user) == 0 &&
	       strcmp(p->database, c->database) == 0;
}

static bool same_pool(const void *pools, uint32_t n, const void *conn)
{
	return pool_owns(&((const struct pool *)pools)[n], conn);
}

static bool fits(const char *pattern, const char *s)
{
	return !*pattern || text_match(pattern, s);
}

/* What an operator says of this pool, else what it last said of itself. */
static uint32_t limit_of(const struct levels *l, const struct pool *p)
{
	char endpoint[ADDR_TEXT_LEN];

	for (size_t i = 0; i < l->limit_count; i++) {
		const struct pool_limit *m = &l->limits[i];

		if (fits(m->comm, p->comm) && fits(m->database, p->database) &&
		    fits(m->user, p->user) &&
		    fits(m->endpoint, addr_format(&p->endpoint, endpoint)))
			return (uint32_t)m->max;
	}
	return p->own_max;
}

static uint32_t find_or_add(struct levels *l, const struct conn *c, uint64_t now_ns)
{
	uint64_t hash = hash_key(l, c->pid, &c->remote, c->user, c->database);
	uint32_t n = index_find(&l->by_key, hash, same_pool, l->pools, c);
	struct pool *p;

	if (n != INDEX_NONE || l->count == l->capacity)
		return n;
	n = l->count++;
	p = &l->pools[n];
	*p = (struct pool){
		.pid = c->pid,
		.start_ticks = c->start_ticks,
		.uid = c->uid,
		.endpoint = c->remote,
		.protocol = c->protocol,
		.decay_factor = { .now = 1, .in_force = 1, .known = true },
		.watermark = level_watermark(0, 0, 1),
		.gear = 1,
		.gear_ns = now_ns,
	};
	memcpy(p->user, c->user, sizeof(p->user));
	memcpy(p->database, c->database, sizeof(p->database));
	memcpy(p->comm, c->comm, sizeof(p->comm));
	p->cap = limit_of(l, p);
	p->line = p->cap && p->cap < p->watermark ? p->cap : p->watermark;
	p->forwards = is_forwarder(p->comm);
	p->history.moves.tell = fills_ahead(p->comm);
	lately_take(l, c, &p->history);
	memset(&l->windows[n], 0, sizeof(l->windows[n]));
	l->windows[n].second = now_ns / NS_PER_S;
	demand_begin(&l->demands[n], now_ns);
	history_begin(&p->history, now_ns);
	index_put(&l->by_key, hash, n);
	return n;
}

/* The last pool takes the place of one that has no connection any more. */
static void drop_pool(struct levels *l, uint32_t n)
{
	uint32_t last = --l->count;

	lately_keep(l, &l->pools[n]);
	index_remove(&l->by_key, hash_pool(l, &l->pools[n]), n);
	if (n == last)
		return;
	index_remove(&l->by_key, hash_pool(l, &l->pools[last]), last);
	l->moved[last] = n;
	l->pools[n] = l->pools[last];
	l->windows[n] = l->windows[last];
	l->demands[n] = l->demands[last];
	index_put(&l->by_key, hash_pool(l, &l->pools[n]), n);
}

/* What a connection counts as. */
#define AS_IN_USE  1
#define AS_IDLE	   2
#define AS_UNKNOWN 4
#define AS_IN_TXN  8
#define AS_BUSY	   16

/*
 * The pool's own word comes first: a connection that is lent and silent is in use.
 * It is some time old, so one that works is in use whatever was said.
 */
static uint8_t counts_as(const struct conn *c)
{
	bool silent = c->activity == ACTIVITY_IDLE || c->activity == ACTIVITY_UNKNOWN;

	if (silent && c->lending != LENDING_UNKNOWN)
		return c->lending == LENDING_LENT ? AS_IN_USE : AS_IDLE;
	switch (c->activity) {
	case ACTIVITY_IDLE:
		return AS_IDLE;
	case ACTIVITY_IDLE_IN_TXN:
	case ACTIVITY_FAILED_TXN:
		return AS_IN_USE | AS_IN_TXN;
	case ACTIVITY_BUSY:
		return c->txn_ns ? AS_IN_USE | AS_BUSY | AS_IN_TXN : AS_IN_USE | AS_BUSY;
	case ACTIVITY_STARTING:
	case ACTIVITY_UNREAD:
		return AS_IN_USE;
	default:
		return AS_UNKNOWN;
	}
}

/* One more, or (`by` -1) one less. */
static void add_to(struct pool *p, uint8_t as, int by)
{
	uint32_t n = (uint32_t)by;

	p->open += n;
	p->in_use += as & AS_IN_USE ? n : 0;
	p->idle += as & AS_IDLE ? n : 0;
	p->unknown += as & AS_UNKNOWN ? n : 0;
	p->in_txn += as & AS_IN_TXN ? n : 0;
	p->busy += as & AS_BUSY ? n : 0;
}

static void count_conn(struct levels *l, uint32_t pool, const struct conn *c)
{
	struct pool *p = &l->pools[pool];

	l->counted_as[c->slot] = counts_as(c);
	add_to(p, l->counted_as[c->slot], 1);
	if (c->opened_ns > p->newest_ns)
		p->newest_ns = c->opened_ns;
}

/* What is new of a connection since it was last looked at. */
static void measure(struct levels *l, uint32_t pool, const struct conn *c, uint64_t now_ns)
{
	struct reading *r = &l->readings[c->slot];
	struct window *w = &l->windows[pool];
	struct demand *d = &l->demands[pool];
	uint64_t age_ns = elapsed_ns(c->opened_ns, now_ns);
	struct sums fresh;

	if (r->cookie != c->cookie)
		*r = (struct reading){ .cookie = c->cookie };
	fresh = (struct sums){
		.n = c->rtt_n - r->n,
		.us = c->rtt_sum_us - r->us,
		.us2 = c->rtt_sq_us2 - r->us2,
	};
	sums_add(&w->bucket[w->second % WINDOW_S], &fresh);
	sums_add(&w->total, &fresh);
	d->rtt_n += fresh.n;
	d->rtt_us += fresh.us;
	d->queries += c->queries - r->queries;
	d->second_queries += c->queries - r->queries;
	if (age_ns > d->oldest_ns)
		d->oldest_ns = age_ns;
	*r = (struct reading){ c->cookie, c->rtt_sum_us, c->rtt_sq_us2, c->queries, c->rtt_n };
	if (c->rtt_n) {
		w->mdev_us += c->mdev_us;
		w->measured++;
	}
	w->freshness += exp2(-ns_to_s(conn_quiet_ns(c, now_ns)) / HALF_LIFE_S);
}

/* What the window says, and how fresh the connections are. */
static void sound(struct pool *p, const struct window *w, struct soundings *ret)
{
	double n = (double)w->total.n, mean_us, var_us2;

	*ret = (struct soundings){ .decay_factor = w->freshness / p->open };
	if (ret->decay_factor < STALEST_FACTOR)
		ret->decay_factor = STALEST_FACTOR;
	p->rtt_samples = w->total.n > UINT32_MAX ? UINT32_MAX : (uint32_t)w->total.n;
	if (!w->total.n)
		return;
	mean_us = (double)w->total.us / n;
	var_us2 = (double)w->total.us2 / n - mean_us * mean_us;
	p->rtt_ms = mean_us / 1e3;
	ret->has_rtt = w->measured && mean_us > 0;
	ret->has_spread = w->total.n >= FEW_SAMPLES;
	ret->rtt_var_ms2 = var_us2 > 0 ? var_us2 / 1e6 : 0;
	if (ret->has_rtt)
		ret->jitter_rate = w->mdev_us / w->measured / mean_us;
}

static void shift(struct levels *l, struct pool *p, uint64_t fact_ns, uint64_t now_ns)
{
	unsigned int from = gear_shift(p, now_ns);

	if (p->gear != from && l->shifted)
		l->shifted(p, from, fact_ns, l->shifted_arg);
}

static void settle(struct levels *l, uint32_t n, uint64_t now_ns)
{
	struct pool *p = &l->pools[n];
	struct soundings s;

	sound(p, &l->windows[n], &s);
	p->cap = limit_of(l, p);
	line_draw(p, &s, now_ns);
	shift(l, p, p->newest_ns > l->updated_ns ? p->newest_ns : now_ns, now_ns);
	demand_look(&l->demands[n], p, now_ns);
}

static void begin_update(struct levels *l, uint32_t high, uint64_t now_ns)
{
	uint64_t second = now_ns / NS_PER_S;

	for (uint32_t i = 0; i < l->count; i++) {
		struct pool *p = &l->pools[i];

		p->open = p->in_use = p->idle = p->in_txn = p->unknown = p->busy = 0;
		p->newest_ns = 0;
		window_move(&l->windows[i], second);
		history_begin(&p->history, now_ns);
	}
	while (l->high < high)
		l->of_conn[l->high++] = LEVEL_NONE;
	l->high = high;
}

/* Nearly always the one it was of at the last update. */
static uint32_t pool_for(struct levels *l, const struct conn *c, uint64_t now_ns)
{
	uint32_t n = l->of_conn[c->slot];

	if (!conn_is_listed(c))
		return LEVEL_NONE;
	return n < l->count && pool_owns(&l->pools[n], c) ? n : find_or_add(l, c, now_ns);
}

/* The last queries of those that are over; what was counted of one, its reading says. */
static void take_ended(struct levels *l, const struct conns *t, uint64_t now_ns)
{
	uint64_t from = l->ended_seen;

	if (t->ended_count - from > ENDED_KEPT)
		from = t->ended_count - ENDED_KEPT;
	for (; from < t->ended_count; from++) {
		const struct ended *e = &t->ended[from % ENDED_KEPT];
		struct conn key = {
			.pid = e->pid,
			.start_ticks = e->start_ticks,
			.remote = e->remote,
			.protocol = e->protocol,
		};
		const struct reading *r = &l->readings[e->slot];
		const struct pool *p;

		memcpy(key.user, e->user, sizeof(key.user));
		memcpy(key.database, e->database, sizeof(key.database));
		p = levels_of(l, &key);
		if (p || e->pid)
			history_ended(p ? &l->pools[p - l->pools].history : lately_of(l, e, &key),
				      &l->pasts[e->slot], e, now_ns);
		if (p)
			demand_ended(&l->demands[p - l->pools], e,
				     e->queries - (r->cookie == e->cookie ? r->queries : 0));
	}
	l->ended_seen = t->ended_count;
}

static void drop_empty(struct levels *l)
{
	uint32_t before = l->count;

	for (uint32_t i = 0; i < before; i++)
		l->moved[i] = i;
	for (uint32_t i = 0; i < l->count;) {
		if (l->pools[i].open)
			i++;
		else
			drop_pool(l, i);
	}
	if (l->count == before)
		return;
	for (uint32_t i = 0; i < l->high; i++)
		if (l->of_conn[i] != LEVEL_NONE)
			l->of_conn[i] = l->moved[l->of_conn[i]];
}

void levels_update(struct levels *l, const struct conns *t, uint64_t now_ns)
{
	uint32_t high = t->high < l->conn_capacity ? t->high : l->conn_capacity;

	take_ended(l, t, now_ns);
	begin_update(l, high, now_ns);
	for (uint32_t i = 0; i < high; i++) {
		struct conn *c = &t->table[i];
		uint32_t n = c->used ? pool_for(l, c, now_ns) : LEVEL_NONE;

		l->of_conn[i] = n;
		if (n == LEVEL_NONE)
			continue;
		count_conn(l, n, c);
		measure(l, n, c, now_ns);
		history_take(&l->pools[n].history, &l->pasts[i], c, now_ns);
	}
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->pools[i].open)
			settle(l, i, now_ns);
		history_end(&l->pools[i].history, l->pools[i].open);
	}
	drop_empty(l);
	l->updated_ns = now_ns;
}

/* Takes whatever is counted in this slot out of its pool's level. */
static void uncount(struct levels *l, uint32_t slot)
{
	if (l->of_conn[slot] >= l->count)
		return;
	add_to(&l->pools[l->of_conn[slot]], l->counted_as[slot], -1);
	l->of_conn[slot] = LEVEL_NONE;
}

void levels_opened(struct levels *l, const struct conn *c, uint64_t fact_ns, uint64_t now_ns)
{
	uint32_t n;

	if (c->slot >= l->conn_capacity || !conn_is_listed(c))
		return;
	n = find_or_add(l, c, now_ns);
	while (l->high <= c->slot)
		l->of_conn[l->high++] = LEVEL_NONE;
	if (n == INDEX_NONE || (l->of_conn[c->slot] == n && l->readings[c->slot].cookie == c->cookie))
		return;
	uncount(l, c->slot);
	l->of_conn[c->slot] = n;
	if (l->readings[c->slot].cookie != c->cookie)
		l->readings[c->slot] = (struct reading){ .cookie = c->cookie };
	count_conn(l, n, c);
	shift(l, &l->pools[n], fact_ns, now_ns);
}

void levels_closed(struct levels *l, const struct conn *c)
{
	if (c->slot < l->high && l->readings[c->slot].cookie == c->cookie)
		uncount(l, c->slot);
}

const struct demand *levels_demand(const struct levels *l, const struct pool *p)
{
	return &l->demands[p - l->pools];
}

void levels_forget_words(struct levels *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		l->pools[i].word.known = false;
}

void levels_apply_word(struct levels *l, const struct conn *c, const struct pool_word *word)
{
	uint32_t n = index_find(&l->by_key, hash_key(l, c->pid, &c->remote, c->user, c->database),
				same_pool, l->pools, c);

	if (n == INDEX_NONE)
		return;
	l->pools[n].word = *word;
	l->pools[n].own_max = word->max_open;
}

const struct pool *levels_of(const struct levels *l, const struct conn *c)
{
	uint32_t n = LEVEL_NONE;

	if (!c->cookie)
		n = index_find(&l->by_key, hash_key(l, c->pid, &c->remote, c->user, c->database),
			       same_pool, l->pools, c);
	else if (c->slot < l->high)
		n = l->of_conn[c->slot];
	return n < l->count ? &l->pools[n] : NULL;
}
