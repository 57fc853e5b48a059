// SPDX-License-Identifier: GPL-2.0-or-later
/* Advise: per pool, how large it should be, with the numbers that rests on. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ask/advise.h"
#include "ask/document.h"
#include "ask/filter.h"
#include "ask/question.h"
#include "lib/clock.h"
#include "lib/proc.h"

/* A number that 0 means nothing of. */
static json_t *count(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *real(double x)
{
	return x > 0 ? json_real(x) : json_null();
}

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new_nocheck(o, key, value ? value : json_null());
}

static void say(json_t *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(json_t *words, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)json_array_append_new(words, json_string(text));
}

static void set_numbers(json_t *o, const struct demand *d, uint64_t now_ns)
{
	set(o, "observed_s", json_real(ns_to_s(elapsed_ns(d->since_ns, now_ns))));
	set(o, "queries", json_integer((json_int_t)d->queries));
	set(o, "queries_per_s_peak", real(d->peak_per_s));
	set(o, "latency_s", real(demand_latency_s(d)));
	set(o, "in_use_mean", d->seen_s > 0 ? json_real(d->in_use_s / d->seen_s) : json_null());
	set(o, "open_max_seen", json_integer(d->open_max));
	set(o, "in_use_max_seen", json_integer(d->in_use_max));
	set(o, "idle_max_seen", json_integer(d->idle_max));
	set(o, "all_in_use_s", json_real(d->full_s));
	set(o, "ended", json_integer((json_int_t)d->ended));
	set(o, "ended_young", json_integer((json_int_t)d->ended_young));
	set(o, "oldest_s", json_real(ns_to_s(d->oldest_ns)));
}

static json_t *recommended(const struct advice *a)
{
	json_t *o = json_object();

	set(o, "max_open", count(a->max_open));
	set(o, "max_idle", count(a->max_idle));
	set(o, "max_idle_least", count(a->max_idle_least));
	set(o, "max_lifetime_s", count(a->lifetime_s));
	set(o, "max_lifetime_least_s", count(a->lifetime_least_s));
	return o;
}

/* The pool's own settings, where it is one pool and says them; NULL else. */
static const struct pool_handle *handle_of(const struct pool_word *w)
{
	return w->known && w->handle_count == 1 ? &w->handles[0] : NULL;
}

static json_t *seen(const struct guess *g, const struct pool_word *w)
{
	const struct pool_handle *own = handle_of(w);
	double life_s = own ? ns_to_s(own->max_lifetime_ns) : 0;
	json_t *o = json_object();

	set(o, "max_open", count(w->known ? w->max_open : g->max_open));
	set(o, "max_idle", own ? json_integer(own->max_idle) : count(g->max_idle));
	set(o, "max_lifetime_s", real(life_s));
	set(o, "unlimited_life", json_boolean(own ? life_s <= 0 : g->unlimited_life));
	return o;
}

static void say_why(json_t *words, const struct advice *a, const struct demand *d, uint64_t now_ns)
{
	double seen_s = ns_to_s(elapsed_ns(d->since_ns, now_ns));

	if (!a->enough) {
		say(words,
		    "too little was seen to advise anything: %llu answers in %.0f s (100 in 10 s are "
		    "the least; of encrypted connections none can be counted)",
		    (unsigned long long)d->queries, seen_s);
		return;
	}
	say(words,
	    "in the busiest of %.0f s there were %.1f queries/s of %.2f ms on the mean; twice the "
	    "connections that keeps at work, and no fewer than the %u seen in use at once: %u",
	    seen_s, d->peak_per_s, demand_latency_s(d) * 1e3, d->in_use_max, a->max_open);
	say(words, "idle connections: %u to %u; life of a connection: 30 min to 1 h",
	    a->max_idle_least, a->max_open);
}

/* The pool's own word, which is no guess. */
static void say_word(json_t *words, const struct pool_word *w)
{
	const struct pool_handle *own = handle_of(w);

	if (w->known && !w->max_open)
		say(words, "it has no limit");
	else if (w->known)
		say(words,
		    "its limit is %u; so far %llu had to wait for a connection, for %.1f s altogether",
		    w->max_open, (unsigned long long)w->wait_count, ns_to_s(w->wait_ns));
	if (own && own->max_lifetime_ns)
		say(words, "it keeps %u idle, and each for %.0f s at most", own->max_idle,
		    ns_to_s(own->max_lifetime_ns));
	else if (own)
		say(words, "it keeps %u idle, and each for ever", own->max_idle);
}

static void say_guesses(json_t *words, const struct guess *g, const struct demand *d)
{
	if (g->max_open)
		say(words,
		    "its limit seems to be %u: it stood there with all of them in use, for %.1f s",
		    g->max_open, d->full_s);
	if (g->max_idle)
		say(words,
		    "its limit of idle ones seems to be %u: %llu of %llu connections were closed within "
		    "a minute, only to be dialled again",
		    g->max_idle, (unsigned long long)d->ended_young, (unsigned long long)d->ended);
	if (g->unlimited_life)
		say(words, "its connections seem to live for ever: the oldest for %.1f h at least",
		    ns_to_s(d->oldest_ns) / 3600);
}

static enum library library_of_pool(const struct pool *p)
{
	char exe[256];
	const char *slash;

	proc_exe(p->pid, exe, sizeof(exe));
	slash = strrchr(exe, '/');
	return library_of(p->comm, slash ? slash + 1 : exe);
}

/* Its own library's settings, or where that is not known, every one's. */
static void set_settings(json_t *o, json_t *words, const struct advice *a, enum library own)
{
	json_t *settings = json_object();
	char text[256];

	for (enum library l = 0; a->enough && l < LIBRARY_MAX; l++) {
		library_settings(l, a, text, sizeof(text));
		set(settings, library_name(l), json_string(text));
		if (own == LIBRARY_MAX || own == l)
			say(words, "%s: %s", library_name(l), text);
	}
	set(o, "settings", settings);
}

static bool serves_alike(const struct pool *p, const struct pool *other)
{
	return p->uid == other->uid && p->protocol == other->protocol &&
	       addr_equal(&p->endpoint, &other->endpoint) && strcmp(p->comm, other->comm) == 0 &&
	       strcmp(p->user, other->user) == 0 && strcmp(p->database, other->database) == 0;
}

/*
 * PHP's workers are processes, and have a connection each: how many there should be is a
 * matter of what all of them are asked.  Returns how many there are.
 */
static uint32_t add_workers(const struct levels *l, const struct pool *p, struct demand *d)
{
	uint32_t workers = 1;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct pool *other = &l->pools[i];

		if (other == p || !serves_alike(p, other))
			continue;
		demand_add(d, levels_demand(l, other));
		workers++;
	}
	return workers;
}

static json_t *row(const struct inquiry *q, const struct pool *p)
{
	struct demand of_all = *levels_demand(&q->e->levels, p), *d = &of_all;
	enum library own = p->word.known ? LIBRARY_DATABASE_SQL : library_of_pool(p);
	uint32_t workers = own == LIBRARY_PHP_FPM ? add_workers(&q->e->levels, p, d) : 0;
	struct advice a = advise(d, q->now_ns);
	struct guess g = advise_guess(d, q->now_ns);
	json_t *o = json_object(), *words = json_array();

	document_pool_identity(o, p);
	set(o, "workers", count(workers));
	set(o, "library", own < LIBRARY_MAX ? json_string(library_name(own)) : json_null());
	set(o, "open", json_integer(p->open));
	set_numbers(o, d, q->now_ns);
	set(o, "wait_count", p->word.known ? json_integer((json_int_t)p->word.wait_count) :
					     json_null());
	set(o, "wait_s", p->word.known ? json_real(ns_to_s(p->word.wait_ns)) : json_null());
	set(o, "recommended", recommended(&a));
	set(o, "seen", seen(&g, &p->word));
	if (!q->e->has_daemon)
		say(words, "no daemon is running: this is what one command saw while it looked");
	if (workers)
		say(words, "of all %u workers together:", workers);
	say_why(words, &a, d, q->now_ns);
	say_word(words, &p->word);
	if (!p->word.known)
		say_guesses(words, &g, d);
	set_settings(o, words, &a, own);
	set(o, "words", words);
	return o;
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	const struct levels *l = &q->e->levels;
	struct filter f;
	json_t *rows;

	if (filter_parse(q->params, &f, ret) != EXIT_OK)
		return EXIT_USAGE;
	rows = json_array();
	for (uint32_t i = 0; i < l->count; i++)
		if (ask_may_see(q, l->pools[i].uid) && filter_pool(&f, &l->pools[i]))
			(void)json_array_append_new(rows, row(q, &l->pools[i]));
	return ask_done("advise", rows, ret);
}

static const struct question advise_question = { "Advise", MAY_READ, answer };
REGISTER(question, advise_question);
