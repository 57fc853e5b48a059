// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one door for questions and orders: finds the question, checks who asks,
 * and makes sure that the answer is of now.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ask/document.h"
#include "ask/question.h"
#include "lib/clock.h"

#define ROWS_IN_PIECE 256	/* some 200 KiB of text, made in some 20 ms */

bool ask_may_see(const struct inquiry *q, uid_t uid)
{
	return q->who->role != ROLE_OWN || q->who->uid == uid;
}

enum exit_code ask_done(const char *command, json_t *rows, json_t **ret)
{
	json_t *doc = json_pack("{s:i, s:o}", "schema", 1, command, rows);

	if (!doc)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	*ret = doc;
	return EXIT_OK;
}

enum exit_code ask_fail(json_t **ret, enum exit_code code, const char *fmt, ...)
{
	char message[512];
	va_list args;
	json_t *text;

	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	text = json_string(message);
	/* A message that was cut in the middle of a character. */
	if (!text)
		text = json_string("the request was not understood");
	*ret = json_pack("{s:o}", "message", text);
	return code;
}

enum exit_code ask_only(const struct inquiry *q, const char *const *names, json_t **ret)
{
	const char *key;
	json_t *value;

	json_object_foreach(q->params, key, value) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i])
			return ask_fail(ret, EXIT_USAGE, "unknown parameter '%.40s'", key);
	}
	return EXIT_OK;
}

/* Whoever asks is told what is true now, not what was at the last tick. */
static void refresh(struct engine *e, uint64_t now_ns)
{
	if (!e->events)
		return;
	(void)engine_drain(e);
	engine_tick(e, now_ns);
	(void)engine_drain(e);	/* of what the look saw begin, the name comes a moment later */
}

static const struct question *find_question(const char *method)
{
	for_each(question, it) {
		if (strcmp((*it)->method, method) == 0)
			return *it;
	}
	return NULL;
}

bool ask_knows(const char *method)
{
	return find_question(method) != NULL;
}

enum exit_code ask_exit_code(int err)
{
	switch (err) {
	case 0:
		return EXIT_OK;
	case -EINVAL:
		return EXIT_USAGE;
	case -EPERM:
	case -EACCES:
	case -EOPNOTSUPP:
		return EXIT_PERMISSION;
	default:
		return EXIT_FAIL;
	}
}

static const char *const notice_names[] = { "finding", "repair", "gear" };

static json_t *notice_document(enum notice what, const void *record, uint64_t now_ns)
{
	switch (what) {
	case NOTICE_FINDING:
		return document_finding(record, now_ns);
	case NOTICE_GEAR:
		return document_gear(record);
	default:
		return repair_to_json(record);
	}
}

json_t *ask_notice(enum notice what, const void *record, uint64_t now_ns)
{
	char when[CLOCK_TEXT_LEN];
	json_t *o = notice_document(what, record, now_ns);

	if (!o)
		return NULL;
	(void)json_object_set_new(o, "type", json_string(notice_names[what]));
	if (!json_object_get(o, "at"))
		(void)json_object_set_new(o, "at",
					  json_string(clock_format(clock_wall_ns(now_ns), when)));
	return o;
}

static enum exit_code put(struct inquiry *q, const char *method, json_t *params, json_t **ret)
{
	const struct question *found = find_question(method);
	enum exit_code code;

	if (!found)
		return ask_fail(ret, EXIT_USAGE, "unknown method '%.40s'", method);
	if (params && !json_is_null(params) && !json_is_object(params))
		return ask_fail(ret, EXIT_USAGE, "parameters must be an object");
	if (!(found->roles & MAY(q->who->role)))
		return ask_fail(ret, EXIT_PERMISSION, "uid %u may not do that",
				(unsigned int)q->who->uid);
	q->params = json_is_object(params) ? json_incref(params) : json_object();
	if (!q->params)
		return ask_fail(ret, EXIT_FAIL, "out of memory");
	if (!q->from)
		refresh(q->e, q->now_ns);
	code = found->answer(q, ret);
	json_decref(q->params);
	return code;
}

bool ask_is_full(const struct inquiry *q, const json_t *rows, size_t place)
{
	if (json_array_size(rows) < q->most)
		return false;
	*q->next = place;
	return true;
}

enum exit_code ask_piece(struct engine *e, const struct caller *who, const char *method,
			 json_t *params, size_t *place, json_t **ret)
{
	struct inquiry q = { .e = e, .who = who, .now_ns = clock_now_ns(), .from = *place,
			     .most = ROWS_IN_PIECE, .next = place };

	*place = 0;
	return put(&q, method, params, ret);
}

enum exit_code ask(struct engine *e, const struct caller *who, const char *method, json_t *params,
		   json_t **ret)
{
	struct inquiry q = { .e = e, .who = who, .now_ns = clock_now_ns(), .most = SIZE_MAX };

	return put(&q, method, params, ret);
}
