// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "culprits.h"
#include "drivers.h"
#include "lib/cleanup.h"

#define UNDER_WAY 16	/* look-ups at once; the rest waits for a later tick */

struct inquest {
	struct lookup *lookup;	/* NULL: free */
	char finding[FINDING_ID_LEN];
	uint32_t tid;
	char thread[16];
	uint64_t goroutine[2];
};

struct culprits {
	const struct events *events;
	struct symbols *symbols;
	struct inquest inquests[UNDER_WAY];
	struct stack_snapshot snapshot;
};

int culprits_new(const struct events *e, struct culprits **ret)
{
	struct culprits *c = calloc(1, sizeof(*c));
	int r = c ? symbols_new(driver_rules, NULL, &c->symbols) : -ENOMEM;

	if (r) {
		free(c);
		return r;
	}
	c->events = e;
	*ret = c;
	return 0;
}

void culprits_free(struct culprits *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < UNDER_WAY; i++)
		lookup_free(c->inquests[i].lookup);
	symbols_free(c->symbols);
	free(c);
}

static struct inquest *place_for(struct culprits *c, const struct finding *f)
{
	struct inquest *place = NULL;

	for (size_t i = 0; i < UNDER_WAY; i++) {
		struct inquest *q = &c->inquests[i];

		if (!q->lookup)
			place = q;
		else if (strcmp(q->finding, f->id) == 0)
			return NULL;	/* under way */
	}
	return place;
}

void culprits_want(struct culprits *c, const struct finding *f)
{
	const struct stack_snapshot *s = &c->snapshot;
	struct inquest *q = f->culprit ? NULL : place_for(c, f);
	struct registers regs;

	if (!q || !events_snapshot(c->events, f->conn.slot, f->conn.gen, &c->snapshot))
		return;
	regs = (struct registers){ s->ip, s->sp, s->bp, s->bx, s->r12, s->r13, s->r14, s->r15 };
	*q = (struct inquest){ .tid = s->tid,
			       .goroutine = { s->goroutine[0], s->goroutine[1] } };
	memcpy(q->finding, f->id, sizeof(q->finding));
	memcpy(q->thread, s->thread, sizeof(q->thread));
	if (symbols_start_stack(c->symbols, f->conn.pid, &regs, s->bytes, s->len, &q->lookup))
		q->lookup = NULL;
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
	const struct frame *frames;
	struct culprit *found;
	size_t n;

	frames = lookup_frames(q->lookup, &n);
	found = calloc(1, sizeof(*found) + n * sizeof(*frames));
	if (!found)
		return NULL;
	found->tid = q->tid;
	found->count = n;
	memcpy(found->thread, q->thread, sizeof(found->thread));
	memcpy(found->frames, frames, n * sizeof(*frames));
	(void)strncpy(found->language, lookup_language(q->lookup), sizeof(found->language) - 1);
	if (strcmp(found->language, "go") == 0)
		found->goroutine = goroutine_of(q);
	return found;
}

void culprits_step(struct culprits *c, struct detect *d)
{
	for (size_t i = 0; i < UNDER_WAY; i++) {
		struct inquest *q = &c->inquests[i];
		struct finding *f;

		if (!q->lookup || !lookup_step(q->lookup))
			continue;
		f = detect_find(d, q->finding);
		if (f && !f->culprit)
			f->culprit = conclude(q);
		lookup_free(q->lookup);
		q->lookup = NULL;
	}
}
