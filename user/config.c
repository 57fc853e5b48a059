// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lib/clock.h"
#include "lib/schema.h"

static const struct param table_size[] = {
	{ "connections", "connections tracked at once", PARAM_UINT,
	  offsetof(struct config, connections), SLOTS_DEFAULT, 64, 1048576 },
	{ 0 },
};

/* Defaults are the detector's own, see detect_conf_init(). */
static const struct param every_detector[] = {
	{ "enabled", "whether it looks at all", PARAM_BOOL, offsetof(struct detector_conf, enabled),
	  1, 0, 1 },
	{ "grace", "how long before it speaks", PARAM_NS, offsetof(struct detector_conf, grace_ns),
	  30 * NS_PER_S, 100 * NS_PER_MS, 30 * 86400 * NS_PER_S },
	{ 0 },
};

int config_init(struct config *c)
{
	memset(c, 0, sizeof(*c));
	param_defaults(table_size, c);
	c->evidence = (struct evidence_conf){ TIER_TRANSACTIONS, STATEMENT_DEFAULT, 0 };
	policy_conf_init(&c->policy);
	return detect_conf_init(&c->detect);
}

void config_done(struct config *c)
{
	policy_conf_done(&c->policy);
	detect_conf_done(&c->detect);
	free(c->limits);
	c->limits = NULL;
	c->limit_count = 0;
}

static int read_mode(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct config_reading *reading = into;
	int err = schema_text(r, value);

	if (err < 0)
		return err;
	if (strcmp(value->text, "observe") && strcmp(value->text, "fix"))
		return yaml_fail(r, value, "mode: expected observe or fix, found '%s'",
				 value->text);
	reading->conf.policy.mode = strcmp(value->text, "fix") ? MODE_OBSERVE : MODE_FIX;
	return 0;
}

static int read_connections(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct config_reading *reading = into;

	return schema_param(r, value, table_size, &reading->conf);
}

static int unknown_setting(const struct yaml_report *r, const struct yaml_node *key,
			   const struct detector *d)
{
	struct schema_guess guess = { .wanted = key->text };

	for (const struct param *p = every_detector; p->name; p++)
		schema_guess_offer(&guess, p->name);
	for (const struct param *p = d->params; p && p->name; p++)
		schema_guess_offer(&guess, p->name);
	return schema_unknown(r, key, "key", &guess);
}

static int read_detector(const struct yaml_report *r, const struct yaml_node *node,
			 struct detector_setting *s)
{
	int err = schema_kind(r, node, YAML_MAPPING);

	for (const struct yaml_node *key = node->first; !err && key; key = key->next) {
		const struct param *common = param_find(every_detector, key->text);
		const struct param *own = param_find(s->detector->params, key->text);

		if (common)
			err = schema_param(r, key->value, common, &s->base);
		else if (own)
			err = schema_param(r, key->value, own, s->own);
		else
			err = unknown_setting(r, key, s->detector);
	}
	return err;
}

static int unknown_detector(const struct yaml_report *r, const struct yaml_node *key)
{
	struct schema_guess guess = { .wanted = key->text };

	for_each(detector, d)
		schema_guess_offer(&guess, (*d)->name);
	return schema_unknown(r, key, "detector", &guess);
}

static int read_detectors(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	struct config_reading *reading = into;
	int err = schema_kind(r, node, YAML_MAPPING);

	for (const struct yaml_node *key = node->first; !err && key; key = key->next) {
		struct detector_setting *s = detect_conf_find(&reading->conf.detect, key->text);

		err = s ? read_detector(r, key->value, s) : unknown_detector(r, key);
	}
	return err;
}

static const struct schema_key sections[] = {
	{ "mode", read_mode },
	{ "connections", read_connections },
	{ "detectors", read_detectors },
	{ "rules", config_rules },
	{ "budget", config_budget },
	{ "pools", config_pools },
	{ "evidence", config_evidence },
	{ "gateway", config_gateway },
	{ 0 },
};

/* Takes the tree over, and gives `ret` all of it or nothing. */
static int take_tree(const struct yaml_report *r, struct yaml_node *root,
		     bool (*action_known)(const char *name), struct config *ret)
{
	struct config_reading reading = { .action_known = action_known };
	int err = config_init(&reading.conf);

	if (err < 0)
		(void)yaml_fail(r, root, "out of memory");
	else
		err = schema_mapping(r, root, sections, &reading);
	yaml_tree_free(root);
	if (err < 0)
		config_done(&reading.conf);
	else
		*ret = reading.conf;
	return err;
}

int config_load(const char *path, bool (*action_known)(const char *name), struct config *ret,
		char *why, size_t why_size)
{
	struct yaml_report report = { path, why, why_size };
	struct yaml_node *root;
	int err = yaml_tree_load(&report, &root);

	return err < 0 ? err : take_tree(&report, root, action_known, ret);
}

int config_parse(const char *name, const void *bytes, size_t size,
		 bool (*action_known)(const char *name), struct config *ret, char *why,
		 size_t why_size)
{
	struct yaml_report report = { name, why, why_size };
	struct yaml_node *root;
	int err = yaml_tree_parse(&report, bytes, size, &root);

	return err < 0 ? err : take_tree(&report, root, action_known, ret);
}
