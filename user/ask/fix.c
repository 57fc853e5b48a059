// SPDX-License-Identifier: GPL-2.0-or-later
/* Fix: an operator's order, or (without "yes") what it would do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask/question.h"

struct order {
	const char *id, *with;
	bool yes;
};

static enum exit_code read_order(const struct inquiry *q, struct order *out, json_t **ret)
{
	static const char *const names[] = { "id", "with", "yes", NULL };
	json_t *with = json_object_get(q->params, "with"), *yes = json_object_get(q->params, "yes");

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	out->id = json_string_value(json_object_get(q->params, "id"));
	if (!out->id)
		return ask_fail(ret, EXIT_USAGE, "id: expected a connection's or finding's id");
	if (with && !json_is_null(with) && !json_is_string(with))
		return ask_fail(ret, EXIT_USAGE, "with: expected the name of an action");
	out->with = json_string_value(with);
	if (yes && !json_is_boolean(yes))
		return ask_fail(ret, EXIT_USAGE, "yes: expected true or false");
	out->yes = json_is_true(yes);
	return EXIT_OK;
}

static const struct conn *find_conn(struct engine *e, const char *id)
{
	const struct conn *c = conns_find_id(&e->conns, id);
	const struct finding *f = c ? NULL : detect_find(&e->detect, id);

	return f ? &f->conn : c;
}

static json_t *effects(const struct action *a)
{
	return a ? json_pack("{s:s, s:s, s:s, s:s}", "summary", a->summary, "to_client",
			     a->to_client, "to_server", a->to_server, "undo", a->undo) :
		   json_null();
}

static json_t *document(const struct repair *r, bool dry)
{
	json_t *o = repair_to_json(r);

	if (!o)
		return NULL;
	(void)json_object_set_new(o, "effects", effects(action_find(r->verdict.action)));
	(void)json_object_set_new(o, "dry", json_boolean(dry));
	return o;
}

/* An error answer that carries the repair as far as it came. */
static enum exit_code fail_with(enum exit_code code, const char *sentence, const struct repair *r,
				bool dry, json_t **ret)
{
	(void)ask_fail(ret, code, "%s", sentence);
	(void)json_object_set_new(*ret, "repair", document(r, dry));
	return code;
}

static enum exit_code no_such_action(const char *name, json_t **ret)
{
	char list[256] = "";

	for_each(action, it) {
		size_t used = strlen(list);

		(void)snprintf(list + used, sizeof(list) - used, " %s", (*it)->face.name);
	}
	return ask_fail(ret, EXIT_USAGE, "there is no action '%.40s'; there are:%s",
			name ? name : "", list);
}

static enum exit_code refused(const struct repair *r, bool dry, json_t **ret)
{
	char sentence[256];

	(void)snprintf(sentence, sizeof(sentence), "refused: %s",
		       reason_sentence(r->verdict.reason));
	return fail_with(EXIT_REFUSED, sentence, r, dry, ret);
}

static enum exit_code carried_out(const struct repair *r, json_t **ret)
{
	switch (r->outcome) {
	case OUTCOME_DONE:
		return ask_done("fix", json_pack("[o]", document(r, false)), ret);
	case OUTCOME_CHANGED:
		return fail_with(EXIT_REFUSED, "changed: the connection moved, nothing was done", r,
				 false, ret);
	case OUTCOME_GONE:
		return fail_with(EXIT_NOTHING,
				 "gone: the connection or its owner had ended, nothing was done", r,
				 false, ret);
	case OUTCOME_INTERRUPTED:
		return fail_with(EXIT_FAIL, "interrupted: the steps say how far it came", r, false,
				 ret);
	default:
		return fail_with(EXIT_FAIL, "failed: what was begun has been undone", r, false, ret);
	}
}

static enum exit_code answer(const struct inquiry *q, json_t **ret)
{
	struct repair r = { .helped = -1 };
	const struct conn *c;
	struct order order = {};
	int err;

	if (read_order(q, &order, ret) != EXIT_OK)
		return EXIT_USAGE;
	if (order.with && !action_find(order.with))
		return no_such_action(order.with, ret);
	c = find_conn(q->e, order.id);
	if (c && !ask_may_see(q, c->uid))
		return ask_fail(ret, EXIT_REFUSED, "refused: %s",
				reason_sentence(REASON_NOT_ALLOWED));
	err = engine_fix(q->e, order.id, order.with, !order.yes, &r);
	if (err == -ENOENT)
		return ask_fail(ret, EXIT_NOTHING,
				"no connection or finding '%.40s' (it may have closed; plimsoll leaks lists the present ones)",
				order.id);
	if (err == -EINVAL)
		return no_such_action(order.with, ret);
	if (err == -EPERM)
		return refused(&r, !order.yes, ret);
	if (err == -EBUSY)
		return ask_fail(ret, EXIT_FAIL,
				"nothing was done: a process keeps the kernel from putting probes, "
				"and us from acting; try again");
	if (err < 0)
		return ask_fail(ret, EXIT_FAIL, "the repair failed: %s", strerror(-err));
	if (!order.yes)
		return ask_done("fix", json_pack("[o]", document(&r, true)), ret);
	return carried_out(&r, ret);
}

static const struct question fix = { "Fix", MAY(ROLE_OWN) | MAY(ROLE_ALL), answer };
REGISTER(question, fix);
