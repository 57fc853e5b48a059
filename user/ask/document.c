// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "ask/document.h"
#include "culprits.h"
#include "events.h"
#include "lib/clock.h"
#include "lib/container.h"
#include "lib/netns.h"
#include "lib/proc.h"
#include "lib/text.h"

#define US2_PER_MS2 1e6

static int by_cookie(const void *a, const void *b)
{
	const struct finding *const *x = a, *const *y = b;

	return ((*x)->conn.cookie > (*y)->conn.cookie) - ((*x)->conn.cookie < (*y)->conn.cookie);
}

int context_init(struct context *x, const struct engine *e)
{
	const struct detect *d = &e->detect;

	*x = (struct context){ .e = e, .own_netns = netns_own() };
	x->findings = calloc((size_t)d->count + 1, sizeof(*x->findings));
	if (!x->findings)
		return -ENOMEM;
	findings_for_each(d, f) {
		if (f->state == FINDING_SUSPECT || f->state == FINDING_CONFIRMED)
			x->findings[x->count++] = f;
	}
	if (x->count)
		qsort(x->findings, x->count, sizeof(*x->findings), by_cookie);
	return 0;
}

static void cgroup_text_done(struct cgroup_text *t)
{
	json_decref(t->cgroup);
	json_decref(t->container_id);
	json_decref(t->unit);
}

void context_done(struct context *x)
{
	for (size_t i = 0; i < CGROUPS_CACHED; i++)
		cgroup_text_done(&x->cgroups[i]);
	for (size_t i = 0; i < NETNS_CACHED; i++)
		json_decref(x->netns[i].name);
	free(x->findings);
}

const struct finding **context_findings(const struct context *x, uint64_t cookie, size_t *ret_count)
{
	size_t low = 0, high = x->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->findings[middle]->conn.cookie < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	end = low;
	while (end < x->count && x->findings[end]->conn.cookie == cookie)
		end++;
	*ret_count = end - low;
	return end > low ? x->findings + low : NULL;
}

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new_nocheck(o, key, value ? value : json_null());
}

static json_t *text(const char *s)
{
	char clean[512];

	if (!*s)
		return json_null();
	text_escape(s, clean, sizeof(clean));
	return json_string(clean);
}

static json_t *address(const struct addr *a)
{
	char buf[ADDR_TEXT_LEN];

	return json_string(addr_format(a, buf));
}

static json_t *number(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *protocol_name(const struct protocol *p)
{
	return p ? json_string(p->name) : json_null();
}

static void set_cgroup(json_t *o, struct context *x, uint32_t pid)
{
	struct cgroup_text *t = &x->cgroups[pid % CGROUPS_CACHED];
	struct container c;
	char path[512] = "";

	if (!t->cgroup || t->pid != pid) {
		if (pid)
			proc_cgroup(pid, path, sizeof(path));
		container_parse(path, &c);
		cgroup_text_done(t);
		*t = (struct cgroup_text){ pid, text(path), text(c.id), text(c.unit) };
	}
	set(o, "cgroup", json_incref(t->cgroup));
	set(o, "container_id", json_incref(t->container_id));
	set(o, "unit", json_incref(t->unit));
}

/* Null: the observer's own. */
static json_t *netns(struct context *x, uint32_t inode)
{
	struct netns_text *t = &x->netns[inode % NETNS_CACHED];
	char name[256];

	if (!inode || inode == x->own_netns)
		return json_null();
	if (!t->name || t->inode != inode) {
		netns_name(inode, name, sizeof(name));
		json_decref(t->name);
		*t = (struct netns_text){ inode, text(name) };
	}
	return json_incref(t->name);
}

void document_culprit(json_t *o, const struct culprit *who, const struct conn *c)
{
	set(o, "goroutine", goroutine_to_json(who));
	set(o, "thread", thread_to_json(who, c));
	set(o, "stack", stack_to_json(who));
	set(o, "stack_at", moment_to_json(who));
}

/* Of a connection without a finding nobody looked it up: `show` does. */
static const struct culprit *known_culprit(const struct context *x, const struct conn *c)
{
	size_t n;
	const struct finding **found = context_findings(x, c->cookie, &n);

	for (size_t i = 0; i < n; i++)
		if (found[i]->culprit)
			return found[i]->culprit;
	return NULL;
}

/* Who holds it: what was asked, under which trace, by which thread. */
static void set_culprit(json_t *o, const struct context *x, const struct conn *c)
{
	const char *language = culprits_language(x->e->culprits, c);
	struct shape shape;

	engine_shape(x->e, c, STATEMENT_LAST, &shape);
	set(o, "sql", *shape.sql ? json_string(shape.sql) : json_null());
	set(o, "sql_note", shape.note ? json_string(shape.note) : json_null());
	set(o, "trace_id", *shape.trace_id ? json_string(shape.trace_id) : json_null());
	set(o, "language", *language ? json_string(language) : json_null());
	document_culprit(o, known_culprit(x, c), c);
}

static json_t *ids(const struct context *x, const struct conn *c)
{
	size_t n;
	const struct finding **found = context_findings(x, c->cookie, &n);
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(array, json_string(found[i]->id));
	return array;
}

/* Over the life of the connection; a pool's is over a window. */
static json_t *variance(const struct conn *c)
{
	double mean, square;

	if (c->rtt_n < 2)
		return json_null();
	mean = (double)c->rtt_sum_us / c->rtt_n;
	square = (double)c->rtt_sq_us2 / c->rtt_n;
	return json_real(square > mean * mean ? (square - mean * mean) / US2_PER_MS2 : 0);
}

static json_t *queries(const struct conn *c)
{
	/* Nobody counted them where the wire cannot be read, or before we came. */
	if (!c->protocol || conn_is_opaque(c) || (c->adopted && !c->queries))
		return json_null();
	return json_integer((json_int_t)c->queries);
}

static void set_times(json_t *o, const struct conn *c, uint64_t now_ns)
{
	char when[CLOCK_TEXT_LEN];

	set(o, "opened_at", json_string(clock_format(clock_wall_ns(c->opened_ns), when)));
	set(o, "age_s", json_real(ns_to_s(elapsed_ns(c->opened_ns, now_ns))));
	set(o, "age_is_lower_bound", json_boolean(c->adopted));
	set(o, "quiet_s", json_real(ns_to_s(conn_quiet_ns(c, now_ns))));
	set(o, "paused", json_boolean(c->paused));
	set(o, "txn_s", c->txn_ns ? json_real(ns_to_s(elapsed_ns(c->txn_ns, now_ns))) :
				    json_null());
}

static json_t *lending(const struct conn *c)
{
	if (c->lending == LENDING_UNKNOWN)
		return json_null();
	return json_string(c->lending == LENDING_LENT ? "lent" : "free");
}

static void set_network(json_t *o, const struct conn *c)
{
	set(o, "rtt_us", number(c->rtt_us));
	set(o, "rtt_var_ms2", variance(c));
	set(o, "jitter_rate", c->rtt_us ? json_real((double)c->mdev_us / c->rtt_us) : json_null());
}

static json_t *handed_out(int64_t n)
{
	return json_integer(n > 0 ? n : 0);	/* what was given back may be older than the watch */
}

/* What the process was handed by its client library and has not given back. */
static void set_handles(json_t *o, const struct engine *e, const struct conn *c)
{
	struct handle_counts n;

	if (!e->events || !c->pid || !events_handles(e->events, c->pid, &n)) {
		set(o, "handles", json_null());
		return;
	}
	set(o, "handles", json_pack("{s:o, s:o}", "connections", handed_out(n.connections),
				    "results", handed_out(n.results)));
}

json_t *document_conn(struct context *x, const struct conn *c, uint64_t now_ns)
{
	json_t *o = json_object();

	set(o, "id", json_string(c->id));
	set(o, "pid", number(c->pid));
	set(o, "comm", text(c->comm));
	set_cgroup(o, x, c->pid);
	set(o, "protocol", protocol_name(c->protocol));
	set(o, "local", address(&c->local));
	set(o, "remote", address(&c->remote));
	set(o, "netns", netns(x, c->netns));
	set(o, "user", text(c->user));
	set(o, "database", text(c->database));
	set(o, "backend_pid", number(c->backend_pid));
	set(o, "stage", json_string(stage_name(c->stage)));
	set(o, "activity", json_string(activity_name(c->activity)));
	set_times(o, c, now_ns);
	set(o, "queries", queries(c));
	set(o, "lending", lending(c));
	set_network(o, c);
	set_culprit(o, x, c);
	set(o, "findings", ids(x, c));
	set_handles(o, x->e, c);
	set(o, "uid", c->pid ? json_integer(c->uid) : json_null());
	set(o, "holders", c->holders == HOLDERS_UNKNOWN ? json_null() : json_integer(c->holders));
	set(o, "tls", json_boolean(c->tls));
	set(o, "compressed", json_boolean(c->compressed));
	set(o, "adopted", json_boolean(c->adopted));
	set(o, "uncertain", json_boolean(c->uncertain));
	set(o, "protocol_evidence", c->protocol ? json_string(evidence_name(c->evidence)) :
						  json_null());
	return o;
}

/* A number that was measured at least once. */
static json_t *measured(const struct input *in, double value)
{
	return in->known ? json_real(value) : json_null();
}

/* The formula's inputs as in force, and beside them as they are now. */
static void set_water(json_t *o, const struct pool *p)
{
	set(o, "level", json_integer(p->open));
	set(o, "watermark", number(p->watermark));
	set(o, "cap", number(p->cap));
	set(o, "line", number(p->line));
	set(o, "gear", number(p->gear));
	set(o, "rtt_us", measured(&p->rtt_var_ms2, p->rtt_ms * 1e3));
	set(o, "rtt_var_ms2", measured(&p->rtt_var_ms2, p->rtt_var_ms2.in_force));
	set(o, "jitter_rate", measured(&p->jitter_rate, p->jitter_rate.in_force));
	set(o, "decay_factor", measured(&p->decay_factor, p->decay_factor.in_force));
	set(o, "rtt_var_now_ms2", measured(&p->rtt_var_ms2, p->rtt_var_ms2.now));
	set(o, "jitter_rate_now", measured(&p->jitter_rate, p->jitter_rate.now));
	set(o, "decay_factor_now", measured(&p->decay_factor, p->decay_factor.now));
}

static json_t *seconds(uint64_t ns)
{
	return ns ? json_real(ns_to_s(ns)) : json_null();
}

static json_t *handle(const struct pool_handle *h)
{
	json_t *o = json_object();

	set(o, "max_open", json_integer(h->max_open));
	set(o, "max_idle", json_integer(h->max_idle));
	set(o, "max_lifetime_s", seconds(h->max_lifetime_ns));
	set(o, "max_idle_time_s", seconds(h->max_idle_ns));
	set(o, "open", json_integer(h->open));
	set(o, "idle", json_integer(h->idle));
	set(o, "wait_count", json_integer((json_int_t)h->wait_count));
	set(o, "wait_s", json_real(ns_to_s(h->wait_ns)));
	return o;
}

/* As the pool itself says; a limit of 0 is none. */
static void set_word(json_t *o, const struct pool_word *w)
{
	json_t *handles = json_array();

	set(o, "max_open", w->known ? json_integer(w->max_open) : json_null());
	set(o, "wait_count", w->known ? json_integer((json_int_t)w->wait_count) : json_null());
	set(o, "wait_s", w->known ? json_real(ns_to_s(w->wait_ns)) : json_null());
	for (uint32_t i = 0; w->known && i < w->handle_count && i < POOL_HANDLES_MAX; i++)
		(void)json_array_append_new(handles, handle(&w->handles[i]));
	set(o, "handles", handles);
}

void document_pool_identity(json_t *o, const struct pool *p)
{
	set(o, "pid", number(p->pid));
	set(o, "uid", p->pid ? json_integer(p->uid) : json_null());
	set(o, "comm", text(p->comm));
	set(o, "endpoint", address(&p->endpoint));
	set(o, "protocol", protocol_name(p->protocol));
	set(o, "database", text(p->database));
	set(o, "user", text(p->user));
}

json_t *document_pool(const struct pool *p)
{
	json_t *o = json_object();

	document_pool_identity(o, p);
	set(o, "open", json_integer(p->open));
	set(o, "in_use", json_integer(p->in_use));
	set(o, "idle", json_integer(p->idle));
	set(o, "in_txn", json_integer(p->in_txn));
	set(o, "unknown", json_integer(p->unknown));
	set_word(o, &p->word);
	set_water(o, p);
	set(o, "findings", json_array());
	return o;
}

json_t *document_gear(const struct gear_change *change)
{
	char at[CLOCK_TEXT_LEN], fact[CLOCK_TEXT_LEN];
	json_t *o = document_pool(change->pool);

	set(o, "from", json_integer(change->from));
	set(o, "at", json_string(clock_format(clock_wall_ns(change->decided_ns), at)));
	set(o, "fact_at", json_string(clock_format(clock_wall_ns(change->fact_ns), fact)));
	set(o, "lag_s", json_real(ns_to_s(elapsed_ns(change->fact_ns, change->decided_ns))));
	return o;
}

json_t *document_finding(const struct finding *f, uint64_t now_ns)
{
	json_t *o = finding_to_json(f, now_ns);

	if (!o)
		return NULL;
	set(o, "uid", f->conn.pid ? json_integer(f->conn.uid) : json_null());
	set(o, "denied", json_boolean(f->denied));
	return o;
}
