// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools: one row a pool, with the ids of the findings on its connections. */
#include <stdlib.h>

#include "ask/document.h"
#include "ask/filter.h"
#include "ask/question.h"
#include "lib/cleanup.h"

/* What was found in a pool. */
struct trouble {
	json_t *ids;	/* of the findings, or NULL; a reference */
	uint32_t held;	/* connections that look idle and are borrowed */
};

/* A pool that says itself what it lent needs no finding for that. */
static bool is_held(const struct finding *f, const struct pool *p)
{
	return f->detector->borrowed && f->state == FINDING_CONFIRMED && !p->word.known;
}

static void collect(const struct engine *e, const struct filter *f, struct trouble *of)
{
	findings_for_each(&e->detect, found) {
		const struct pool *p = levels_of(&e->levels, &found->conn);
		struct trouble *t;

		if (!p)
			continue;
		t = &of[p - e->levels.pools];
		t->held += is_held(found, p);
		if (!filter_finding(f, found))
			continue;
		if (!t->ids)
			t->ids = json_array();
		(void)json_array_append_new(t->ids, json_string(found->id));
	}
}

static json_t *row_of(const struct pool *p, const struct trouble *t)
{
	uint32_t held = t->held < p->idle ? t->held : p->idle;
	json_t *row = document_pool(p);

	(void)json_object_set_new(row, "in_use", json_integer(p->in_use + held));
	(void)json_object_set_new(row, "idle", json_integer(p->idle - held));
	if (t->ids)
		(void)json_object_set(row, "findings", t->ids);
	return row;
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	const struct levels *l = &q->e->levels;
	_free_ struct trouble *of = calloc((size_t)l->count + 1, sizeof(*of));
	struct filter f;
	json_t *rows;

	if (filter_parse(q->params, &f, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (!of)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	rows = json_array();
	collect(q->e, &f, of);
	for (uint32_t i = 0; i < l->count; i++) {
		const struct pool *p = &l->pools[i];

		if (ask_may_see(q, p->uid) && filter_pool(&f, p) &&
		    (of[i].ids || (!f.kind && !f.leaked)))
			(void)json_array_append_new(rows, row_of(p, &of[i]));
		json_decref(of[i].ids);
	}
	return ask_done("pools", rows, ret);
}

static const struct question pools = { "Pools", MAY_READ, answer };
REGISTER(question, pools);
