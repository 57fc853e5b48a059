// SPDX-License-Identifier: GPL-2.0-or-later
/* Leaks: the findings that stand, with their evidence. */
#include "ask/document.h"
#include "ask/filter.h"
#include "ask/question.h"

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	const struct detect *d = &q->e->detect;
	struct filter f;
	json_t *rows;

	if (filter_parse(q->params, &f, ret) != EXIT_OK)
		return EXIT_USAGE;
	rows = json_array();
	for (size_t i = q->from; i < d->count; i++) {
		const struct finding *found = &d->findings[i];

		if (!found->used || !ask_may_see(q, found->conn.uid) ||
		    !filter_conn(&f, &found->conn) || !filter_finding(&f, found))
			continue;
		if (ask_is_full(q, rows, i))
			break;
		(void)json_array_append_new(rows, document_finding(found, q->now_ns));
	}
	return ask_done("leaks", rows, ret);
}

static const struct question leaks = { "Leaks", MAY_READ, answer };
REGISTER(question, leaks);
