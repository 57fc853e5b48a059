// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rules: what may be done about which finding.
 *
 * A rule that can never match, or matches more than it says, is worse than an
 * error: a text that no connection could have is refused here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lib/clock.h"
#include "lib/schema.h"
#include "lib/text.h"

#define COMM_MAX  15 /* the kernel keeps no more of a process's name */
#define RULES_MAX 1000
#define AFTER_MAX (30 * 86400 * NS_PER_S)

/* One rule under way. */
struct rule_reading {
	struct rule rule;
	bool (*action_known)(const char *name);
	bool has_act;
};

static const struct param pid = {
	"pid", "process id", PARAM_UINT, 0, 0, 1, 4194304,
};

static bool is_pattern(const char *text)
{
	return strpbrk(text, "*?");
}

static int read_kind(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;
	int err = schema_field(r, value, rule->kind, sizeof(rule->kind));
	struct schema_guess guess = { .wanted = rule->kind };

	if (err < 0)
		return err;
	for_each(detector, d) {
		if (text_match(rule->kind, (*d)->name))
			return 0;
		schema_guess_offer(&guess, (*d)->name);
	}
	return schema_unknown(r, value, "kind", &guess);
}

int config_comm(const struct yaml_report *r, const struct yaml_node *value, char *out, size_t size)
{
	int err = schema_field(r, value, out, size);

	if (err < 0)
		return err;
	if (strlen(out) > COMM_MAX && !strchr(out, '*'))
		return yaml_fail(r, value, "never matches: a process name is cut after %d bytes",
				 COMM_MAX);
	return 0;
}

static int read_comm(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return config_comm(r, value, rule->comm, sizeof(rule->comm));
}

static int read_pid(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;
	uint64_t number;
	int err = schema_param(r, value, &pid, &number);

	if (err < 0)
		return err;
	rule->pid = (uint32_t)number;
	return 0;
}

static int read_exe(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return schema_field(r, value, rule->exe, sizeof(rule->exe));
}

static int read_cgroup(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return schema_field(r, value, rule->cgroup, sizeof(rule->cgroup));
}

int config_endpoint(const struct yaml_report *r, const struct yaml_node *value,
		    char out[static ADDR_TEXT_LEN])
{
	struct addr a;
	int err = schema_field(r, value, out, ADDR_TEXT_LEN);

	if (err < 0 || is_pattern(out))
		return err;
	if (addr_parse(out, &a) < 0)
		return yaml_fail(r, value, "expected IP:PORT, [IPV6]:PORT, unix:PATH or a pattern, found '%s'",
				 out);
	(void)addr_format(&a, out);
	return 0;
}

static int read_endpoint(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return config_endpoint(r, value, rule->endpoint);
}

static int read_database(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return schema_field(r, value, rule->database, sizeof(rule->database));
}

static int read_user(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct rule *rule = into;

	return schema_field(r, value, rule->user, sizeof(rule->user));
}

static const struct schema_key match_keys[] = {
	{ "kind", read_kind },
	{ "comm", read_comm },
	{ "pid", read_pid },
	{ "exe", read_exe },
	{ "cgroup", read_cgroup },
	{ "endpoint", read_endpoint },
	{ "database", read_database },
	{ "user", read_user },
	{ 0 },
};

static int read_match(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	struct rule_reading *reading = into;

	return schema_mapping(r, node, match_keys, &reading->rule);
}

/* The next word of *text, cut off in place; NULL when there is none. */
static char *next_word(char **text)
{
	char *word;

	do
		word = strsep(text, " \t\n");
	while (word && !*word);
	return word;
}

/* "ACTION" or "ACTION after DURATION". */
static int parse_rung(const struct yaml_report *r, const struct yaml_node *item, char *text,
		      struct rung *ret)
{
	char *action = next_word(&text);
	char *after = next_word(&text);
	char *duration = next_word(&text);
	uint64_t ns = 0;

	if (!action || (after && (strcmp(after, "after") || !duration)) || next_word(&text))
		return yaml_fail(r, item, "expected ACTION or ACTION after DURATION, found '%s'",
				 item->text);
	if (duration && (param_duration(duration, &ns) < 0 || ns > AFTER_MAX))
		return yaml_fail(r, item, "expected a duration up to 30d such as 30s, found '%s'",
				 duration);
	if (strlen(action) >= sizeof(ret->action))
		return yaml_fail(r, item, "unknown action '%s'", action);
	(void)snprintf(ret->action, sizeof(ret->action), "%s", action);
	ret->after_ns = ns;
	return 0;
}

static int add_rung(const struct yaml_report *r, const struct yaml_node *item,
		    struct rule_reading *reading, const struct rung *rung)
{
	struct rule *rule = &reading->rule;
	const struct rung *before = rule->rungs ? &rule->act[rule->rungs - 1] : NULL;

	if (!reading->action_known(rung->action))
		return yaml_fail(r, item, "unknown action '%s'", rung->action);
	if (rule->rungs == RULE_RUNGS)
		return yaml_fail(r, item, "more than %d actions in one rule", RULE_RUNGS);
	if (before && rung->after_ns < before->after_ns)
		return yaml_fail(r, item, "'%s' is due before the '%s' in front of it",
				 rung->action, before->action);
	rule->act[rule->rungs++] = *rung;
	return 0;
}

static int read_rung(const struct yaml_report *r, const struct yaml_node *item, void *into)
{
	struct rung rung = { 0 };
	char line[128];
	int err = schema_field(r, item, line, sizeof(line));

	if (!err)
		err = parse_rung(r, item, line, &rung);
	return err < 0 ? err : add_rung(r, item, into, &rung);
}

static bool says_observe(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR && !strcmp(n->text, "observe");
}

/* A list, or one item without the brackets. */
static int read_act(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	struct rule_reading *reading = into;

	reading->has_act = true;
	if (says_observe(node))
		return 0;
	if (node->kind == YAML_SCALAR)
		return read_rung(r, node, reading);
	if (node->kind == YAML_SEQUENCE && node->count == 1 && says_observe(node->first))
		return 0;
	for (const struct yaml_node *n = node->first; n; n = n->next)
		if (node->kind == YAML_SEQUENCE && says_observe(n))
			return yaml_fail(r, n, "'observe' stands alone or not at all");
	return schema_sequence(r, node, read_rung, reading);
}

static const struct schema_key rule_keys[] = {
	{ "match", read_match },
	{ "act", read_act },
	{ 0 },
};

static int read_rule(const struct yaml_report *r, const struct yaml_node *item, void *into)
{
	struct config_reading *all = into;
	struct policy_conf *policy = &all->conf.policy;
	struct rule_reading reading = { .action_known = all->action_known };
	int err = schema_mapping(r, item, rule_keys, &reading);

	if (err < 0)
		return err;
	if (!reading.has_act)
		return yaml_fail(r, item, "a rule without 'act'");
	policy->rules[policy->rule_count++] = reading.rule;
	return 0;
}

int config_rules(const struct yaml_report *r, const struct yaml_node *node, void *reading)
{
	struct config_reading *into = reading;
	struct policy_conf *policy = &into->conf.policy;

	if (node->count > RULES_MAX)
		return yaml_fail(r, node, "more than %d rules", RULES_MAX);
	if (node->kind == YAML_SEQUENCE && node->count) {
		policy->rules = calloc(node->count, sizeof(*policy->rules));
		if (!policy->rules) {
			(void)yaml_fail(r, node, "out of memory");
			return -ENOMEM;
		}
	}
	return schema_sequence(r, node, read_rule, reading);
}
