// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "culprits.h"
#include "culprits/languages.h"
#include "drivers.h"
#include "lib/cleanup.h"

#define UNDER_WAY 16	/* look-ups at once; the rest waits for a later tick */
#define PORTRAITS 32	/* of connections that were asked about, kept for the next question */

/* What is looked for: a moment of a connection, for a finding or for whoever asked. */
struct inquest {
	struct lookup *lookup;	/* NULL: free */
	char finding[FINDING_ID_LEN];	/* "" none */
	uint64_t cookie;
	enum deed deed;
	uint64_t ns;
	uint32_t tid;
	char thread[16];
	uint64_t goroutine[2];
};

struct portrait {
	uint64_t cookie;
	enum deed deed;
	uint64_t ns;
	struct culprit *who;
};

struct culprits {
	const struct events *events;
	enum evidence_tier tier;
	struct symbols *symbols;
	struct languages *languages;
	struct inquest inquests[UNDER_WAY];
	struct portrait portraits[PORTRAITS];
	size_t next;		/* portrait to be painted over */
	struct stack_snapshot snapshot;
};

int culprits_new(const struct events *e, enum evidence_tier tier, struct culprits **ret)
{
	struct culprits *c = calloc(1, sizeof(*c));
	int r = c ? symbols_new(driver_rules, NULL, &c->symbols) : -ENOMEM;

	if (!r)
		r = languages_new(c->symbols, &c->languages);
	if (r) {
		culprits_free(c);
		return r;
	}
	c->events = e;
	c->tier = tier;
	*ret = c;
	return 0;
}

void culprits_free(struct culprits *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < UNDER_WAY; i++)
		lookup_free(c->inquests[i].lookup);
	for (size_t i = 0; i < PORTRAITS; i++)
		free(c->portraits[i].who);
	languages_free(c->languages);
	symbols_free(c->symbols);
	free(c);
}

static struct inquest *free_place(struct culprits *c)
{
	for (size_t i = 0; i < UNDER_WAY; i++)
		if (!c->inquests[i].lookup)
			return &c->inquests[i];
	return NULL;
}

/* None while probes are being put: whoever forks then, or looks into a process, may hang. */
static struct inquest *place_now(struct culprits *c)
{
	return events_is_probing(c->events) ? NULL : free_place(c);
}

static bool is_wanted(const struct culprits *c, const struct finding *f)
{
	for (size_t i = 0; i < UNDER_WAY; i++)
		if (c->inquests[i].lookup && strcmp(c->inquests[i].finding, f->id) == 0)
			return true;
	return false;
}

/* Begins to follow the stack of c->snapshot.  False when the process is not to be had. */
static bool begin(struct culprits *c, struct inquest *q, const struct conn *conn, enum deed deed)
{
	const struct stack_snapshot *s = &c->snapshot;
	struct registers regs = { s->ip, s->sp, s->bp, s->bx, s->r12, s->r13, s->r14, s->r15 };

	*q = (struct inquest){ .cookie = conn->cookie, .deed = deed, .ns = s->ns, .tid = s->tid,
			       .goroutine = { s->goroutine[0], s->goroutine[1] } };
	memcpy(q->thread, s->thread, sizeof(q->thread));
	if (symbols_start_stack(c->symbols, conn->pid, &regs, s->bytes, s->len, &q->lookup))
		q->lookup = NULL;
	return q->lookup;
}

static bool was_kept(struct culprits *c, const struct conn *conn, enum deed deed)
{
	return events_snapshot(c->events, conn->slot, conn->gen, deed, &c->snapshot);
}

/* What was kept at a statement is about what the connection is doing now. */
static bool was_sent(const struct culprits *c, const struct conn *conn)
{
	return conn->txn_ns || c->tier == TIER_ALL;
}

void culprits_want(struct culprits *c, struct finding *f)
{
	enum deed deed = DEED_SENT;
	struct inquest *q;

	if (!f->language[0])
		(void)strncpy(f->language, culprits_language(c, &f->conn), sizeof(f->language) - 1);
	if (f->culprit || finding_is_of_pool(f) || is_wanted(c, f))
		return;
	q = place_now(c);
	if (!q)
		return;
	if (!was_sent(c, &f->conn) || !was_kept(c, &f->conn, DEED_SENT)) {
		deed = DEED_CONNECTED;
		if (!was_kept(c, &f->conn, DEED_CONNECTED))
			return;
	}
	if (begin(c, q, &f->conn, deed))
		memcpy(q->finding, f->id, sizeof(q->finding));
}

/*
 * Go's goroutine number lies at one of two places, by its version.  At the other
 * there is something else: a number is small and never 0.
 */
static uint64_t goroutine_of(const struct inquest *q)
{
	static const uint64_t most = 1ULL << 40;

	for (size_t i = 0; i < ARRAY_SIZE(q->goroutine); i++)
		if (q->goroutine[i] && q->goroutine[i] < most)
			return q->goroutine[i];
	return 0;
}

static struct culprit *conclude(const struct inquest *q)
{
	const struct frame *frames = NULL;
	struct culprit *found;
	size_t n = 0;

	if (q->lookup)
		frames = lookup_frames(q->lookup, &n);
	found = calloc(1, sizeof(*found) + n * sizeof(*frames));
	if (!found)
		return NULL;
	found->tid = q->tid;
	found->at_connect = q->deed == DEED_CONNECTED;
	found->count = n;
	memcpy(found->thread, q->thread, sizeof(found->thread));
	if (n)
		memcpy(found->frames, frames, n * sizeof(*frames));
	if (q->lookup && strcmp(lookup_language(q->lookup), "go") == 0)
		found->goroutine = goroutine_of(q);
	return found;
}

static void hang(struct culprits *c, const struct inquest *q)
{
	struct portrait *p = &c->portraits[c->next++ % PORTRAITS];

	free(p->who);
	*p = (struct portrait){ q->cookie, q->deed, q->ns, conclude(q) };
}

static void hand_over(struct culprits *c, struct detect *d, const struct inquest *q)
{
	struct finding *f = q->finding[0] ? detect_find(d, q->finding) : NULL;

	if (!q->finding[0])
		hang(c, q);
	else if (f && !f->culprit)
		f->culprit = conclude(q);
}

void culprits_step(struct culprits *c, struct detect *d, const struct levels *l)
{
	if (events_is_probing(c->events))
		return;
	languages_step(c->languages, l);
	for (size_t i = 0; i < UNDER_WAY; i++) {
		struct inquest *q = &c->inquests[i];

		if (!q->lookup || !lookup_step(q->lookup))
			continue;
		hand_over(c, d, q);
		lookup_free(q->lookup);
		q->lookup = NULL;
	}
}

static const struct portrait *find_portrait(const struct culprits *c, const struct conn *conn,
					    enum deed deed)
{
	for (size_t i = 0; i < PORTRAITS; i++) {
		const struct portrait *p = &c->portraits[i];

		if (p->cookie == conn->cookie && p->deed == deed && p->ns == c->snapshot.ns)
			return p;
	}
	return NULL;
}

static bool is_asked(const struct culprits *c, const struct conn *conn, enum deed deed)
{
	for (size_t i = 0; i < UNDER_WAY; i++) {
		const struct inquest *q = &c->inquests[i];

		if (q->lookup && !q->finding[0] && q->cookie == conn->cookie && q->deed == deed &&
		    q->ns == c->snapshot.ns)
			return true;
	}
	return false;
}

const struct culprit *culprits_of(struct culprits *c, const struct conn *conn, enum deed deed,
				  bool *ret_pending)
{
	const struct portrait *p;
	struct inquest *q;

	if ((deed == DEED_SENT && !was_sent(c, conn)) || !was_kept(c, conn, deed))
		return NULL;
	p = find_portrait(c, conn, deed);
	if (p)
		return p->who;
	q = is_asked(c, conn, deed) ? NULL : place_now(c);
	if (q && !begin(c, q, conn, deed)) {
		hang(c, q);
		p = find_portrait(c, conn, deed);
		return p ? p->who : NULL;
	}
	*ret_pending = true;
	return NULL;
}

const char *culprits_language(const struct culprits *c, const struct conn *conn)
{
	return c && conn->pid ? languages_of(c->languages, conn->pid, conn->start_ticks) : "";
}
