// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/text.h"

struct sample {
	const char *in, *out;
};

static void escapes_what_steers(void **state)
{
	static const struct sample samples[] = {
		{ "", "" },
		{ "plain text, 100% ~", "plain text, 100% ~" },
		{ "back\\slash", "back\\slash" },
		{ "a\tb\nc\rd", "a\\x09b\\x0ac\\x0dd" },
		{ "\x1b[31mred\x7f", "\\x1b[31mred\\x7f" },
		{ "Stra\xc3\x9f"
		  "e \xe2\x82\xac \xf0\x9f\x9a\xa2",
		  "Stra\xc3\x9f"
		  "e \xe2\x82\xac \xf0\x9f\x9a\xa2" },
		{ "c1 \xc2\x9b", "c1 \\xc2\\x9b" },
		{ "rtl \xe2\x80\xae", "rtl \\xe2\\x80\\xae" },
		{ "isolate \xe2\x81\xa6", "isolate \\xe2\\x81\\xa6" },
		{ "alm \xd8\x9c", "alm \\xd8\\x9c" },
		{ "line \xe2\x80\xa8", "line \\xe2\\x80\\xa8" },
		{ "bare \x80 \xff", "bare \\x80 \\xff" },
		{ "overlong \xc0\xaf", "overlong \\xc0\\xaf" },
		{ "overlong \xe0\x80\xaf", "overlong \\xe0\\x80\\xaf" },
		{ "surrogate \xed\xa0\x80", "surrogate \\xed\\xa0\\x80" },
		{ "beyond \xf4\x90\x80\x80", "beyond \\xf4\\x90\\x80\\x80" },
		{ "cut \xe2\x82", "cut \\xe2\\x82" },
	};
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		text_escape(samples[i].in, out, sizeof(out));
		assert_string_equal(out, samples[i].out);
	}
}

static void knows_what_is_plain(void **state)
{
	static const char *const plain[] = { "", "a b ~", "back\\slash", "Stra\xc3\x9f" "e" };
	static const char *const other[] = { "a\n", "\x7f", "\xc2\x9b", "\xff", "a\xe2\x82",
					     "\xe2\x80\xae", "\xc0\xaf" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		assert_true(text_is_plain(plain[i], strlen(plain[i])));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_false(text_is_plain(other[i], strlen(other[i])));
	assert_false(text_is_plain("a\0b", 3));
	assert_true(text_is_plain("a\n", 1));
}

/* The log escapes lines that hold texts already escaped. */
static void escapes_once(void **state)
{
	char once[64], twice[64];

	(void)state;
	text_escape("\x1b\xff\n", once, sizeof(once));
	text_escape(once, twice, sizeof(twice));
	assert_string_equal(once, twice);
}

static void never_splits_a_character(void **state)
{
	char out[8];

	(void)state;
	text_escape("abcdef\xe2\x82\xac", out, sizeof(out));
	assert_string_equal(out, "abcdef");
	text_escape("abcd\n", out, sizeof(out));
	assert_string_equal(out, "abcd");
	text_escape("\xc2\x9b", out, sizeof(out));
	assert_string_equal(out, "");
	text_escape("1234567", out, sizeof(out));
	assert_string_equal(out, "1234567");
	text_escape("12345678", out, sizeof(out));
	assert_string_equal(out, "1234567");
	memset(out, 'x', sizeof(out));
	text_escape("abc", out, 1);
	assert_string_equal(out, "");
	text_escape("abc", out, 0);
}

static void matches_like_a_shell(void **state)
{
	static const struct {
		const char *pattern, *s;
		bool match;
	} samples[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "billing*", "billing", true },
		{ "billing*", "billing-7", true },
		{ "billing*", "my-billing", false },
		{ "*billing", "my-billing", true },
		{ "*ab*ab", "abaab", true },
		{ "*ab*ab", "aab", false },
		{ "a?c", "abc", true },
		{ "a?c", "ac", false },
		{ "?", "\xe2\x82\xac", true },
		{ "??", "\xe2\x82\xac", false },
		{ "*?", "\xe2\x82\xac", true },
		{ "*??", "\xe2\x82\xac", false },
		{ "10.0.0.?:5432", "10.0.0.2:5432", true },
		{ "a\\*", "a*", false },
		{ "[ab]", "a", false },
		{ "[ab]", "[ab]", true },
		{ "A", "a", false },
		{ "a***b", "ab", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (text_match(samples[i].pattern, samples[i].s) != samples[i].match)
			fail_msg("'%s' and '%s'", samples[i].pattern, samples[i].s);
}

/* With backtracking over every star this would take longer than the universe. */
static void matches_in_bounded_time(void **state)
{
	char s[4096];

	(void)state;
	memset(s, 'a', sizeof(s) - 1);
	s[sizeof(s) - 1] = '\0';
	assert_false(text_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_what_steers),
		cmocka_unit_test(knows_what_is_plain),
		cmocka_unit_test(escapes_once),
		cmocka_unit_test(never_splits_a_character),
		cmocka_unit_test(matches_like_a_shell),
		cmocka_unit_test(matches_in_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
