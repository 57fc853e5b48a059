// SPDX-License-Identifier: GPL-2.0-or-later
/* What is refused, where, and why.  What is taken: test_config_values.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_kit.h"
#include "lib/cleanup.h"

struct invalid {
	const char *text;
	unsigned line, column;
	const char *reason;
};

static const struct invalid invalid_top[] = {
	{ "5\n", 1, 1, "expected a mapping, found a single value" },
	{ "- mode\n", 1, 1, "expected a mapping, found a list" },
	{ "mod: fix\n", 1, 1, "unknown key 'mod' (did you mean 'mode'?)" },
	{ "mode: fix\nwatermark: 5\n", 2, 1, "unknown key 'watermark'" },
	{ "mode: fix\n\n# two\nmode: fix\n", 4, 1, "duplicate key 'mode' (first on line 1)" },
	{ "mode: fixx\n", 1, 7, "mode: expected observe or fix, found 'fixx'" },
	{ "mode: Fix\n", 1, 7, "expected observe or fix" },
	{ "mode: [fix]\n", 1, 7, "expected a single value, found a list" },
	{ "mode:\n", 1, 6, "expected a single value, found nothing" },
	{ "mode: ~\n", 1, 7, "found nothing" },
	{ "mode: \"\"\n", 1, 7, "must not be empty" },
	{ "mode: fix\n---\nmode: fix\n", 2, 1, "more than one document" },
	{ "mode: &m fix\n", 1, 7, "anchors" },
	{ "mode: !!str fix\n", 1, 7, "tags" },
	{ "mode: \xff\n", 1, 7, "not UTF-8" },
	{ "mode: fix\n\tx\n", 2, 1, "found a tab character" },
	{ "connections: many\n", 1, 14, "connections: expected a whole number in digits" },
	{ "connections: 63\n", 1, 14, "connections: must be 64 to 1048576, found '63'" },
	{ "connections: 1048577\n", 1, 14, "must be 64 to 1048576" },
	{ "connections: 99999999999999999999\n", 1, 14, "must be 64 to 1048576" },
	{ "connections: -1\n", 1, 14, "expected a whole number" },
	{ "connections: 65536.0\n", 1, 14, "expected a whole number" },
	{ "connections: \"65536\"\n", 1, 14, "expected a number without quotes" },
	{ "connections: { a: 1 }\n", 1, 14, "expected a single value, found a mapping" },
};

static const struct invalid invalid_pools[] = {
	{ "pools: 5\n", 1, 8, "expected a list" },
	{ "pools:\n  - { match: { comm: x } }\n", 2, 5, "a pool without 'max'" },
	{ "pools:\n  - { max: 0 }\n", 2, 12, "max: must be 1 to 100000" },
	{ "pools:\n  - { max: many }\n", 2, 12, "expected a whole number" },
	{ "pools:\n  - { mx: 4 }\n", 2, 7, "unknown key 'mx' (did you mean 'max'?)" },
	{ "pools:\n  - { match: { pid: 4 }, max: 4 }\n", 2, 16, "unknown key 'pid'" },
	{ "pools:\n  - { match: { comm: a-name-of-sixteen }, max: 4 }\n", 2, 22, "never matches" },
	{ "pools:\n  - { match: { endpoint: there }, max: 4 }\n", 2, 26, "expected IP:PORT" },
};

static const struct invalid invalid_detectors[] = {
	{ "detectors:\n", 1, 11, "expected a mapping, found nothing" },
	{ "detectors: [ test-tide ]\n", 1, 12, "expected a mapping, found a list" },
	{ "detectors:\n  test-tied: {}\n", 2, 3,
	  "unknown detector 'test-tied' (did you mean 'test-tide'?)" },
	{ "detectors:\n  idle_in_txn: {}\n", 2, 3, "unknown detector 'idle_in_txn' (did you mean" },
	{ "detectors:\n  no-such-thing: {}\n", 2, 3, "unknown detector 'no-such-thing'" },
	{ "detectors:\n  test-tide: true\n", 2, 14, "expected a mapping, found a single value" },
	{ "detectors:\n  test-tide: { grce: 1s }\n", 2, 16,
	  "unknown key 'grce' (did you mean 'grace'?)" },
	{ "detectors:\n  test-tide: { dept: 1 }\n", 2, 16, "did you mean 'depth'?" },
	{ "detectors:\n  test-tide: { overtaken: 3 }\n", 2, 16, "unknown key 'overtaken'" },
	{ "detectors:\n  test-tide: { grace: 3oo }\n", 2, 23,
	  "grace: expected a duration such as 250ms, 30s, 5min, 2h or 1d, found '3oo'" },
	{ "detectors:\n  test-tide: { grace: 30 }\n", 2, 23, "grace: expected a duration" },
	{ "detectors:\n  test-tide: { grace: -1s }\n", 2, 23, "grace: expected a duration" },
	{ "detectors:\n  test-tide: { grace: 99ms }\n", 2, 23, "must be 100ms to 30d" },
	{ "detectors:\n  test-tide: { grace: 0s }\n", 2, 23, "must be 100ms to 30d" },
	{ "detectors:\n  test-tide: { grace: 31d }\n", 2, 23, "must be 100ms to 30d" },
	{ "detectors:\n  test-tide: { grace: 999999999999d }\n", 2, 23, "must be 100ms to 30d" },
	{ "detectors:\n  test-tide: { enabled: yes }\n", 2, 25, "expected true or false" },
	{ "detectors:\n  test-tide: { enabled: 1 }\n", 2, 25, "expected true or false" },
	{ "detectors:\n  test-tide: { enabled: \"true\" }\n", 2, 25,
	  "expected true or false without quotes" },
	{ "detectors:\n  test-tide: { depth: 101 }\n", 2, 23, "depth: must be 1 to 100" },
	{ "detectors:\n  test-tide: { depth: 5s }\n", 2, 23, "depth: expected a whole number" },
	{ "detectors:\n  test-tide: { share: 35 }\n", 2, 23, "expected a percentage" },
	{ "detectors:\n  test-tide: { share: 101% }\n", 2, 23, "must be 1% to 100%" },
	{ "detectors:\n  test-tide:\n    grace: 1s\n    grace: 2s\n", 4, 5,
	  "duplicate key 'grace'" },
	{ "detectors:\n  test-tide: {}\n  test-tide: {}\n", 3, 3, "duplicate key 'test-tide'" },
};

static const struct invalid invalid_rules[] = {
	{ "rules: { act: defuse }\n", 1, 8, "expected a list, found a mapping" },
	{ "rules:\n  - defuse\n", 2, 5, "expected a mapping, found a single value" },
	{ "rules:\n  - match: {}\n", 2, 5, "a rule without 'act'" },
	{ "rules:\n  - { mach: {}, act: defuse }\n", 2, 7, "did you mean 'match'?" },
	{ "rules:\n  - { match: all, act: defuse }\n", 2, 14, "expected a mapping" },
	{ "rules:\n  - { match: { kind: held-back }, act: defuse }\n", 2, 22,
	  "unknown kind 'held-back'" },
	{ "rules:\n  - { match: { kind: test-tid }, act: defuse }\n", 2, 22,
	  "unknown kind 'test-tid' (did you mean 'test-tide'?)" },
	{ "rules:\n  - { match: { kind: \"x*\" }, act: defuse }\n", 2, 22, "unknown kind 'x*'" },
	{ "rules:\n  - { match: { kind: [a] }, act: defuse }\n", 2, 22, "expected a single value" },
	{ "rules:\n  - { match: { com: a }, act: defuse }\n", 2, 16, "did you mean 'comm'?" },
	{ "rules:\n  - { match: { comm: \"\" }, act: defuse }\n", 2, 22, "must not be empty" },
	{ "rules:\n  - { match: { comm: }, act: defuse }\n", 2, 22, "found nothing" },
	{ "rules:\n  - { match: { comm: *bill }, act: defuse }\n", 2, 22, "in quotes" },
	{ "rules:\n  - { match: { comm: 1234567890123456 }, act: defuse }\n", 2, 22,
	  "never matches: a process name is cut after 15 bytes" },
	{ "rules:\n  - { match: { comm: \"1234567890123456789012345678901*\" }, act: defuse }\n", 2,
	  22, "longer than 31 bytes" },
	{ "rules:\n  - { match: { pid: 0 }, act: defuse }\n", 2, 21, "must be 1 to 4194304" },
	{ "rules:\n  - { match: { pid: x }, act: defuse }\n", 2, 21, "expected a whole number" },
	{ "rules:\n  - { match: { endpoint: db.example }, act: defuse }\n", 2, 26,
	  "expected IP:PORT, [IPV6]:PORT, unix:PATH or a pattern, found 'db.example'" },
	{ "rules:\n  - { match: { endpoint: 10.0.0.2 }, act: defuse }\n", 2, 26, "IP:PORT" },
	{ "rules:\n  - { act: }\n", 2, 12, "found nothing" },
	{ "rules:\n  - { act: { defuse: 1 } }\n", 2, 12, "expected a list, found a mapping" },
	{ "rules:\n  - { act: defuze }\n", 2, 12, "unknown action 'defuze'" },
	{ "rules:\n  - { act: [ defuse, kill ] }\n", 2, 22, "unknown action 'kill'" },
	{ "rules:\n  - { act: [ a-very-long-name-of-one ] }\n", 2, 14, "unknown action 'a-very" },
	{ "rules:\n  - { act: [ [ defuse ] ] }\n", 2, 14, "expected a single value" },
	{ "rules:\n  - { act: [ \"\" ] }\n", 2, 14, "must not be empty" },
	{ "rules:\n  - { act: [ \" \" ] }\n", 2, 14, "expected ACTION or ACTION after" },
	{ "rules:\n  - { act: [ close 30s ] }\n", 2, 14, "expected ACTION or ACTION after" },
	{ "rules:\n  - { act: [ close after ] }\n", 2, 14, "expected ACTION or ACTION after" },
	{ "rules:\n  - { act: [ close after 3oo ] }\n", 2, 14, "expected a duration up to 30d" },
	{ "rules:\n  - { act: [ close after 31d ] }\n", 2, 14, "expected a duration up to 30d" },
	{ "rules:\n  - { act: [ close after 30 s ] }\n", 2, 14, "expected ACTION or ACTION after" },
	{ "rules:\n  - { act: [ defuse after 5s, close after 4s ] }\n", 2, 31,
	  "'close' is due before the 'defuse' in front of it" },
	{ "rules:\n  - { act: [ defuse after 5s, close ] }\n", 2, 31, "is due before" },
	{ "rules:\n  - { act: [ observe, defuse ] }\n", 2, 14, "'observe' stands alone" },
	{ "rules:\n  - { act: [ defuse, observe ] }\n", 2, 22, "'observe' stands alone" },
	{ "rules:\n  - { act: [ close, close, close, close, close, close, close, close,\n"
	  "      close ] }\n",
	  3, 7, "more than 8 actions" },
};

static const struct invalid invalid_budget[] = {
	{ "budget: 5/min\n", 1, 9, "expected a mapping" },
	{ "budget: { per_pol: 5/min }\n", 1, 11, "did you mean 'per_pool'?" },
	{ "budget: { per_pool: 5 }\n", 1, 21, "expected a rate such as 5/min" },
	{ "budget: { per_pool: 5/day }\n", 1, 21, "expected a rate such as 5/min" },
	{ "budget: { per_pool: 0/min }\n", 1, 21, "a rate must be 1 to 1023, found '0/min'" },
	{ "budget: { total: 1024/min }\n", 1, 18, "a rate must be 1 to 1023" },
	{ "budget: { total: 99999999999999999999/s }\n", 1, 18, "a rate must be 1 to 1023" },
	{ "budget: { per_endpoint: [ 5/s ] }\n", 1, 25, "expected a single value" },
	{ "budget: { share: 10 }\n", 1, 18, "share: expected a percentage" },
	{ "budget: { share: 0% }\n", 1, 18, "share: must be 1% to 100%" },
	{ "budget: { share: 101% }\n", 1, 18, "share: must be 1% to 100%" },
	{ "budget: { cool_down: 5 }\n", 1, 22, "cool_down: expected a duration" },
	{ "budget: { cool_down: 25h }\n", 1, 22, "cool_down: must be 0s to 1d" },
};

static const struct invalid invalid_gateway[] = {
	{ "gateway: 7546\n", 1, 10, "expected a mapping" },
	{ "gateway: { lsten: 127.0.0.1:7546 }\n", 1, 12, "did you mean 'listen'?" },
	{ "gateway: { listen: 7546 }\n", 1, 20, "listen: expected IP:PORT" },
	{ "gateway: { listen: localhost:7546 }\n", 1, 20, "listen: expected IP:PORT" },
	{ "gateway: { listen: 127.0.0.1:0 }\n", 1, 20, "listen: expected IP:PORT" },
	{ "gateway: { otlp: \"http://x\" }\n", 1, 18, "expected a mapping" },
	{ "gateway: { otlp: { interval: 15s } }\n", 1, 18, "otlp without 'endpoint'" },
	{ "gateway: { otlp: { endpoint: x:4318 } }\n", 1, 30, "expected http://HOST" },
	{ "gateway: { otlp: { endpoint: \"http://\" } }\n", 1, 30, "expected http://HOST" },
	{ "gateway: { otlp: { endpoint: \"http://x\", interval: 15 } }\n", 1, 52,
	  "interval: expected a duration" },
	{ "gateway: { otlp: { endpoint: \"http://x\", interval: 10ms } }\n", 1, 52,
	  "interval: must be 1s to 1d" },
	{ "gateway: { sinks: { name: a } }\n", 1, 19, "expected a list" },
	{ "gateway: { sinks: [ page ] }\n", 1, 21, "expected a mapping" },
	{ "gateway: { sinks: [ { kind: exec } ] }\n", 1, 21, "a sink without 'name'" },
	{ "gateway: { sinks: [ { name: a } ] }\n", 1, 21, "a sink without 'kind'" },
	{ "gateway: { sinks: [ { name: a, kind: exek } ] }\n", 1, 38,
	  "unknown kind of sink 'exek' (did you mean 'exec'?)" },
	{ "gateway: { sinks: [ { name: a, kind: exec } ] }\n", 1, 21, "needs 'command'" },
	{ "gateway: { sinks: [ { name: a, kind: exec, command: /bin/a } ] }\n", 1, 53,
	  "expected a list" },
	{ "gateway: { sinks: [ { name: a, kind: exec, command: [] } ] }\n", 1, 53,
	  "empty command" },
	{ "gateway: { sinks: [ { name: a, kind: exec, command: [ a ] } ] }\n", 1, 55,
	  "expected an absolute path, found 'a'" },
	{ "gateway: { sinks: [ { name: a, kind: exec, command: [ /a, [ b ] ] } ] }\n", 1, 59,
	  "expected a single value" },
	{ "gateway: { sinks: [ { name: a, kind: alertmanager } ] }\n", 1, 21, "needs 'url'" },
	{ "gateway: { sinks: [ { name: a, kind: alertmanager, url: ftp://x } ] }\n", 1, 57,
	  "expected http://HOST" },
	{ "gateway: { sinks: [ { name: a, kind: pagerduty } ] }\n", 1, 21,
	  "needs 'routing_key_file'" },
	{ "gateway: { sinks: [ { name: a, kind: pagerduty, routing_key_file: k } ] }\n", 1, 67,
	  "expected an absolute path" },
	{ "gateway: { sinks: [ { name: a, kind: exec, command: [ /a ], url: http://x } ] }\n", 1,
	  66, "a sink of kind exec has no 'url'" },
	{ "gateway:\n  sinks:\n    - { name: a, kind: exec, command: [ /a ] }\n"
	  "    - { name: a, kind: exec, command: [ /b ] }\n",
	  4, 15, "two sinks are called 'a'" },
};

static void check_invalid(const struct invalid *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct invalid *s = &samples[i];
		struct config c, before;
		char at[64];

		memset(&c, 0xa5, sizeof(c));
		before = c;
		if (parse(s->text, &c) != -EINVAL)
			fail_msg("taken:\n%s", s->text);
		assert_memory_equal(&c, &before, sizeof(c));
		(void)snprintf(at, sizeof(at), "t.yaml:%u:%u: ", s->line, s->column);
		if (strncmp(why, at, strlen(at)) || !strstr(why, s->reason) || strchr(why, '\n'))
			fail_msg("'%s' is not '%s%s' of\n%s", why, at, s->reason, s->text);
	}
}

static void refuses_top(void **state)
{
	(void)state;
	check_invalid(invalid_top, ARRAY_SIZE(invalid_top));
}

static void refuses_detectors(void **state)
{
	(void)state;
	check_invalid(invalid_detectors, ARRAY_SIZE(invalid_detectors));
}

static void refuses_pools(void **state)
{
	(void)state;
	check_invalid(invalid_pools, ARRAY_SIZE(invalid_pools));
}

static void refuses_rules(void **state)
{
	(void)state;
	check_invalid(invalid_rules, ARRAY_SIZE(invalid_rules));
}

static void refuses_budget(void **state)
{
	(void)state;
	check_invalid(invalid_budget, ARRAY_SIZE(invalid_budget));
}

static void refuses_gateway(void **state)
{
	(void)state;
	check_invalid(invalid_gateway, ARRAY_SIZE(invalid_gateway));
}

static void loads_a_file_or_says_why(void **state)
{
	char path[] = "/tmp/plimsoll-config-XXXXXX";
	_close_ int fd = mkstemp(path);
	struct config c;
	char want[128];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "mode: fix\n", 10), 10);
	assert_int_equal(config_load(path, action_known, &c, why, sizeof(why)), 0);
	assert_int_equal(c.policy.mode, MODE_FIX);
	config_done(&c);

	assert_int_equal(pwrite(fd, "mode: fox\n", 10, 0), 10);
	assert_int_equal(config_load(path, action_known, &c, why, sizeof(why)), -EINVAL);
	(void)snprintf(want, sizeof(want), "%s:1:7: mode: expected observe or fix, found 'fox'",
		       path);
	assert_string_equal(why, want);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_load(path, action_known, &c, why, sizeof(why)), -ENOENT);
	(void)snprintf(want, sizeof(want), "%s: No such file or directory", path);
	assert_string_equal(why, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_top),
		cmocka_unit_test(refuses_detectors),
		cmocka_unit_test(refuses_rules),
		cmocka_unit_test(refuses_pools),
		cmocka_unit_test(refuses_budget),
		cmocka_unit_test(refuses_gateway),
		cmocka_unit_test(loads_a_file_or_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
