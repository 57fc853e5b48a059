// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cli/value.h"
#include "lib/text.h"

static const struct cell none = { "-" };

struct cell value_text(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);
	struct cell out = none;

	if (json_is_string(v) && *json_string_value(v))
		text_escape(json_string_value(v), out.text, sizeof(out.text));
	else if (json_is_integer(v))
		(void)snprintf(out.text, sizeof(out.text), "%lld",
			       (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(out.text, sizeof(out.text), "%.3g", json_real_value(v));
	else if (json_is_boolean(v))
		return value_bool(o, key);
	return out;
}

static void format_duration(double s, char *out, size_t out_size)
{
	unsigned long long whole = s < 0 ? 0 : s > 1e12 ? 1000000000000ULL : (unsigned long long)s;

	if (s < 0.9995)
		(void)snprintf(out, out_size, "%.0fms", s < 0 ? 0 : s * 1e3);
	else if (s < 9.95)
		(void)snprintf(out, out_size, "%.1fs", s);
	else if (whole < 60)
		(void)snprintf(out, out_size, "%llus", whole);
	else if (whole < 3600)
		(void)snprintf(out, out_size, "%llum%02llus", whole / 60, whole % 60);
	else if (whole < 86400)
		(void)snprintf(out, out_size, "%lluh%02llum", whole / 3600, whole / 60 % 60);
	else
		(void)snprintf(out, out_size, "%llud%02lluh", whole / 86400, whole / 3600 % 24);
}

struct cell value_duration(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);
	struct cell out = none;

	if (json_is_number(v))
		format_duration(json_number_value(v), out.text, sizeof(out.text));
	return out;
}

struct cell value_us(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);
	struct cell out = none;
	double us = json_number_value(v);

	if (!json_is_number(v))
		return out;
	if (us < 999.5)
		(void)snprintf(out.text, sizeof(out.text), "%.0fus", us);
	else if (us < 999500)
		(void)snprintf(out.text, sizeof(out.text), us < 9950 ? "%.1fms" : "%.0fms",
			       us / 1e3);
	else
		(void)snprintf(out.text, sizeof(out.text), "%.1fs", us / 1e6);
	return out;
}

struct cell value_bool(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);
	struct cell out = none;

	if (json_is_boolean(v))
		(void)snprintf(out.text, sizeof(out.text), "%s", json_is_true(v) ? "yes" : "no");
	return out;
}

struct cell value_pair(json_t *o, const char *first, const char *second)
{
	struct cell a = value_text(o, first), b = value_text(o, second), out;

	(void)snprintf(out.text, sizeof(out.text), "%.100s/%.100s", a.text, b.text);
	return out;
}

struct cell value_time(json_t *o, const char *key)
{
	struct cell out = value_text(o, key);

	if (strlen(out.text) >= 19 && out.text[10] == 'T') {
		out.text[10] = ' ';
		out.text[19] = '\0';
	}
	return out;
}
