// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * traceparent in sqlcommenter's comments: key='value' pairs with commas between, keys
 * and values URL-encoded.  Looked for in the comments before the first token and after
 * the last one; whatever else they say is nobody's business.
 */
#include <string.h>

#include "sql.h"

#define TRACEPARENT_LEN 55 /* 00-<32>-<16>-<2> */

struct span {
	const char *at, *end;
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct span trim(struct span s, const char *also)
{
	while (s.at < s.end && is_space(*s.at))
		s.at++;
	while (s.at < s.end && (is_space(s.end[-1]) || (*also && strchr(also, s.end[-1]))))
		s.end--;
	return s;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX decoded; -1 when it does not fit or is not well formed. */
static int decode(struct span s, char *out, int size)
{
	int n = 0;

	for (; s.at < s.end && n < size; s.at++) {
		if (*s.at != '%') {
			out[n++] = *s.at;
			continue;
		}
		if (s.end - s.at < 3 || hex(s.at[1]) < 0 || hex(s.at[2]) < 0)
			return -1;
		out[n++] = (char)(hex(s.at[1]) << 4 | hex(s.at[2]));
		s.at += 2;
	}
	return s.at == s.end ? n : -1;
}

/* `count` hex digits; *ret_zero: whether all of them are 0. */
static bool is_hex(const char *s, int count, bool *ret_zero)
{
	bool zero = true;

	for (int i = 0; i < count; i++) {
		if (hex(s[i]) < 0)
			return false;
		zero = zero && s[i] == '0';
	}
	*ret_zero = zero;
	return true;
}

static bool parse(const char *s, int len, char *ret)
{
	bool zero_version, zero_trace, zero_parent, zero_flags;

	if (len < TRACEPARENT_LEN || s[2] != '-' || s[35] != '-' || s[52] != '-')
		return false;
	if (!is_hex(s, 2, &zero_version) || !is_hex(s + 3, 32, &zero_trace) ||
	    !is_hex(s + 36, 16, &zero_parent) || !is_hex(s + 53, 2, &zero_flags))
		return false;
	if (zero_trace || zero_parent || (hex(s[0]) == 15 && hex(s[1]) == 15))
		return false;
	/* Later versions may say more, after another dash. */
	if (len > TRACEPARENT_LEN && (zero_version || s[TRACEPARENT_LEN] != '-'))
		return false;
	for (int i = 0; i < 32; i++)
		ret[i] = "0123456789abcdef"[hex(s[3 + i])];
	ret[32] = '\0';
	return true;
}

static bool pair(struct span s, char *ret)
{
	static const char key[] = "traceparent";
	const char *equals = memchr(s.at, '=', (size_t)(s.end - s.at));
	char text[TRACEPARENT_LEN + 64];
	struct span name, value;
	int n;

	if (!equals)
		return false;
	name = trim((struct span){ s.at, equals }, "");
	value = trim((struct span){ equals + 1, s.end }, "");
	n = decode(name, text, (int)sizeof(key));
	if (n != (int)sizeof(key) - 1 || memcmp(text, key, sizeof(key) - 1))
		return false;
	if (value.end - value.at >= 2 && *value.at == '\'' && value.end[-1] == '\'') {
		value.at++;
		value.end--;
	}
	n = decode(value, text, (int)sizeof(text));
	return parse(text, n, ret);
}

static bool pairs(struct span s, char *ret)
{
	while (s.at < s.end) {
		const char *comma = memchr(s.at, ',', (size_t)(s.end - s.at));
		const char *end = comma ? comma : s.end;

		if (pair((struct span){ s.at, end }, ret))
			return true;
		s.at = comma ? comma + 1 : s.end;
	}
	return false;
}

/* Takes the comment that `s` begins with off it. */
static bool take_first(struct span *s, struct span *ret)
{
	const char *close;

	*s = trim(*s, "");
	if (s->end - s->at < 4 || memcmp(s->at, "/*", 2))
		return false;
	close = memmem(s->at + 2, (size_t)(s->end - s->at - 2), "*/", 2);
	if (!close)
		return false;
	*ret = (struct span){ s->at + 2, close };
	s->at = close + 2;
	return true;
}

/* The comment that `s` ends with; semicolons may follow it. */
static bool take_last(struct span *s, struct span *ret)
{
	const char *open;

	*s = trim(*s, ";");
	if (s->end - s->at < 4 || memcmp(s->end - 2, "*/", 2))
		return false;
	for (open = s->end - 4; memcmp(open, "/*", 2); open--)
		if (open == s->at)
			return false;
	*ret = (struct span){ open + 2, s->end - 2 };
	s->end = open;
	return true;
}

bool sql_trace_id(const char *in, size_t len, char ret[static SQL_TRACE_ID_LEN])
{
	struct span rest = { in, in + len }, comment;

	while (take_first(&rest, &comment))
		if (pairs(comment, ret))
			return true;
	while (take_last(&rest, &comment))
		if (pairs(comment, ret))
			return true;
	return false;
}
