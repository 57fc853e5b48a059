// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

/*
 * Length of the well-formed UTF-8 character that `s` begins with, 0 when there is
 * none.  Stricter than the shape: overlong forms, surrogates and numbers beyond
 * Unicode are no characters.
 */
static size_t decode(const unsigned char *s, size_t left, uint32_t *ret_char)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (!len || len > left || s[0] > 0xf4)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return len;
}

/* Control characters, line separators, and marks that turn the direction of writing. */
static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
		return false;
	if (c == 0x061c || c == 0x200e || c == 0x200f || c == 0xfeff)
		return false;
	return !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

void text_escape(const char *text, char *out, size_t out_size)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t left = strlen(text), used = 0;

	if (!out_size)
		return;
	while (left) {
		uint32_t c = 0;
		size_t len = decode(in, left, &c);
		bool plain = len && is_harmless(c);

		len = len ?: 1;
		if (used + (plain ? len : 4 * len) >= out_size)
			break;
		if (plain)
			memcpy(out + used, in, len);
		for (size_t i = 0; !plain && i < len; i++)
			(void)snprintf(out + used + 4 * i, 5, "\\x%02x", in[i]);
		used += plain ? len : 4 * len;
		in += len;
		left -= len;
	}
	out[used] = '\0';
}

bool text_is_plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		size_t n = decode((const unsigned char *)s + i, len - i, &c);

		if (!n || !is_harmless(c))
			return false;
		i += n;
	}
	return true;
}

/* The start of the character after the one at `s`. */
static const char *next_char(const char *s)
{
	s++;
	while ((*s & 0xc0) == 0x80)
		s++;
	return s;
}

/* Remembers the last `*` only: going back further could never help. */
bool text_match(const char *pattern, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = s;
		} else if (*pattern == '?') {
			pattern++;
			s = next_char(s);
		} else if (*pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			pattern = star;
			retry = next_char(retry);
			s = retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
