// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection that lies in a pool's list is free: the list names its socket.  That one is
 * lent follows only from a sum.  When the pools count as many as are there, and each of
 * the free ones was found, the rest is lent.  Or, where there are others beside the pool:
 * when one counts as many as were ever seen free in it, those are its own; and what is
 * left when that is so of all is an outsider for good, whatever the sums say later.
 */
#include <string.h>

#include "gopools/match.h"

#define DEFAULT_MAX_IDLE 2 /* database/sql's */

/* The connections of one pool, as the stage level will see it. */
struct share {
	const struct conn *first;
	uint32_t conns; /* without the outsiders */
	uint64_t said; /* by the handles at home here */
};

struct work {
	struct match *m;
	struct share shares[MATCH_POOLS_MAX];
	uint32_t share_count;
	uint32_t ours; /* connections, without the outsiders */
	bool all_read; /* every handle was, and each of its free ones is found */
};

static bool same_pool(const struct conn *a, const struct conn *b)
{
	return a->protocol == b->protocol && addr_equal(&a->remote, &b->remote) &&
	       strcmp(a->user, b->user) == 0 && strcmp(a->database, b->database) == 0;
}

static void share_out(struct work *w)
{
	for (uint32_t i = 0; i < w->m->count; i++) {
		const struct conn *c = w->m->of_process[i];
		uint32_t n = 0;

		while (n < w->share_count && !same_pool(w->shares[n].first, c))
			n++;
		w->ours += w->m->member[i] != MATCH_OUTSIDER;
		if (n == MATCH_POOLS_MAX)
			continue;
		if (n == w->share_count)
			w->shares[w->share_count++] = (struct share){ .first = c };
		w->shares[n].conns += w->m->member[i] != MATCH_OUTSIDER;
	}
}

static bool find_conn(const struct match *m, const struct handle_conn *f, uint32_t *ret)
{
	if (f->socket != GO_SOCKET_TCP)
		return false;
	for (uint32_t i = 0; i < m->count; i++) {
		if (addr_equal(&m->of_process[i]->local, &f->local) &&
		    addr_equal(&m->of_process[i]->remote, &f->remote)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static void settle_home(struct home *h, const struct conn *c)
{
	if (!h->known) {
		*h = (struct home){ .known = true, .remote = c->remote, .protocol = c->protocol };
		memcpy(h->user, c->user, sizeof(h->user));
		memcpy(h->database, c->database, sizeof(h->database));
	} else if (h->protocol != c->protocol || !addr_equal(&h->remote, &c->remote) ||
		   strcmp(h->user, c->user) || strcmp(h->database, c->database)) {
		h->mixed = true;
	}
}

/* Connections that are free by one handle's list; false when one of them is not to be found. */
static bool free_by(struct match *m, struct match_handle *h)
{
	const struct handle_reading *r = h->reading;
	uint32_t elsewhere = 0, found = 0;

	/* What was known may have been another's: the names of an adopted one come late. */
	if (r->free_count)
		h->home->known = h->home->mixed = false;
	for (uint32_t i = 0; i < r->free_count; i++) {
		uint32_t n;

		elsewhere += r->free[i].socket == GO_SOCKET_OTHER;
		if (!find_conn(m, &r->free[i], &n))
			continue;
		found++;
		settle_home(h->home, m->of_process[n]);
		m->lending[n] = LENDING_FREE;
		m->member[n] = (uint8_t)(h - m->handles + 1);
	}
	if (r->free_count)
		h->home->elsewhere = elsewhere == r->free_count;
	return found == r->free_count || h->home->elsewhere;
}

static bool is_home(const struct home *h, const struct conn *c)
{
	return h->known && !h->mixed && h->protocol == c->protocol &&
	       addr_equal(&h->remote, &c->remote) && strcmp(h->user, c->user) == 0 &&
	       strcmp(h->database, c->database) == 0;
}

static struct share *share_of(struct work *w, const struct home *h)
{
	for (uint32_t i = 0; i < w->share_count; i++)
		if (is_home(h, w->shares[i].first))
			return &w->shares[i];
	return NULL;
}

/* A handle that was never seen with a free connection may be the only one left for a pool. */
static void settle_the_last(struct work *w)
{
	struct match_handle *homeless = NULL;
	struct share *open = NULL;

	for (uint32_t i = 0; i < w->m->handle_count; i++) {
		struct match_handle *h = &w->m->handles[i];

		if (h->home->known || h->home->elsewhere || !h->reading->open)
			continue;
		if (homeless)
			return;
		homeless = h;
	}
	for (uint32_t i = 0; i < w->share_count; i++) {
		if (w->shares[i].said == w->shares[i].conns)
			continue;
		if (open)
			return;
		open = &w->shares[i];
	}
	if (!homeless || !open || open->said + homeless->reading->open != open->conns)
		return;
	open->said = open->conns;
	settle_home(homeless->home, open->first);
}

static uint64_t count_said(struct work *w)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < w->m->handle_count; i++) {
		const struct match_handle *h = &w->m->handles[i];
		struct share *s = share_of(w, h->home);

		if (h->home->elsewhere)
			continue;
		all += h->reading->open;
		if (s)
			s->said += h->reading->open;
	}
	settle_the_last(w);
	return all;
}

/* Whether all that the handle counts are known to be its own. */
static bool is_accounted(const struct match *m, const struct match_handle *h)
{
	uint32_t members = 0;

	for (uint32_t i = 0; i < m->count; i++)
		members += m->member[i] == h - m->handles + 1;
	return members == h->reading->open;
}

static void lend_members(struct match *m)
{
	for (uint32_t k = 0; k < m->handle_count; k++) {
		if (!is_accounted(m, &m->handles[k]))
			continue;
		for (uint32_t i = 0; i < m->count; i++)
			if (m->member[i] == k + 1 && m->lending[i] == LENDING_UNKNOWN)
				m->lending[i] = LENDING_LENT;
	}
}

/* One that is being opened is counted before it can be seen, so older ones all are. */
static void mark_outsiders(struct match *m)
{
	for (uint32_t k = 0; k < m->handle_count; k++)
		if (!m->handles[k].home->elsewhere && !is_accounted(m, &m->handles[k]))
			return;
	for (uint32_t i = 0; i < m->count; i++)
		if (!m->member[i] && m->of_process[i]->opened_ns < m->read_ns)
			m->member[i] = MATCH_OUTSIDER;
}

/* No handle can have a part in it that is not counted. */
static bool is_whole(const struct work *w, const struct share *s)
{
	bool whole = false;

	for (uint32_t i = 0; i < w->m->handle_count; i++) {
		const struct match_handle *h = &w->m->handles[i];

		if (h->home->elsewhere || !h->reading->open)
			continue;
		if (!is_accounted(w->m, h))
			return false;
		whole |= is_home(h->home, s->first);
	}
	return whole;
}

static uint32_t positive(int64_t n)
{
	return n <= 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static struct pool_handle describe(const struct handle_reading *r)
{
	struct pool_handle h = {
		.max_open = r->max_open,
		.max_idle = r->max_idle ? positive(r->max_idle) : DEFAULT_MAX_IDLE,
		.max_lifetime_ns = r->max_lifetime_ns > 0 ? (uint64_t)r->max_lifetime_ns : 0,
		.max_idle_ns = r->max_idle_ns > 0 ? (uint64_t)r->max_idle_ns : 0,
		.open = r->open,
		.idle = r->free_count,
		.wait_count = r->wait_count,
		.wait_ns = r->wait_ns,
	};

	if (h.max_open && h.max_idle > h.max_open)
		h.max_idle = h.max_open;
	return h;
}

static void add_handle(struct pool_word *to, const struct pool_handle *h)
{
	bool unlimited = !h->max_open || (to->handle_count && !to->max_open);

	to->known = true;
	to->max_open = unlimited ? 0 : to->max_open + h->max_open;
	to->open += h->open;
	to->idle += h->idle;
	to->wait_count += h->wait_count;
	to->wait_ns += h->wait_ns;
	if (to->handle_count < POOL_HANDLES_MAX)
		to->handles[to->handle_count] = *h;
	to->handle_count++;
}

static void say(struct work *w, const struct share *s)
{
	struct match_word *word = &w->m->words[w->m->word_count];

	*word = (struct match_word){ .cookie = s->first->cookie };
	for (uint32_t i = 0; i < w->m->handle_count; i++) {
		const struct match_handle *h = &w->m->handles[i];
		struct pool_handle described = describe(h->reading);

		if (is_home(h->home, s->first))
			add_handle(&word->word, &described);
	}
	w->m->word_count += word->word.known;
}

static void lend_rest(struct work *w, const struct share *s)
{
	for (uint32_t i = 0; i < w->m->count; i++) {
		const struct conn *c = w->m->of_process[i];

		if (w->m->member[i] == MATCH_OUTSIDER)
			continue;
		if (w->m->lending[i] == LENDING_UNKNOWN && (!s || same_pool(s->first, c)))
			w->m->lending[i] = LENDING_LENT;
	}
}

void match_run(struct match *m)
{
	struct work w = { .m = m, .all_read = m->handle_count > 0 };
	uint64_t said;

	m->word_count = 0;
	m->agreed = false;
	memset(m->lending, LENDING_UNKNOWN, m->count * sizeof(m->lending[0]));
	share_out(&w);
	for (uint32_t i = 0; i < m->handle_count; i++) {
		struct match_handle *h = &m->handles[i];

		if (h->reading->state != HANDLE_READ || !free_by(m, h))
			w.all_read = false;
	}
	if (!w.all_read)
		return;
	said = count_said(&w);
	m->agreed = said == m->count;
	if (said == w.ours)
		lend_rest(&w, NULL);
	for (uint32_t i = 0; i < w.share_count; i++) {
		bool sums = w.shares[i].said == w.shares[i].conns;

		if (sums && said != w.ours)
			lend_rest(&w, &w.shares[i]);
		if (sums || is_whole(&w, &w.shares[i]))
			say(&w, &w.shares[i]);
	}
	lend_members(m);
	mark_outsiders(m);
}

void match_apply(const struct match *m, struct conns *t, uint64_t now_ns)
{
	for (uint32_t i = 0; i < m->count; i++) {
		const struct conn *c = m->of_process[i];

		if (m->lending[i] == LENDING_UNKNOWN &&
		    elapsed_ns(c->lending_ns, now_ns) < MATCH_VALID_NS)
			continue;
		conns_apply_lending(t, c->cookie, (enum lending)m->lending[i], m->read_ns, now_ns);
	}
}
