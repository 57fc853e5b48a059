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

#include "level.h"
#include "lib/clock.h"

#define WINDOW_S       60
#define HALF_LIFE_S    300.0
#define STALEST_FACTOR 0.5

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
	uint32_t n;
};

int levels_init(struct levels *l, uint32_t conn_capacity)
{
	*l = (struct levels){ .capacity = conn_capacity, .conn_capacity = conn_capacity };
	l->pools = calloc(conn_capacity, sizeof(*l->pools));
	l->windows = calloc(conn_capacity, sizeof(*l->windows));
	l->readings = calloc(conn_capacity, sizeof(*l->readings));
	l->pasts = calloc(conn_capacity, sizeof(*l->pasts));
	l->lately = calloc(LATELY, sizeof(*l->lately));
	l->of_conn = calloc(conn_capacity, sizeof(*l->of_conn));
	l->moved = calloc(conn_capacity, sizeof(*l->moved));
	if (!l->pools || !l->windows || !l->readings || !l->pasts ||
	    !l->lately || !l->of_conn || !l->moved ||
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
	free(l->readings);
	free(l->pasts);
	free(l->lately);
	free(l->of_conn);
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

static bool same_pool(const void *pools, uint32_t n, const void *conn)
{
	const struct pool *p = &((const struct pool *)pools)[n];
	const struct conn *c = conn;

	return p->pid == c->pid && p->start_ticks == c->start_ticks && p->protocol == c->protocol &&
	       addr_equal(&p->endpoint, &c->remote) && strcmp(p->user, c->user) == 0 &&
	       strcmp(p->database, c->database) == 0;
}

/* What is left of the pool of `c` that has none open; NULL: nothing is known of it. */
static struct pool *find_lately(const struct levels *l, const struct conn *c)
{
	for (uint32_t i = 0; i < LATELY; i++)
		if (l->lately[i].pid == c->pid && same_pool(l->lately, i, c))
			return &l->lately[i];
	return NULL;
}

static uint32_t find_or_add(struct levels *l, const struct conn *c, uint64_t now_ns)
{
	uint64_t hash = hash_key(l, c->pid, &c->remote, c->user, c->database);
	uint32_t n = index_find(&l->by_key, hash, same_pool, l->pools, c);
	struct pool *p, *before;

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
	};
	memcpy(p->user, c->user, sizeof(p->user));
	memcpy(p->database, c->database, sizeof(p->database));
	memcpy(p->comm, c->comm, sizeof(p->comm));
	before = find_lately(l, c);
	if (before) {
		p->history = before->history;
		before->pid = 0;
	}
	memset(&l->windows[n], 0, sizeof(l->windows[n]));
	l->windows[n].second = now_ns / NS_PER_S;
	history_begin(&p->history, now_ns);
	index_put(&l->by_key, hash, n);
	return n;
}

/* The last pool takes the place of one that has no connection any more. */
static void drop_pool(struct levels *l, uint32_t n)
{
	uint32_t last = --l->count;

	if (l->pools[n].pid)
		l->lately[l->lately_next++ % LATELY] = l->pools[n];
	index_remove(&l->by_key, hash_pool(l, &l->pools[n]), n);
	if (n == last)
		return;
	index_remove(&l->by_key, hash_pool(l, &l->pools[last]), last);
	l->moved[last] = n;
	l->pools[n] = l->pools[last];
	l->windows[n] = l->windows[last];
	index_put(&l->by_key, hash_pool(l, &l->pools[n]), n);
}

static void count_conn(struct pool *p, const struct conn *c)
{
	p->open++;
	switch (c->activity) {
	case ACTIVITY_IDLE:
		p->idle++;
		break;
	case ACTIVITY_IDLE_IN_TXN:
	case ACTIVITY_FAILED_TXN:
		p->in_use++;
		p->in_txn++;
		break;
	case ACTIVITY_BUSY:
		p->in_txn += c->txn_ns != 0;
		p->in_use++;
		break;
	case ACTIVITY_STARTING:
	case ACTIVITY_UNREAD:
		p->in_use++;
		break;
	default:
		p->unknown++;
		break;
	}
}

static void measure(struct levels *l, struct window *w, const struct conn *c, uint64_t now_ns)
{
	struct reading *r = &l->readings[c->slot];
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
	*r = (struct reading){ c->cookie, c->rtt_sum_us, c->rtt_sq_us2, c->rtt_n };
	if (c->rtt_n) {
		w->mdev_us += c->mdev_us;
		w->measured++;
	}
	w->freshness += exp2(-ns_to_s(conn_quiet_ns(c, now_ns)) / HALF_LIFE_S);
}

static void settle(struct pool *p, const struct window *w)
{
	double n = (double)w->total.n, mean_us, var_us2;

	p->decay_factor = w->freshness / p->open;
	if (p->decay_factor < STALEST_FACTOR)
		p->decay_factor = STALEST_FACTOR;
	p->rtt_samples = w->total.n > UINT32_MAX ? UINT32_MAX : (uint32_t)w->total.n;
	p->rtt_ms = p->rtt_var_ms2 = p->jitter_rate = 0;
	if (w->total.n) {
		mean_us = (double)w->total.us / n;
		var_us2 = (double)w->total.us2 / n - mean_us * mean_us;
		p->rtt_ms = mean_us / 1e3;
		p->rtt_var_ms2 = var_us2 > 0 ? var_us2 / 1e6 : 0;
		if (w->measured && mean_us > 0)
			p->jitter_rate = w->mdev_us / w->measured / mean_us;
	}
	p->watermark = level_watermark(p->rtt_var_ms2, p->jitter_rate, p->decay_factor);
}

/* Of one whose pool was never seen with a connection, a pool without one is made. */
static struct pool *pool_of_ended(struct levels *l, const struct ended *e)
{
	struct conn key = {
		.pid = e->pid,
		.start_ticks = e->start_ticks,
		.remote = e->remote,
		.protocol = e->protocol,
	};
	uint32_t n;
	struct pool *p;

	memcpy(key.user, e->user, sizeof(key.user));
	memcpy(key.database, e->database, sizeof(key.database));
	n = index_find(&l->by_key, hash_key(l, e->pid, &e->remote, e->user, e->database), same_pool,
		       l->pools, &key);
	if (n != INDEX_NONE)
		return &l->pools[n];
	p = find_lately(l, &key);
	if (p)
		return p;
	p = &l->lately[l->lately_next++ % LATELY];
	*p = (struct pool){
		.pid = e->pid,
		.start_ticks = e->start_ticks,
		.uid = e->uid,
		.endpoint = e->remote,
		.protocol = e->protocol,
	};
	memcpy(p->user, e->user, sizeof(p->user));
	memcpy(p->database, e->database, sizeof(p->database));
	memcpy(p->comm, e->comm, sizeof(p->comm));
	return p;
}

static void take_ended(struct levels *l, const struct conns *t, uint64_t now_ns)
{
	if (t->ended_count - l->ended_taken > ENDED_KEPT)
		l->ended_taken = t->ended_count - ENDED_KEPT;
	for (; l->ended_taken < t->ended_count; l->ended_taken++) {
		const struct ended *e = &t->ended[l->ended_taken % ENDED_KEPT];

		if (e->pid && e->slot < l->conn_capacity)
			history_ended(&pool_of_ended(l, e)->history, &l->pasts[e->slot], e, now_ns);
	}
}

static void begin_update(struct levels *l, uint32_t high, uint64_t now_ns)
{
	uint64_t second = now_ns / NS_PER_S;

	for (uint32_t i = 0; i < l->count; i++) {
		struct pool *p = &l->pools[i];

		p->open = p->in_use = p->idle = p->in_txn = p->unknown = 0;
		window_move(&l->windows[i], second);
		history_begin(&p->history, now_ns);
	}
	if (high > l->high)
		l->high = high;
	memset(l->of_conn, 0xff, l->high * sizeof(*l->of_conn));
	l->high = high;
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
	conns_for_each(t, c) {
		uint32_t n = INDEX_NONE;

		if (c->slot < high && conn_is_listed(c))
			n = find_or_add(l, c, now_ns);
		if (n == INDEX_NONE)
			continue;
		l->of_conn[c->slot] = n;
		count_conn(&l->pools[n], c);
		measure(l, &l->windows[n], c, now_ns);
		history_take(&l->pools[n].history, &l->pasts[c->slot], c, now_ns);
	}
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->pools[i].open)
			settle(&l->pools[i], &l->windows[i]);
		history_end(&l->pools[i].history, l->pools[i].open);
	}
	drop_empty(l);
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

static double clamp(double x, double low, double high)
{
	if (!(x > low))
		return low;
	return x < high ? x : high;
}

uint32_t level_watermark(double rtt_var_ms2, double jitter_rate, double decay_factor)
{
	double var = clamp(rtt_var_ms2, 0.5, 50), jitter = clamp(jitter_rate, 0.01, 0.3);
	double decay = clamp(decay_factor, 0, 1);
	int base = (int)(64 * (1 + var / 25));
	int adaptive;

	if (base < 32)
		base = 32;
	adaptive = (int)(base * (1 + 2 * jitter) * decay);
	if (adaptive < 16)
		adaptive = 16;
	return adaptive < 1024 ? (uint32_t)adaptive : 1024;
}
