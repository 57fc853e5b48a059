// SPDX-License-Identifier: GPL-2.0-or-later
/* Show: everything known of one connection, called by its own or a finding's id. */
#include <string.h>

#include "ask/document.h"
#include "ask/question.h"
#include "culprits.h"
#include "lib/clock.h"

static const struct conn *find(struct engine *e, const char *id)
{
	const struct conn *c = conns_find_id(&e->conns, id);
	const struct finding *f;

	if (c)
		return c;
	f = detect_find(&e->detect, id);
	if (!f)
		return NULL;
	c = conns_find_cookie(&e->conns, f->conn.cookie);
	return c ? c : &f->conn;
}

static json_t *findings_of(const struct context *x, const struct conn *c, uint64_t now_ns)
{
	size_t n;
	const struct finding **found = context_findings(x, c->cookie, &n);
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(array, document_finding(found[i], now_ns));
	return array;
}

/* Null where there is no journal to ask. */
static json_t *repairs_of(const struct engine *e, const struct conn *c)
{
	json_t *all, *row, *array;
	size_t i;

	if (!e->journal)
		return json_null();
	/* An adopted connection may have been repaired in a former life of ours. */
	all = journal_read(e->journal, c->adopted ? 0 : clock_wall_ns(c->opened_ns));
	if (!all)
		return json_null();
	array = json_array();
	json_array_foreach(all, i, row) {
		const char *conn = json_string_value(json_object_get(row, "conn"));

		if (conn && strcmp(conn, c->id) == 0)
			(void)json_array_append(array, row);
	}
	json_decref(all);
	return array;
}

/* What opened its transaction, redacted. */
static json_t *opening_of(const struct engine *e, const struct conn *c)
{
	struct shape shape;

	engine_shape(e, c, STATEMENT_OPENING, &shape);
	return *shape.sql ? json_string(shape.sql) : json_null();
}

/* Who sent what it is in the middle of, and who connected: looked up when it is asked for. */
static void set_deeds(json_t *o, const struct engine *e, const struct conn *c)
{
	const struct culprit *sent = NULL, *connected = NULL;
	bool pending = false;

	if (e->culprits)
		sent = culprits_of(e->culprits, c, DEED_SENT, &pending);
	if (sent)
		document_culprit(o, sent, c);
	if (e->culprits)
		connected = culprits_of(e->culprits, c, DEED_CONNECTED, &pending);
	if (connected && json_is_null(json_object_get(o, "stack_at")))
		document_culprit(o, connected, c);
	(void)json_object_set_new(o, "connect_stack", stack_to_json(connected));
	(void)json_object_set_new(o, "connect_thread",
				  connected ? thread_to_json(connected, c) : json_null());
	(void)json_object_set_new(o, "stack_pending", json_boolean(pending));
}

static json_t *card(const struct inquiry *q, struct context *x, const struct conn *c)
{
	const struct pool *p = levels_of(&q->e->levels, c);
	json_t *o = document_conn(x, c, q->now_ns);

	(void)json_object_set_new(o, "opening_sql", opening_of(q->e, c));
	set_deeds(o, q->e, c);
	(void)json_object_set_new(o, "findings", findings_of(x, c, q->now_ns));
	(void)json_object_set_new(o, "pool", p ? document_pool(p) : json_null());
	(void)json_object_set_new(o, "repairs", repairs_of(q->e, c));
	return o;
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	static const char *const names[] = { "id", NULL };
	const char *id = json_string_value(json_object_get(q->params, "id"));
	const struct conn *c;
	struct context x;
	json_t *rows;

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (!id)
		return ask_fail(ret, EXIT_USAGE, "id: expected a connection's or finding's id");
	c = find(q->e, id);
	if (!c || !ask_may_see(q, c->uid))
		return ask_fail(ret, EXIT_NOTHING,
				"no connection or finding '%.40s' (it may have closed; plimsoll leaks lists the present ones)",
				id);
	if (context_init(&x, q->e) < 0)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	rows = json_pack("[o]", card(q, &x, c));
	context_done(&x);
	return ask_done("show", rows, ret);
}

static const struct question show = { "Show", MAY_READ, answer };
REGISTER(question, show);
