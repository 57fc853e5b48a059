// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver of the detectors: gives what they say a life.
 *
 * A finding is named by its connection, its kind and the moment the trouble began.
 * When a later run sees the same kind with another beginning, the connection has
 * moved in between: the old finding is retracted and a new one begins as a suspect.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "detect.h"
#include "lib/cleanup.h"

static const char *const state_names[] = { "suspect", "confirmed", "retracted", "mended" };
_Static_assert(ARRAY_SIZE(state_names) == FINDING_STATE_MAX, "every state has a name");

static int by_name(const void *a, const void *b)
{
	const struct detector_setting *x = a, *y = b;

	return strcmp(x->detector->name, y->detector->name);
}

int detect_conf_init(struct detect_conf *c)
{
	size_t n = 0;

	*c = (struct detect_conf){ 0 };
	for_each(detector, it)
		n++;
	c->settings = calloc(n + 1, sizeof(*c->settings));
	if (!c->settings)
		return -ENOMEM;
	for_each(detector, it) {
		struct detector_setting *s = &c->settings[c->count++];

		s->detector = *it;
		s->base = (struct detector_conf){ .enabled = 1, .grace_ns = (*it)->grace_ns };
		s->own = calloc(1, (*it)->conf_size + 1);
		if (!s->own) {
			detect_conf_done(c);
			return -ENOMEM;
		}
		if ((*it)->params)
			param_defaults((*it)->params, s->own);
	}
	qsort(c->settings, c->count, sizeof(*c->settings), by_name);
	return 0;
}

void detect_conf_done(struct detect_conf *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->settings[i].own);
	free(c->settings);
	*c = (struct detect_conf){ 0 };
}

struct detector_setting *detect_conf_find(const struct detect_conf *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->settings[i].detector->name, name) == 0)
			return &c->settings[i];
	return NULL;
}

static int by_kind(const void *a, const void *b)
{
	const struct score *x = a, *y = b;

	return strcmp(x->detector->name, y->detector->name);
}

static int make_scores(struct detect *d)
{
	size_t n = 0;

	for_each(detector, it)
		n++;
	d->scores = calloc(n + 1, sizeof(*d->scores));
	if (!d->scores)
		return -ENOMEM;
	for_each(detector, it)
		d->scores[d->score_count++].detector = *it;
	qsort(d->scores, d->score_count, sizeof(*d->scores), by_kind);
	return 0;
}

uint64_t detect_conf_least_grace_ns(const struct detect_conf *c)
{
	uint64_t least_ns = UINT64_MAX;

	for (size_t i = 0; i < c->count; i++)
		if (c->settings[i].base.enabled && c->settings[i].base.grace_ns < least_ns)
			least_ns = c->settings[i].base.grace_ns;
	return least_ns;
}

int detect_init(struct detect *d, uint32_t capacity)
{
	*d = (struct detect){ .capacity = capacity };
	d->findings = calloc(capacity, sizeof(*d->findings));
	if (!d->findings || make_scores(d) < 0 || index_init(&d->by_subject, capacity) < 0) {
		detect_done(d);
		return -ENOMEM;
	}
	return 0;
}

void detect_done(struct detect *d)
{
	for (uint32_t i = 0; d->findings && i < d->count; i++)
		free(d->findings[i].culprit);
	free(d->findings);
	free(d->scores);
	index_done(&d->by_subject);
	*d = (struct detect){ 0 };
}

/*
 * What a finding is about.  A pool is told from others by all that its connections
 * have in common, a connection by its cookie.
 */
static bool same_subject(const struct conn *a, const struct conn *b)
{
	if (a->cookie || b->cookie)
		return a->cookie == b->cookie;
	return a->pid == b->pid && a->start_ticks == b->start_ticks &&
	       a->protocol == b->protocol && addr_equal(&a->remote, &b->remote) &&
	       strcmp(a->user, b->user) == 0 && strcmp(a->database, b->database) == 0;
}

static uint64_t hash_key(const struct detect *d, const struct detector *kind, const struct conn *c)
{
	uint64_t key[3] = { (uintptr_t)kind, c->cookie, c->cookie ? 0 : c->pid };

	return XXH3_64bits_withSeed(key, sizeof(key), d->by_subject.seed);
}

struct key {
	const struct detector *kind;
	const struct conn *subject;
};

static bool same_key(const void *findings, uint32_t n, const void *key)
{
	const struct finding *f = &((const struct finding *)findings)[n];
	const struct key *k = key;

	return f->detector == k->kind && same_subject(&f->conn, k->subject);
}

static struct finding *find(struct detect *d, const struct detector *kind, const struct conn *c)
{
	struct key key = { kind, c };
	uint32_t n = index_find(&d->by_subject, hash_key(d, kind, c), same_key, d->findings, &key);

	return n == INDEX_NONE ? NULL : &d->findings[n];
}

/* The same on every run and after a restart: nothing in it but what the finding is. */
static void set_id(struct finding *f, const char *boot_tag)
{
	const struct conn *c = &f->conn;
	char name[128 + ADDR_TEXT_LEN + 2 * NAME_LEN], where[ADDR_TEXT_LEN];
	int len = snprintf(name, sizeof(name), "%s %llx %s %llu", boot_tag,
			   (unsigned long long)c->cookie, f->detector->name,
			   (unsigned long long)f->symptom.since_ns);

	if (finding_is_of_pool(f))
		len += snprintf(name + len, sizeof(name) - (size_t)len, " %u %u %s %s %s", c->pid,
				c->start_ticks, addr_format(&c->remote, where), c->user,
				c->database);
	(void)snprintf(f->id, sizeof(f->id), "f%012llx",
		       (unsigned long long)(XXH3_64bits(name, (size_t)len) >> 16));
}

/* One run of the detectors, and whom to tell. */
struct run {
	struct detect *d;
	const struct conns *conns;
	const struct levels *levels;
	uint64_t now_ns;
	finding_fn changed;
	void *arg;
};

static void tell(const struct run *r, const struct finding *f)
{
	if (r->changed)
		r->changed(f, r->arg);
}

static void end_finding(const struct run *r, struct finding *f, enum finding_state how)
{
	struct detect *d = r->d;
	uint32_t n = (uint32_t)(f - d->findings);

	f->state = how;
	f->ended_ns = r->now_ns;
	tell(r, f);
	index_remove(&d->by_subject, hash_key(d, f->detector, &f->conn), n);
	free(f->culprit);
	*f = (struct finding){ 0 };
	if (n < d->hole)
		d->hole = n;
	while (d->count && !d->findings[d->count - 1].used)
		d->count--;
}

/* Of a registered detector; the others are nobody's. */
static struct score *score_of(struct detect *d, const struct detector *kind)
{
	for (size_t i = 0; i < d->score_count; i++)
		if (d->scores[i].detector == kind)
			return &d->scores[i];
	return NULL;
}

/* Whether the client took the connection up again by itself. */
static bool went_on(const struct finding *f, const struct conn *c)
{
	return c && !f->detector->at_work && c->tcp_state == TCP_STATE_ESTABLISHED &&
	       c->stage != STAGE_ESTABLISHING &&
	       c->stage != STAGE_TERMINATED && !c->uncertain && !c->defused_rx_bytes &&
	       (c->rx_bytes != f->conn.rx_bytes || c->tx_bytes != f->conn.tx_bytes ||
		c->activity != f->conn.activity);
}

static void retract(const struct run *r, struct finding *f, const struct conn *c)
{
	struct score *score = score_of(r->d, f->detector);

	if (f->state == FINDING_CONFIRMED && went_on(f, c)) {
		r->d->regretted++;
		if (score)
			score->regretted++;
	}
	r->d->retracted++;
	end_finding(r, f, FINDING_RETRACTED);
}

static void suspect(const struct run *r, const struct detector *kind, const struct conn *c,
		    const struct symptom *s, uint64_t grace_ns)
{
	struct detect *d = r->d;
	struct finding *f;

	while (d->hole < d->capacity && d->findings[d->hole].used)
		d->hole++;
	if (d->hole == d->capacity) {
		d->lost++;
		return;
	}
	if (d->hole >= d->count)
		d->count = d->hole + 1;
	f = &d->findings[d->hole];
	*f = (struct finding){
		.detector = kind,
		.state = FINDING_SUSPECT,
		.conn = *c,
		.symptom = *s,
		.grace_ns = grace_ns,
		.suspected_ns = r->now_ns,
		.seen_ns = r->now_ns,
		.checked = !c->cookie,
		.used = true,
	};
	set_id(f, r->conns->boot_tag);
	index_put(&d->by_subject, hash_key(d, kind, c), d->hole);
	d->suspected++;
	tell(r, f);
}

static void see_again(const struct run *r, struct finding *f, const struct conn *c,
		      const struct symptom *s, uint64_t grace_ns)
{
	struct score *score = score_of(r->d, f->detector);

	f->conn = *c;
	f->symptom = *s;
	if (grace_ns < f->grace_ns)
		f->grace_ns = grace_ns;
	f->seen_ns = r->now_ns;
	if (f->state != FINDING_SUSPECT || !f->checked || f->denied)
		return;
	if (r->now_ns <= f->suspected_ns || s->confidence < CONFIDENCE_MIN)
		return;
	f->state = FINDING_CONFIRMED;
	f->confirmed_ns = r->now_ns;
	r->d->confirmed++;
	if (score)
		score->confirmed++;
	tell(r, f);
}

static void take_in(const struct run *r, const struct detector *kind, const struct conn *c,
		    struct symptom *s, uint64_t grace_ns)
{
	struct finding *f = find(r->d, kind, c);

	if (f && f->under_repair)
		return;
	if (f && finding_is_of_pool(f))
		s->since_ns = f->symptom.since_ns;	/* no byte says when it began anew */
	if (f && f->symptom.since_ns != s->since_ns) {
		retract(r, f, c);
		f = NULL;
	}
	if (f)
		see_again(r, f, c, s, grace_ns);
	else
		suspect(r, kind, c, s, grace_ns);
}

/* What a detector is handed for a pool: the steeper its gear, the shorter the grace. */
static struct detector_conf base_for(const struct detector_setting *set, const struct pool *p)
{
	struct detector_conf base = set->base;

	if (p)
		base.grace_ns = gear_grace_ns(p->gear, base.grace_ns);
	return base;
}

/* Whether the same trouble is told already, in the words of a detector with less to say. */
static bool is_told(const struct run *r, const struct detect_conf *conf,
		    const struct detector *kind, const struct conn *c)
{
	const struct detector_setting *less =
		kind->rather_than ? detect_conf_find(conf, kind->rather_than) : NULL;

	return less && find(r->d, less->detector, c);
}

/* All detectors on one connection, while it is at hand. */
static void look_at_conns(const struct run *r, const struct detect_conf *conf)
{
	conns_for_each(r->conns, c) {
		const struct pool *p = levels_of(r->levels, c);
		const char *spared = NULL;
		struct symptom s = { 0 };

		for (size_t i = 0; i < conf->count; i++) {
			const struct detector_setting *set = &conf->settings[i];
			struct detector_conf base;

			if (!set->base.enabled || set->detector->check_pool ||
			    (spared && strcmp(spared, set->detector->name) == 0))
				continue;
			base = base_for(set, p);
			if (!set->detector->check(c, p, &base, set->own, r->now_ns, &s))
				continue;
			if (!is_told(r, conf, set->detector, c)) {
				take_in(r, set->detector, c, &s, base.grace_ns);
				spared = set->detector->rather_than;
			}
			s = (struct symptom){ 0 };	/* untouched by those that say no */
		}
	}
}

/* What the connections of a pool have in common, in a connection's clothes. */
static struct conn common_of(const struct pool *p)
{
	struct conn c = {
		.pid = p->pid,
		.start_ticks = p->start_ticks,
		.uid = p->uid,
		.remote = p->endpoint,
		.protocol = p->protocol,
		.phase = PHASE_READY,	/* recognised: to be listed */
	};

	memcpy(c.user, p->user, sizeof(c.user));
	memcpy(c.database, p->database, sizeof(c.database));
	memcpy(c.comm, p->comm, sizeof(c.comm));
	return c;
}

static void look_at_pool(const struct run *r, const struct detector_setting *set,
			 const struct pool *p)
{
	struct detector_conf base = base_for(set, p);
	struct symptom s = { 0 };
	struct conn c;

	if (!set->detector->check_pool(p, &base, set->own, r->now_ns, &s))
		return;
	c = common_of(p);
	take_in(r, set->detector, &c, &s, base.grace_ns);
}

static void look_at_pools(const struct run *r, const struct detector_setting *set)
{
	const struct levels *l = r->levels;

	for (uint32_t i = 0; i < l->count; i++)
		look_at_pool(r, set, &l->pools[i]);
	for (uint32_t i = 0; i < LATELY; i++)
		if (l->lately[i].pid)
			look_at_pool(r, set, &l->lately[i]);
}

/* The connection a finding is about, as it is now; NULL when it is over. */
static const struct conn *still_open(const struct conns *t, const struct finding *f)
{
	const struct conn *c = f->conn.slot < t->high ? &t->table[f->conn.slot] : NULL;

	return c && c->used && c->cookie == f->conn.cookie ? c : NULL;
}

/*
 * The grace that `f` is owed now: what it was found under, whatever the gear is since.  A
 * pause sets the clock of a connection back by what could not be known before; what was
 * confirmed by then and has not moved is owed nothing.
 */
static uint64_t grace_owed_ns(const struct finding *f, const struct conn *c)
{
	bool set_back = !finding_is_of_pool(f) && c->paused_ns && c->last_ns == f->conn.last_ns;

	return set_back && f->state == FINDING_CONFIRMED ? 0 : f->grace_ns;
}

/* Whether `f`, which was not seen under the grace of now, stands all the same. */
static bool still_stands(const struct run *r, const struct detect_conf *conf, struct finding *f)
{
	const struct conn *c = finding_is_of_pool(f) ? &f->conn : still_open(r->conns, f);
	const struct pool *p = c ? levels_of(r->levels, c) : NULL;
	const struct detector_setting *set = detect_conf_find(conf, f->detector->name);
	struct symptom s = { 0 };
	struct detector_conf base = { .enabled = 1 };
	bool shown;

	if (!c || !set || !set->base.enabled ||
	    f->grace_ns < gear_grace_ns(GEARS, set->base.grace_ns))
		return false;
	base.grace_ns = grace_owed_ns(f, c);
	if (base.grace_ns >= base_for(set, p).grace_ns)
		return false;
	if (set->detector->check_pool)
		shown = p && set->detector->check_pool(p, &base, set->own, r->now_ns, &s);
	else
		shown = set->detector->check(c, p, &base, set->own, r->now_ns, &s);
	if (finding_is_of_pool(f))
		s.since_ns = f->symptom.since_ns;
	if (!shown || s.since_ns != f->symptom.since_ns)
		return false;
	see_again(r, f, c, &s, f->grace_ns);
	return true;
}

void detect_run(struct detect *d, const struct detect_conf *conf, const struct conns *t,
		const struct levels *l, uint64_t now_ns, finding_fn changed, void *arg)
{
	struct run r = { d, t, l, now_ns, changed, arg };

	look_at_conns(&r, conf);
	for (size_t i = 0; i < conf->count; i++)
		if (conf->settings[i].base.enabled && conf->settings[i].detector->check_pool)
			look_at_pools(&r, &conf->settings[i]);
	findings_for_each(d, f)
		if (f->seen_ns != now_ns && !f->under_repair && !still_stands(&r, conf, f))
			retract(&r, f, still_open(t, f));
}

bool finding_is_of_pool(const struct finding *f)
{
	return !f->conn.cookie;
}

bool finding_is_borne_out(const struct finding *f, const struct sock_facts *facts)
{
	const struct conn *c = &f->conn;

	if (f->detector->agrees)
		return f->detector->agrees(c, facts);
	return facts->tcp_state == c->tcp_state && facts->unread == 0 && facts->unacked == 0 &&
	       facts->bytes_received == c->rx_bytes && facts->bytes_acked == c->tx_bytes;
}

struct finding *detect_find(struct detect *d, const char *id)
{
	findings_for_each(d, f)
		if (strcmp(f->id, id) == 0 || (*id && strcmp(f->conn.id, id) == 0))
			return f;
	return NULL;
}

void detect_mend(struct detect *d, struct finding *f, uint64_t now_ns, finding_fn changed,
		 void *arg)
{
	struct run r = { .d = d, .now_ns = now_ns, .changed = changed, .arg = arg };

	d->mended++;
	end_finding(&r, f, FINDING_MENDED);
}

const char *finding_state_name(enum finding_state s)
{
	return s < FINDING_STATE_MAX ? state_names[s] : "retracted";
}
