// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/param.h"

struct unit {
	const char *name;
	uint64_t ns;
};

/* From the smallest up: write_value() takes the last that divides. */
static const struct unit units[] = {
	{ "ms", NS_PER_MS },	{ "s", NS_PER_S },	  { "min", 60 * NS_PER_S },
	{ "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S }, { "d", 86400 * NS_PER_S },
};

static const struct unit *unit_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/*
 * Digits at the start of `text`; *ret_rest is what follows them.  0, -EINVAL when
 * there are none, -ERANGE when they do not fit (the rest is set even so).
 */
static int digits(const char *text, const char **ret_rest, uint64_t *ret)
{
	uint64_t n = 0;
	bool over = false;
	const char *s = text;

	for (; *s >= '0' && *s <= '9'; s++) {
		over |= __builtin_mul_overflow(n, 10, &n);
		over |= __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n);
	}
	if (s == text)
		return -EINVAL;
	*ret_rest = s;
	if (over)
		return -ERANGE;
	*ret = n;
	return 0;
}

int param_duration(const char *text, uint64_t *ret_ns)
{
	const struct unit *unit;
	const char *rest;
	uint64_t n, ns;
	int r = digits(text, &rest, &n);

	if (r == -EINVAL)
		return r;
	unit = unit_find(rest);
	if (!unit)
		return -EINVAL;
	if (r < 0 || __builtin_mul_overflow(n, unit->ns, &ns))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}

int param_rate(const char *text, uint64_t *ret_count, uint64_t *ret_ns)
{
	const struct unit *unit;
	const char *rest;
	uint64_t n;
	int r = digits(text, &rest, &n);

	if (r == -EINVAL)
		return r;
	if (strcmp(rest, "/s") && strcmp(rest, "/min") && strcmp(rest, "/h"))
		return -EINVAL;
	if (r < 0)
		return r;
	unit = unit_find(rest + 1);
	*ret_count = n;
	*ret_ns = unit->ns;
	return 0;
}

void param_defaults(const struct param *table, void *conf)
{
	for (const struct param *p = table; p && p->name; p++)
		*(uint64_t *)((char *)conf + p->offset) = p->value;
}

const struct param *param_find(const struct param *table, const char *name)
{
	for (const struct param *p = table; p && p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static int read_value(enum param_type type, const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t n;
	int r;

	switch (type) {
	case PARAM_NS:
		return param_duration(text, ret);
	case PARAM_BOOL:
		if (strcmp(text, "true") && strcmp(text, "false"))
			return -EINVAL;
		*ret = !strcmp(text, "true");
		return 0;
	case PARAM_UINT:
	case PARAM_PCT:
		r = digits(text, &rest, &n);
		if (r == -EINVAL || strcmp(rest, type == PARAM_PCT ? "%" : ""))
			return -EINVAL;
		if (!r)
			*ret = n;
		return r;
	}
	return -EINVAL;
}

static void write_value(enum param_type type, uint64_t value, char *out, size_t out_size)
{
	const struct unit *unit = &units[0];

	switch (type) {
	case PARAM_NS:
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (value % units[i].ns == 0 && strcmp(units[i].name, "m"))
				unit = &units[i];
		if (!value)
			unit = unit_find("s");
		(void)snprintf(out, out_size, "%" PRIu64 "%s", value / unit->ns, unit->name);
		return;
	case PARAM_BOOL:
		(void)snprintf(out, out_size, "%s", value ? "true" : "false");
		return;
	case PARAM_UINT:
	case PARAM_PCT:
		(void)snprintf(out, out_size, "%" PRIu64 "%s", value, type == PARAM_PCT ? "%" : "");
	}
}

static const char *expected(enum param_type type)
{
	static const char *const words[] = {
		[PARAM_NS] = "expected a duration such as 250ms, 30s, 5min, 2h or 1d",
		[PARAM_UINT] = "expected a whole number in digits",
		[PARAM_PCT] = "expected a percentage such as 10%",
		[PARAM_BOOL] = "expected true or false",
	};

	return words[type];
}

static void say_limits(const struct param *p, char *why, size_t why_size)
{
	char min[32], max[32];

	write_value(p->type, p->min, min, sizeof(min));
	write_value(p->type, p->max, max, sizeof(max));
	if (p->max == UINT64_MAX)
		(void)snprintf(why, why_size, "must be at least %s", min);
	else
		(void)snprintf(why, why_size, "must be %s to %s", min, max);
}

int param_parse(const struct param *p, void *conf, const char *text, char *why, size_t why_size)
{
	uint64_t value = 0;
	int r = read_value(p->type, text, &value);

	if (r == -EINVAL) {
		(void)snprintf(why, why_size, "%s", expected(p->type));
		return r;
	}
	if (p->type != PARAM_BOOL && (r < 0 || value < p->min || value > p->max)) {
		say_limits(p, why, why_size);
		return -ERANGE;
	}
	*(uint64_t *)((char *)conf + p->offset) = value;
	return 0;
}
