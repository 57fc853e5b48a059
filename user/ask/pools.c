// SPDX-License-Identifier: GPL-2.0-or-later
/* Pools: one row a pool, with the ids of the findings on its connections. */
#include <stdlib.h>

#include "ask/document.h"
#include "ask/filter.h"
#include "ask/question.h"
#include "lib/cleanup.h"

/* ids[i]: the finding ids of pool i, or NULL.  Each is a reference. */
static void collect(const struct engine *e, const struct filter *f, json_t **ids)
{
	findings_for_each(&e->detect, found) {
		const struct pool *p = levels_of(&e->levels, &found->conn);
		size_t i;

		if (!p || !filter_finding(f, found))
			continue;
		i = (size_t)(p - e->levels.pools);
		if (!ids[i])
			ids[i] = json_array();
		(void)json_array_append_new(ids[i], json_string(found->id));
	}
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	const struct levels *l = &q->e->levels;
	_free_ json_t **ids = calloc((size_t)l->count + 1, sizeof(*ids));
	struct filter f;
	json_t *rows;

	if (filter_parse(q->params, &f, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (!ids)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	rows = json_array();
	collect(q->e, &f, ids);
	for (uint32_t i = 0; i < l->count; i++) {
		const struct pool *p = &l->pools[i];
		json_t *row;

		if (ask_may_see(q, p->uid) && filter_pool(&f, p) &&
		    (ids[i] || (!f.kind && !f.leaked))) {
			row = document_pool(p);
			if (ids[i])
				(void)json_object_set(row, "findings", ids[i]);
			(void)json_array_append_new(rows, row);
		}
		json_decref(ids[i]);
	}
	return ask_done("pools", rows, ret);
}

static const struct question pools = { "Pools", MAY_READ, answer };
REGISTER(question, pools);
