// SPDX-License-Identifier: GPL-2.0-or-later
/* Journal: what was found, decided and done, oldest first. */
#include "ask/question.h"
#include "lib/clock.h"

/* Only while the connection is there can we say whose it was. */
static bool may_see(const struct inquiry *q, json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "conn"));
	const struct conn *c = id ? conns_find_id(&q->e->conns, id) : NULL;

	return q->who->role != ROLE_OWN || (c && ask_may_see(q, c->uid));
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	static const char *const names[] = { "since_s", NULL };
	json_t *since = json_object_get(q->params, "since_s"), *all, *row, *rows;
	uint64_t from_ns = 0;
	size_t i;

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (since && !json_is_null(since)) {
		double s = json_number_value(since);

		if (!json_is_number(since) || !(s >= 0 && s < 1e9))
			return ask_fail(ret, EXIT_USAGE, "since_s: expected seconds");
		from_ns = clock_wall_ns(q->now_ns) - (uint64_t)(s * (double)NS_PER_S);
	}
	if (!q->e->journal)
		return ask_fail(ret, EXIT_FAIL, "there is no journal");
	all = journal_read(q->e->journal, from_ns);
	if (!all)
		return ask_fail(ret, EXIT_FAIL, "the journal cannot be read");
	rows = json_array();
	json_array_foreach(all, i, row) {
		if (may_see(q, row))
			(void)json_array_append(rows, row);
	}
	json_decref(all);
	return ask_done("journal", rows, ret);
}

static const struct question journal = { "Journal", MAY_READ, answer };
REGISTER(question, journal);
