// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "level.h"
#include "level/moves.h"

#define RESTED_NS   (250 * NS_PER_MS)	/* before its borrower went on: not in one go */
#define WORKED_LEAST 2			/* things asked, */
#define WORKED_NS   (30 * NS_PER_MS)	/* and so far apart */
#define DOUBT_NS    (600 * NS_PER_S)

void moves_turn(struct moves *m)
{
	memcpy(m->seen, m->fresh, sizeof(m->seen));
	m->seen_count = m->fresh_count;
	m->fresh_count = 0;
}

/* By time: slots are not. */
void moves_arrive(struct moves *m, const struct conn *c)
{
	uint32_t i = m->fresh_count;

	if (!c->borrower || i == ARRIVALS)
		return;
	for (; i && m->fresh[i - 1].ns > c->borrowed_ns; i--)
		m->fresh[i] = m->fresh[i - 1];
	m->fresh[i] = (struct arrival){ c->borrowed_ns, c->opened_ns, c->borrower, c->bag, false };
	m->fresh_count++;
}

/* One whose pool is not known may be of any. */
static bool leads_away(const struct arrival *a, const struct conn *c)
{
	return a->borrower == c->borrower && (a->bag == c->bag || !a->bag || !c->bag) &&
	       a->opened_ns != c->opened_ns && a->ns >= c->last_ns;
}

static bool is_doubtful(const struct moves *m, const struct arrival *a)
{
	return m->doubted_ns && a->ns < m->doubted_ns + DOUBT_NS;
}

static bool was_worked_with(const struct conn *c)
{
	return c->queries >= c->borrowed_queries + WORKED_LEAST &&
	       c->last_ns >= c->borrowed_ns + WORKED_NS;
}

/* Its borrower did not stay: from the one that he came from he did not need to come. */
static void note_hurry(struct moves *m, const struct conn *c)
{
	m->hurries[m->hurried++ % HURRIES] = (struct hurry){ c->borrower, c->borrowed_ns };
}

struct departure moves_away(struct moves *m, const struct conn *c)
{
	struct departure d = { 0 };

	for (uint32_t i = 0; c->borrower && i < m->seen_count && !d.ns; i++) {
		struct arrival *a = &m->seen[i];

		if (!leads_away(a, c))
			continue;
		d.ns = a->ns;
		d.up = a->opened_ns > c->opened_ns;
		d.deserts = a->bag && a->ns >= c->last_ns + RESTED_NS && !is_doubtful(m, a);
		a->deserts |= d.deserts && d.up && c->bag;
		if (!was_worked_with(c))
			note_hurry(m, c);
	}
	return d;
}

bool moves_excuse(struct moves *m, const struct conn *c, const struct departure *d)
{
	if (d->ns <= m->doubted_ns)
		return true;
	for (uint32_t i = 0; i < HURRIES; i++) {
		if (m->hurries[i].borrower != c->borrower || m->hurries[i].since_ns != d->ns)
			continue;
		note_hurry(m, c);	/* and so on, back to where he began */
		return true;
	}
	return false;
}

void moves_land(struct moves *m, const struct arrival *a)
{
	m->landed[m->landed_count++ % LANDINGS] = (struct landing){ a->ns, a->opened_ns, a->bag };
}

uint32_t moves_past(const struct moves *m, const struct conn *c, uint64_t since_ns,
		    uint64_t *ret_first_ns)
{
	uint64_t i = m->landed_count > LANDINGS ? m->landed_count - LANDINGS : 0;
	uint32_t times = 0;

	for (; c->bag && i < m->landed_count; i++) {
		const struct landing *l = &m->landed[i % LANDINGS];

		if (l->ns < since_ns || l->bag != c->bag || l->opened_ns <= c->opened_ns)
			continue;
		if (!times++)
			*ret_first_ns = l->ns;
	}
	return times;
}

void moves_doubt(struct moves *m, uint64_t now_ns)
{
	m->fresh_count = m->seen_count = 0;
	m->landed_count = 0;
	m->doubted_ns = now_ns;
}
