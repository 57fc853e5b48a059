// SPDX-License-Identifier: GPL-2.0-or-later
/* What is taken of a good file, and the example that is shipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config_kit.h"
#include "lib/cleanup.h"

static void must_parse(const char *text, struct config *ret)
{
	if (parse(text, ret) < 0)
		fail_msg("%s\n%s", why, text);
}

static void check_defaults(struct config *c)
{
	struct config want;

	assert_int_equal(config_init(&want), 0);
	assert_int_equal(c->policy.mode, MODE_OBSERVE);
	assert_int_equal(c->policy.rule_count, 0);
	assert_memory_equal(&c->policy.budget, &want.policy.budget, sizeof(struct budget));
	assert_int_equal(c->connections, SLOTS_DEFAULT);
	assert_int_equal(c->detect.count, want.detect.count);
	for (size_t i = 0; i < c->detect.count; i++) {
		const struct detector_setting *got = &c->detect.settings[i];
		const struct detector_setting *def = &want.detect.settings[i];

		assert_ptr_equal(got->detector, def->detector);
		assert_int_equal(got->base.enabled, def->base.enabled);
		assert_int_equal(got->base.grace_ns, def->base.grace_ns);
		assert_int_equal(got->base.grace_ns, got->detector->grace_ns);
		if (got->detector->conf_size)
			assert_memory_equal(got->own, def->own, got->detector->conf_size);
	}
	config_done(&want);
}

static void takes_nothing_for_the_defaults(void **state)
{
	static const char *const samples[] = {
		"",
		"---\n",
		"{}\n",
		"detectors: {}\nrules: []\nbudget: {}\ngateway: {}\n",
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		must_parse(samples[i], &c);
		check_defaults(&c);
		config_done(&c);
	}
}

static void takes_every_setting(void **state)
{
	const struct detector_setting *s;
	const struct tide_conf *tide;
	const struct budget *b;
	struct config c;

	(void)state;
	must_parse("mode: fix\n"
		   "connections: 64\n"
		   "detectors:\n"
		   "  test-tide: { enabled: false, grace: 100ms, depth: 9, ebb: 0s, share: 1%,\n"
		   "               loud: true }\n"
		   "budget: { per_pool: 1/s, per_endpoint: 2/min, total: 1023/h, share: 100%,\n"
		   "          cool_down: 0s }\n",
		   &c);
	assert_int_equal(c.policy.mode, MODE_FIX);
	assert_int_equal(c.connections, 64);
	s = detect_conf_find(&c.detect, "test-tide");
	assert_int_equal(s->base.enabled, 0);
	assert_int_equal(s->base.grace_ns, 100 * NS_PER_MS);
	tide = s->own;
	assert_int_equal(tide->depth, 9);
	assert_int_equal(tide->ebb_ns, 0);
	assert_int_equal(tide->share_pct, 1);
	assert_int_equal(tide->loud, 1);
	b = &c.policy.budget;
	assert_int_equal(b->per_pool, 1);
	assert_int_equal(b->per_pool_ns, NS_PER_S);
	assert_int_equal(b->per_endpoint, 2);
	assert_int_equal(b->per_endpoint_ns, 60 * NS_PER_S);
	assert_int_equal(b->total, 1023);
	assert_int_equal(b->total_ns, 3600 * NS_PER_S);
	assert_int_equal(b->share_pct, 100);
	assert_int_equal(b->cool_down_ns, 0);
	config_done(&c);
}

static void takes_a_full_rule(void **state)
{
	const struct rule *r;
	struct config c;

	(void)state;
	must_parse("rules:\n"
		   "  - match:\n"
		   "      kind: test-tide\n"
		   "      comm: \"*-worker?\"\n"
		   "      pid: 4194304\n"
		   "      exe: /usr/bin/python3*\n"
		   "      cgroup: \"*/billing.service\"\n"
		   "      endpoint: \"[::ffff:10.0.0.2]:5432\"\n"
		   "      database: 42\n"
		   "      user: \"app\"\n"
		   "    act:\n"
		   "      - defuse\n"
		   "      - close  after  250ms\n"
		   "      - close after 250ms\n"
		   "      - destroy after 30d\n",
		   &c);
	assert_int_equal(c.policy.rule_count, 1);
	r = &c.policy.rules[0];
	assert_string_equal(r->kind, "test-tide");
	assert_string_equal(r->comm, "*-worker?");
	assert_int_equal(r->pid, 4194304);
	assert_string_equal(r->exe, "/usr/bin/python3*");
	assert_string_equal(r->cgroup, "*/billing.service");
	assert_string_equal(r->endpoint, "10.0.0.2:5432");
	assert_string_equal(r->database, "42");
	assert_string_equal(r->user, "app");
	assert_int_equal(r->rungs, 4);
	assert_string_equal(r->act[0].action, "defuse");
	assert_int_equal(r->act[0].after_ns, 0);
	assert_string_equal(r->act[1].action, "close");
	assert_int_equal(r->act[1].after_ns, 250 * NS_PER_MS);
	assert_string_equal(r->act[3].action, "destroy");
	assert_int_equal(r->act[3].after_ns, 30 * 86400 * NS_PER_S);
	config_done(&c);
}

static void takes_short_rules(void **state)
{
	static const size_t rungs[] = { 0, 0, 0, 1, 1, 8 };
	struct config c;

	(void)state;
	must_parse("rules:\n"
		   "  - act: []\n"
		   "  - { match: { endpoint: \"10.0.0.*\" }, act: [ observe ] }\n"
		   "  - { match: { kind: \"test-*\" }, act: observe }\n"
		   "  - { match: {}, act: defuse }\n"
		   "  - act: close after 5s\n"
		   "  - act: [ close, close, close, close, close, close, close, close ]\n",
		   &c);
	assert_int_equal(c.policy.rule_count, ARRAY_SIZE(rungs));
	for (size_t i = 0; i < ARRAY_SIZE(rungs); i++)
		assert_int_equal(c.policy.rules[i].rungs, rungs[i]);
	assert_string_equal(c.policy.rules[0].kind, "");
	assert_string_equal(c.policy.rules[1].endpoint, "10.0.0.*");
	assert_string_equal(c.policy.rules[2].kind, "test-*");
	assert_string_equal(c.policy.rules[3].act[0].action, "defuse");
	assert_int_equal(c.policy.rules[4].act[0].after_ns, 5 * NS_PER_S);
	config_done(&c);
}

#define HELD "  held: { grace: 60s, overtaken: 3 }\n"
#define SAMPLE_HEAD                                                                                \
	"mode: observe                      # or fix\n"                                            \
	"detectors:\n"                                                                             \
	"  idle-in-txn: { grace: 30s }      # every kind: enabled, grace; plus its own\n"
#define SAMPLE_TAIL                                                                                \
	"rules:                             # first match wins; none: observe\n"                   \
	"  - match: { kind: idle-in-txn, comm: \"billing*\" }\n"                                   \
	"    act: [ defuse, close after 30s, destroy after 60s ]\n"                                \
	"budget: { per_pool: 5/min, share: 10% }\n"                                                \
	"gateway:\n"                                                                               \
	"  listen: 127.0.0.1:7546\n"                                                               \
	"  otlp: { endpoint: \"http://127.0.0.1:4318\", interval: 15s }\n"                         \
	"  sinks:\n"                                                                               \
	"    - { name: page, kind: exec, command: [ /usr/local/bin/page ] }\n"                     \
	"    - { name: am, kind: alertmanager, url: \"http://127.0.0.1:9093\" }\n"                 \
	"    - { name: pd, kind: pagerduty, routing_key_file: /etc/plimsoll/pd.key }\n"

static void takes_the_sample_of_the_design(void **state)
{
	const struct rule *r;
	struct config c;

	(void)state;
	must_parse(SAMPLE_HEAD HELD SAMPLE_TAIL, &c);
	assert_int_equal(c.policy.mode, MODE_OBSERVE);
	assert_int_equal(detect_conf_find(&c.detect, "idle-in-txn")->base.grace_ns, 30 * NS_PER_S);
	assert_int_equal(detect_conf_find(&c.detect, "held")->base.grace_ns, 60 * NS_PER_S);
	assert_int_equal(*(uint64_t *)detect_conf_find(&c.detect, "held")->own, 3);
	assert_int_equal(c.policy.rule_count, 1);
	r = &c.policy.rules[0];
	assert_string_equal(r->kind, "idle-in-txn");
	assert_string_equal(r->comm, "billing*");
	assert_int_equal(r->rungs, 3);
	assert_string_equal(r->act[1].action, "close");
	assert_int_equal(r->act[1].after_ns, 30 * NS_PER_S);
	assert_string_equal(r->act[2].action, "destroy");
	assert_int_equal(r->act[2].after_ns, 60 * NS_PER_S);
	assert_int_equal(c.policy.budget.per_pool, 5);
	assert_int_equal(c.policy.budget.per_pool_ns, 60 * NS_PER_S);
	assert_int_equal(c.policy.budget.share_pct, 10);
	config_done(&c);
}

static void takes_limits_of_pools(void **state)
{
	struct config c;

	(void)state;
	must_parse("pools:\n"
		   "  - { match: { comm: \"billing*\", database: shop, user: app }, max: 40 }\n"
		   "  - { match: { endpoint: \"[0::1]:5432\" }, max: 7 }\n"
		   "  - { max: 100000 }\n",
		   &c);
	assert_int_equal(c.limit_count, 3);
	assert_string_equal(c.limits[0].comm, "billing*");
	assert_string_equal(c.limits[0].database, "shop");
	assert_string_equal(c.limits[0].user, "app");
	assert_int_equal(c.limits[0].max, 40);
	assert_string_equal(c.limits[1].endpoint, "[::1]:5432");
	assert_string_equal(c.limits[2].comm, "");
	assert_int_equal(c.limits[2].max, 100000);
	config_done(&c);
}

/* docs/examples/plimsoll.yaml without its words, and with every setting switched on. */
static void read_settings(char *text, size_t size)
{
	_fclose_ FILE *f = fopen("docs/examples/plimsoll.yaml", "r");
	char line[256];
	size_t used = 0;

	if (!f)
		fail_msg("run this from the root of the project");
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "##", 2))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s", line + (line[0] == '#'));
		assert_true(used < size);
	}
}

static void names_all(const char *example, const struct param *table)
{
	char key[64];

	for (const struct param *p = table; p && p->name; p++) {
		(void)snprintf(key, sizeof(key), "%s:", p->name);
		if (!strstr(example, key))
			fail_msg("the example lacks '%s'", key);
	}
}

static void ships_an_example_of_the_defaults(void **state)
{
	static const char *const keys[] = {
		"mode:",  "connections:", "detectors:", "enabled:", "grace:",
		"rules:", "budget:",	  "per_pool:",	"total:",   "per_endpoint:",
		"share:", "cool_down:",	  "gateway:",	"listen:",  "sinks:",
		"pools:",
	};
	char text[16384];
	struct config c;
	char key[64];

	(void)state;
	read_settings(text, sizeof(text));
	must_parse(text, &c);
	check_defaults(&c);
	for (size_t i = 0; i < c.detect.count; i++) {
		const struct detector *d = c.detect.settings[i].detector;

		if (d == &test_tide)
			continue;
		(void)snprintf(key, sizeof(key), "\n  %s:", d->name);
		if (!strstr(text, key))
			fail_msg("the example lacks detector '%s'", d->name);
		names_all(text, d->params);
	}
	config_done(&c);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strstr(text, keys[i]))
			fail_msg("the example lacks '%s'", keys[i]);
}

static void ships_an_example_that_changes_nothing(void **state)
{
	struct config c;

	(void)state;
	if (config_load("docs/examples/plimsoll.yaml", action_known, &c, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	check_defaults(&c);
	config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_nothing_for_the_defaults),
		cmocka_unit_test(takes_every_setting),
		cmocka_unit_test(takes_a_full_rule),
		cmocka_unit_test(takes_short_rules),
		cmocka_unit_test(takes_the_sample_of_the_design),
		cmocka_unit_test(takes_limits_of_pools),
		cmocka_unit_test(ships_an_example_of_the_defaults),
		cmocka_unit_test(ships_an_example_that_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
