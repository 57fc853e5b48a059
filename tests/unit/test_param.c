// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/param.h"

struct conf {
	uint64_t grace_ns, count, share_pct, enabled;
};

static const struct param table[] = {
	{ "grace", "", PARAM_NS, offsetof(struct conf, grace_ns), 30 * NS_PER_S, NS_PER_S,
	  86400 * NS_PER_S },
	{ "count", "", PARAM_UINT, offsetof(struct conf, count), 3, 1, UINT64_MAX },
	{ "share", "", PARAM_PCT, offsetof(struct conf, share_pct), 10, 0, 100 },
	{ "enabled", "", PARAM_BOOL, offsetof(struct conf, enabled), 1, 0, 1 },
	{ 0 },
};

static void durations(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ns;
	} samples[] = {
		{ "250ms", 0, 250 * NS_PER_MS },
		{ "30s", 0, 30 * NS_PER_S },
		{ "5min", 0, 300 * NS_PER_S },
		{ "5m", 0, 300 * NS_PER_S },
		{ "2h", 0, 7200 * NS_PER_S },
		{ "1d", 0, 86400 * NS_PER_S },
		{ "0s", 0, 0 },
		{ "18446744073s", 0, 18446744073 * NS_PER_S },
		{ "18446744074s", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "5", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "3oo", -EINVAL, 0 },
		{ "3o0s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "+1s", -EINVAL, 0 },
		{ " 1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1h30min", -EINVAL, 0 },
		{ "1sec", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		uint64_t ns = 0xa5;
		int r = param_duration(samples[i].text, &ns);

		if (r != samples[i].r || ns != (r ? 0xa5 : samples[i].ns))
			fail_msg("'%s': %d, %llu ns", samples[i].text, r, (unsigned long long)ns);
	}
}

static void rates(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t count, ns;
	} samples[] = {
		{ "5/min", 0, 5, 60 * NS_PER_S },
		{ "0/s", 0, 0, NS_PER_S },
		{ "100/h", 0, 100, 3600 * NS_PER_S },
		{ "99999999999999999999/s", -ERANGE, 0, 0 },
		{ "5", -EINVAL, 0, 0 },
		{ "5/", -EINVAL, 0, 0 },
		{ "5/m", -EINVAL, 0, 0 },
		{ "5/d", -EINVAL, 0, 0 },
		{ "5min", -EINVAL, 0, 0 },
		{ "/min", -EINVAL, 0, 0 },
		{ "5 / min", -EINVAL, 0, 0 },
		{ "-5/min", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		uint64_t count = 0xa5, ns = 0xa5;
		int r = param_rate(samples[i].text, &count, &ns);

		if (r != samples[i].r || count != (r ? 0xa5 : samples[i].count) ||
		    ns != (r ? 0xa5 : samples[i].ns))
			fail_msg("'%s': %d", samples[i].text, r);
	}
}

static void defaults_and_lookup(void **state)
{
	struct conf c;

	(void)state;
	memset(&c, 0xa5, sizeof(c));
	param_defaults(table, &c);
	assert_int_equal(c.grace_ns, 30 * NS_PER_S);
	assert_int_equal(c.count, 3);
	assert_int_equal(c.share_pct, 10);
	assert_int_equal(c.enabled, 1);
	assert_ptr_equal(param_find(table, "share"), &table[2]);
	assert_null(param_find(table, "shar"));
	assert_null(param_find(NULL, "share"));
	param_defaults(NULL, &c);
}

static void parses_each_type(void **state)
{
	static const struct {
		const char *name, *text;
		int r;
		const char *why;
		uint64_t value;
	} samples[] = {
		{ "grace", "1s", 0, "", NS_PER_S },
		{ "grace", "1d", 0, "", 86400 * NS_PER_S },
		{ "grace", "999ms", -ERANGE, "must be 1s to 1d", 0 },
		{ "grace", "2d", -ERANGE, "must be 1s to 1d", 0 },
		{ "grace", "99999999999999999999d", -ERANGE, "must be 1s to 1d", 0 },
		{ "grace", "3oo", -EINVAL, "expected a duration such as", 0 },
		{ "count", "18446744073709551615", 0, "", UINT64_MAX },
		{ "count", "18446744073709551616", -ERANGE, "must be at least 1", 0 },
		{ "count", "0", -ERANGE, "must be at least 1", 0 },
		{ "count", "0x10", -EINVAL, "expected a whole number", 0 },
		{ "count", "1e3", -EINVAL, "expected a whole number", 0 },
		{ "count", "", -EINVAL, "expected a whole number", 0 },
		{ "share", "0%", 0, "", 0 },
		{ "share", "100%", 0, "", 100 },
		{ "share", "101%", -ERANGE, "must be 0% to 100%", 0 },
		{ "share", "10", -EINVAL, "expected a percentage", 0 },
		{ "share", "10%%", -EINVAL, "expected a percentage", 0 },
		{ "enabled", "true", 0, "", 1 },
		{ "enabled", "false", 0, "", 0 },
		{ "enabled", "yes", -EINVAL, "expected true or false", 0 },
		{ "enabled", "1", -EINVAL, "expected true or false", 0 },
		{ "enabled", "True", -EINVAL, "expected true or false", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct param *p = param_find(table, samples[i].name);
		struct conf c, before;
		char why[128] = "";

		memset(&c, 0xa5, sizeof(c));
		before = c;
		assert_int_equal(param_parse(p, &c, samples[i].text, why, sizeof(why)),
				 samples[i].r);
		assert_ptr_equal(strstr(why, samples[i].why), why);
		if (samples[i].r) {
			assert_memory_equal(&c, &before, sizeof(c));
			continue;
		}
		assert_int_equal(*(uint64_t *)((char *)&c + p->offset), samples[i].value);
	}
}

static void writes_the_largest_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} samples[] = {
		{ 0, "0s" },
		{ 250 * NS_PER_MS, "250ms" },
		{ 1500 * NS_PER_MS, "1500ms" },
		{ 90 * NS_PER_S, "90s" },
		{ 300 * NS_PER_S, "5min" },
		{ 7200 * NS_PER_S, "2h" },
		{ 30 * 86400 * NS_PER_S, "30d" },
	};
	char why[128], wanted[64];
	struct conf c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		/* Nothing is within these limits, and what is said of them names them. */
		const struct param p = { "x", "", PARAM_NS, 0, 0, UINT64_MAX - 1, samples[i].ns };

		assert_int_equal(param_parse(&p, &c, "1s", why, sizeof(why)), -ERANGE);
		(void)snprintf(wanted, sizeof(wanted), " to %s", samples[i].text);
		assert_non_null(strstr(why, wanted));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(rates),
		cmocka_unit_test(defaults_and_lookup),
		cmocka_unit_test(parses_each_type),
		cmocka_unit_test(writes_the_largest_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
