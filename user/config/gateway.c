// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gateway: what plimsoll-gateway reads of the same file.
 *
 * Checked here as well, so that one start or reload of the daemon says all that
 * is wrong with the file.  Shapes only: no file is opened and no name resolved.
 */
#include <string.h>

#include "config.h"
#include "lib/clock.h"
#include "lib/schema.h"

#define SINKS_MAX 32

/* What one sink of the list said, by the node that said it. */
struct sink {
	const struct yaml_node *name, *kind, *command, *url, *routing_key_file;
};

/* What each kind of sink must and may have besides its name. */
struct sink_kind {
	const char *name;
	bool needs_command, needs_url, needs_key_file;
	bool may_url;
};

static const struct sink_kind sink_kinds[] = {
	{ .name = "exec", .needs_command = true },
	{ .name = "alertmanager", .needs_url = true, .may_url = true },
	{ .name = "pagerduty", .needs_key_file = true, .may_url = true },
	{ 0 },
};

static const struct param interval = {
	"interval", "between two exports", PARAM_NS, 0, 15 * NS_PER_S, NS_PER_S, 86400 * NS_PER_S,
};

static int read_listen(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct addr a;
	int err = schema_text(r, value);

	(void)into;
	if (err < 0)
		return err;
	if (addr_parse(value->text, &a) < 0 || !a.port)
		return yaml_fail(r, value, "listen: expected IP:PORT or [IPV6]:PORT, found '%s'",
				 value->text);
	return 0;
}

static int check_url(const struct yaml_report *r, const struct yaml_node *value)
{
	static const char *const schemes[] = { "http://", "https://" };
	int err = schema_text(r, value);

	if (err < 0)
		return err;
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);

		if (!strncmp(value->text, schemes[i], len) && value->text[len] &&
		    value->text[len] != '/' && !strpbrk(value->text, " \t\r\n"))
			return 0;
	}
	return yaml_fail(r, value, "expected http://HOST or https://HOST, found '%s'", value->text);
}

static int check_path(const struct yaml_report *r, const struct yaml_node *value)
{
	int err = schema_text(r, value);

	if (err < 0)
		return err;
	if (value->text[0] != '/')
		return yaml_fail(r, value, "expected an absolute path, found '%s'", value->text);
	return 0;
}

static int read_endpoint(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	*(bool *)into = true;
	return check_url(r, value);
}

static int read_interval(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	uint64_t ns;

	(void)into;
	return schema_param(r, value, &interval, &ns);
}

static int read_otlp(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	static const struct schema_key keys[] = {
		{ "endpoint", read_endpoint },
		{ "interval", read_interval },
		{ 0 },
	};
	bool has_endpoint = false;
	int err = schema_mapping(r, node, keys, &has_endpoint);

	(void)into;
	if (err < 0)
		return err;
	return has_endpoint ? 0 : yaml_fail(r, node, "otlp without 'endpoint'");
}

static int read_name(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	char name[64];

	((struct sink *)into)->name = value;
	return schema_field(r, value, name, sizeof(name));
}

static const struct sink_kind *sink_kind_find(const char *name)
{
	for (const struct sink_kind *k = sink_kinds; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static int read_kind(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct schema_guess guess = { 0 };
	int err = schema_text(r, value);

	((struct sink *)into)->kind = value;
	if (err < 0 || sink_kind_find(value->text))
		return err;
	guess.wanted = value->text;
	for (const struct sink_kind *k = sink_kinds; k->name; k++)
		schema_guess_offer(&guess, k->name);
	return schema_unknown(r, value, "kind of sink", &guess);
}

static int check_argument(const struct yaml_report *r, const struct yaml_node *item, void *into)
{
	(void)into;
	return schema_kind(r, item, YAML_SCALAR);
}

/* Run without a shell, hence a list, and no search of PATH. */
static int read_command(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	int err = schema_sequence(r, node, check_argument, NULL);

	((struct sink *)into)->command = node;
	if (err < 0)
		return err;
	if (!node->count)
		return yaml_fail(r, node, "an empty command");
	return check_path(r, node->first);
}

static int read_url(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	((struct sink *)into)->url = value;
	return check_url(r, value);
}

static int read_key_file(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	((struct sink *)into)->routing_key_file = value;
	return check_path(r, value);
}

static const struct schema_key sink_keys[] = {
	{ "name", read_name },
	{ "kind", read_kind },
	{ "command", read_command },
	{ "url", read_url },
	{ "routing_key_file", read_key_file },
	{ 0 },
};

/* Whether `value` is there when it must be, and not when it has no meaning. */
static int check_use(const struct yaml_report *r, const struct yaml_node *sink, const char *kind,
		     const char *key, const struct yaml_node *value, bool needed, bool allowed)
{
	if (needed && !value)
		return yaml_fail(r, sink, "a sink of kind %s needs '%s'", kind, key);
	if (value && !allowed)
		return yaml_fail(r, value, "a sink of kind %s has no '%s'", kind, key);
	return 0;
}

static int check_sink(const struct yaml_report *r, const struct yaml_node *node,
		      const struct sink *s)
{
	const struct sink_kind *k;
	int err;

	if (!s->name)
		return yaml_fail(r, node, "a sink without 'name'");
	if (!s->kind)
		return yaml_fail(r, node, "a sink without 'kind'");
	k = sink_kind_find(s->kind->text);
	err = check_use(r, node, k->name, "command", s->command, k->needs_command,
			k->needs_command);
	if (!err)
		err = check_use(r, node, k->name, "url", s->url, k->needs_url, k->may_url);
	if (!err)
		err = check_use(r, node, k->name, "routing_key_file", s->routing_key_file,
				k->needs_key_file, k->needs_key_file);
	return err;
}

/* The text of key `name` of a sink that was found well-formed. */
static const char *text_of(const struct yaml_node *sink, const char *name)
{
	const struct yaml_node *key = sink->first;

	while (strcmp(key->text, name))
		key = key->next;
	return key->value->text;
}

static int read_sink(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	const struct yaml_node *sinks = into;
	struct sink s = { 0 };
	int err = schema_mapping(r, node, sink_keys, &s);

	if (!err)
		err = check_sink(r, node, &s);
	for (const struct yaml_node *n = sinks->first; !err && n != node; n = n->next)
		if (!strcmp(text_of(n, "name"), s.name->text))
			return yaml_fail(r, s.name, "two sinks are called '%s'", s.name->text);
	return err;
}

static int read_sinks(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	(void)into;
	if (node->count > SINKS_MAX)
		return yaml_fail(r, node, "more than %d sinks", SINKS_MAX);
	return schema_sequence(r, node, read_sink, (void *)node);
}

static const struct schema_key keys[] = {
	{ "listen", read_listen },
	{ "otlp", read_otlp },
	{ "sinks", read_sinks },
	{ 0 },
};

int config_gateway(const struct yaml_report *r, const struct yaml_node *node, void *reading)
{
	return schema_mapping(r, node, keys, reading);
}
