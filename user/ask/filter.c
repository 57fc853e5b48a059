// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "ask/filter.h"
#include "ask/question.h"
#include "lib/text.h"

#define NAMES "pid comm endpoint protocol database user kind leaked all"

static bool is_protocol(const char *name)
{
	for_each(protocol, it) {
		if (strcmp((*it)->name, name) == 0)
			return true;
	}
	return false;
}

static bool is_kind(const char *name)
{
	for_each(detector, it) {
		if (strcmp((*it)->name, name) == 0)
			return true;
	}
	return false;
}

static enum exit_code read_pid(json_t *value, struct filter *f, json_t **ret)
{
	json_int_t pid = json_integer_value(value);

	if (!json_is_integer(value) || pid <= 0 || pid > INT32_MAX)
		return json_is_string(value) ?
			       ask_fail(ret, EXIT_USAGE, "pid: '%.40s' is no process id",
					json_string_value(value)) :
			       ask_fail(ret, EXIT_USAGE, "pid: expected a process id");
	f->pid = (uint32_t)pid;
	return EXIT_OK;
}

static enum exit_code read_flag(const char *key, json_t *value, bool *out, json_t **ret)
{
	if (!json_is_boolean(value))
		return ask_fail(ret, EXIT_USAGE, "%s: takes no value", key);
	*out = json_is_true(value);
	return EXIT_OK;
}

static enum exit_code read_endpoint(const char *text, struct filter *f, json_t **ret)
{
	if (addr_parse(text, &f->endpoint) < 0)
		return ask_fail(ret, EXIT_USAGE, "endpoint: '%.60s' is neither IP:PORT nor unix:PATH", text);
	f->has_endpoint = true;
	return EXIT_OK;
}

static enum exit_code read_text(const char *key, json_t *value, struct filter *f, json_t **ret)
{
	const struct {
		const char *name;
		const char **place;
		bool (*known)(const char *name);
	} fields[] = {
		{ "comm", &f->comm, NULL },
		{ "database", &f->database, NULL },
		{ "user", &f->user, NULL },
		{ "protocol", &f->protocol, is_protocol },
		{ "kind", &f->kind, is_kind },
	};
	const char *text = json_string_value(value);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, key) != 0)
			continue;
		if (!text || !*text)
			return ask_fail(ret, EXIT_USAGE, "%s: expected a text", key);
		if (fields[i].known && !fields[i].known(text))
			return ask_fail(ret, EXIT_USAGE, "there is no %s '%.60s'", key, text);
		*fields[i].place = text;
		return EXIT_OK;
	}
	if (strcmp(key, "endpoint") == 0 && text)
		return read_endpoint(text, f, ret);
	return ask_fail(ret, EXIT_USAGE, "unknown filter '%.40s'; there are: " NAMES, key);
}

enum exit_code filter_parse(json_t *params, struct filter *out, json_t **ret)
{
	struct filter f = {};
	const char *key;
	json_t *value;

	json_object_foreach(params, key, value) {
		enum exit_code code;

		if (strcmp(key, "pid") == 0)
			code = read_pid(value, &f, ret);
		else if (strcmp(key, "leaked") == 0)
			code = read_flag(key, value, &f.leaked, ret);
		else if (strcmp(key, "all") == 0)
			code = read_flag(key, value, &f.all, ret);
		else
			code = read_text(key, value, &f, ret);
		if (code != EXIT_OK)
			return code;
	}
	*out = f;
	return EXIT_OK;
}

static bool same_place(const struct filter *f, const struct addr *endpoint,
		       const struct protocol *protocol)
{
	if (f->has_endpoint && !addr_equal(&f->endpoint, endpoint))
		return false;
	return !f->protocol || (protocol && strcmp(f->protocol, protocol->name) == 0);
}

static bool matches(const char *pattern, const char *text)
{
	return !pattern || text_match(pattern, text);
}

bool filter_conn(const struct filter *f, const struct conn *c)
{
	if (!f->all && !conn_is_listed(c))
		return false;
	return (!f->pid || f->pid == c->pid) && same_place(f, &c->remote, c->protocol) &&
	       matches(f->comm, c->comm) && matches(f->database, c->database) &&
	       matches(f->user, c->user);
}

bool filter_pool(const struct filter *f, const struct pool *p)
{
	if (!f->all && !p->protocol)
		return false;
	return (!f->pid || f->pid == p->pid) && same_place(f, &p->endpoint, p->protocol) &&
	       matches(f->comm, p->comm) && matches(f->database, p->database) &&
	       matches(f->user, p->user);
}

bool filter_finding(const struct filter *f, const struct finding *found)
{
	if (found->state != FINDING_SUSPECT && found->state != FINDING_CONFIRMED)
		return false;
	if (found->denied && !f->all)
		return false;
	return !f->kind || strcmp(f->kind, found->detector->name) == 0;
}
