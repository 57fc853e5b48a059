// SPDX-License-Identifier: GPL-2.0-or-later
/* Conns: one row a connection. */
#include "ask/document.h"
#include "ask/filter.h"
#include "ask/question.h"

static bool has_finding(const struct filter *f, const struct context *x, const struct conn *c)
{
	size_t n;
	const struct finding **found;

	if (!f->kind && !f->leaked)
		return true;
	found = context_findings(x, c->cookie, &n);
	for (size_t i = 0; i < n; i++) {
		if (filter_finding(f, found[i]))
			return true;
	}
	return false;
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	const struct conns *t = &q->e->conns;
	struct context x;
	struct filter f;
	json_t *rows;

	if (filter_parse(q->params, &f, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (context_init(&x, q->e) < 0)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	rows = json_array();
	for (size_t i = q->from; i < t->high; i++) {
		const struct conn *c = &t->table[i];

		if (!c->used || !ask_may_see(q, c->uid) || !filter_conn(&f, c) ||
		    !has_finding(&f, &x, c))
			continue;
		if (ask_is_full(q, rows, i))
			break;
		(void)json_array_append_new(rows, document_conn(&x, c, q->now_ns));
	}
	context_done(&x);
	return ask_done("conns", rows, ret);
}

static const struct question conns = { "Conns", MAY_READ, answer };
REGISTER(question, conns);
