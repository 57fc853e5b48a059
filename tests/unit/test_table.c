// SPDX-License-Identifier: GPL-2.0-or-later
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/table.h"
#include "cli/value.h"
#include "lib/cleanup.h"

static const struct column columns[] = {
	{ "ID", ALIGN_LEFT, CUT_NEVER },
	{ "N", ALIGN_RIGHT, CUT_NEVER },
	{ "SERVER", ALIGN_LEFT, CUT_MIDDLE },
	{ "NAME", ALIGN_LEFT, CUT_END },
};

static char *render(const struct cell (*rows)[4], size_t count, const struct style *style,
		    const char *note)
{
	struct table *t;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(table_new(&t, columns, ARRAY_SIZE(columns)), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(table_add(t, rows[i], i ? TONE_PLAIN : TONE_BAD, note), 0);
	table_print(t, style, out);
	table_free(t);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void aligns(void **state)
{
	static const struct cell rows[][4] = {
		{ { "c1" }, { "5" }, { "10.0.0.1:5432" }, { "short" } },
		{ { "c222" }, { "12345" }, { "[::1]:5432" }, { "-" } },
	};
	const struct style style = { .width = 100 };
	_free_ char *text = render(rows, 2, &style, NULL);

	(void)state;
	assert_string_equal(text, "ID        N  SERVER         NAME\n"
				  "c1        5  10.0.0.1:5432  short\n"
				  "c222  12345  [::1]:5432     -\n");
}

static size_t widest(const char *text)
{
	size_t most = 0;
	char line[1024];

	while (*text) {
		size_t n = strcspn(text, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)n, text);
		if (text_columns(line) > most)
			most = text_columns(line);
		text += n + (text[n] == '\n');
	}
	return most;
}

static void fits(void **state)
{
	static const struct cell rows[][4] = {
		{ { "c1234567" },
		  { "123456" },
		  { "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:54321" },
		  { "a-database-with-quite-a-long-name-that-goes-on" } },
	};
	static const size_t widths[] = { 100, 80, 60, 40 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		const struct style style = { .width = widths[i] };
		_free_ char *text = render(rows, 1, &style, "a note that is very long, so long that it "
							    "cannot be on one line of any width we try");

		assert_true(widest(text) <= widths[i]);
		/* Who has to be named stays whole; of an address the port stays. */
		assert_non_null(strstr(text, "c1234567"));
		assert_non_null(strstr(text, "123456"));
		if (widths[i] >= 60)
			assert_non_null(strstr(text, ":54321"));
	}
}

static void cuts_between_characters(void **state)
{
	char out[64];

	(void)state;
	text_fit("abcdef", 6, CUT_END, false, out, sizeof(out));
	assert_string_equal(out, "abcdef");
	text_fit("abcdefg", 6, CUT_END, false, out, sizeof(out));
	assert_string_equal(out, "abcde~");
	text_fit("abcdefg", 6, CUT_MIDDLE, false, out, sizeof(out));
	assert_string_equal(out, "abc~fg");
	text_fit("abcdefg", 6, CUT_MIDDLE, true, out, sizeof(out));
	assert_string_equal(out, "abc\u2026fg");
	text_fit("\u00e4\u00f6\u00fc\u00df\u00e4\u00f6", 4, CUT_END, true, out, sizeof(out));
	assert_string_equal(out, "\u00e4\u00f6\u00fc\u2026");
	text_fit("\u00e4\u00f6\u00fc\u00df\u00e4\u00f6", 4, CUT_MIDDLE, true, out, sizeof(out));
	assert_string_equal(out, "\u00e4\u00f6\u2026\u00f6");
	text_fit("abc", 1, CUT_END, false, out, sizeof(out));
	assert_string_equal(out, "~");
	text_fit("abc", 0, CUT_END, false, out, sizeof(out));
	assert_string_equal(out, "");
}

static void counts_columns(void **state)
{
	(void)state;
	assert_int_equal(text_columns(""), 0);
	assert_int_equal(text_columns("caf\u00e9"), 4);
	if (setlocale(LC_CTYPE, "C.UTF-8"))
		assert_int_equal(text_columns("\u8239"), 2);
	(void)setlocale(LC_CTYPE, "C");
}

static void colours_only_when_asked(void **state)
{
	static const struct cell rows[][4] = {
		{ { "a" }, { "1" }, { "b" }, { "c" } },
		{ { "d" }, { "2" }, { "e" }, { "f" } },
	};
	const struct style plain = { .width = 100 }, coloured = { .width = 100, .colour = true };
	_free_ char *without = render(rows, 2, &plain, NULL), *with = render(rows, 2, &coloured, NULL);

	(void)state;
	assert_null(strchr(without, '\033'));
	assert_non_null(strstr(with, "\033[31ma"));
	assert_null(strstr(with, "\033[31md"));
}

static void escapes(void **state)
{
	static const struct cell rows[][4] = { { { "a" }, { "1" }, { "b" }, { "c\033[2J\n" } } };
	const struct style style = { .width = 100 };
	_free_ char *text = render(rows, 1, &style, NULL);

	(void)state;
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "c\\x1b[2J\\x0a\n"));
}

static void writes_durations(void **state)
{
	static const struct {
		double s;
		const char *text;
	} samples[] = {
		{ 0, "0ms" },	       { 0.0314, "31ms" },   { 0.9999, "1.0s" },
		{ 4.24, "4.2s" },      { 59.9, "59s" },	     { 60, "1m00s" },
		{ 192, "3m12s" },      { 7500, "2h05m" },    { 273600, "3d04h" },
		{ -1, "0ms" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		json_t *o = json_pack("{s:f}", "t", samples[i].s);

		assert_string_equal(value_duration(o, "t").text, samples[i].text);
		json_decref(o);
	}
}

static void unknown_is_a_dash(void **state)
{
	json_t *o = json_pack("{s:n, s:s, s:i, s:b, s:s}", "none", "text", "x", "number", 7, "yes", 1,
			      "at", "2024-05-06T07:08:09.123Z");

	(void)state;
	assert_string_equal(value_text(o, "none").text, "-");
	assert_string_equal(value_text(o, "absent").text, "-");
	assert_string_equal(value_duration(o, "none").text, "-");
	assert_string_equal(value_us(o, "none").text, "-");
	assert_string_equal(value_bool(o, "none").text, "-");
	assert_string_equal(value_pair(o, "text", "none").text, "x/-");
	assert_string_equal(value_text(o, "number").text, "7");
	assert_string_equal(value_bool(o, "yes").text, "yes");
	assert_string_equal(value_us(o, "number").text, "7us");
	assert_string_equal(value_time(o, "at").text, "2024-05-06 07:08:09");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligns),
		cmocka_unit_test(fits),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(counts_columns),
		cmocka_unit_test(colours_only_when_asked),
		cmocka_unit_test(escapes),
		cmocka_unit_test(writes_durations),
		cmocka_unit_test(unknown_is_a_dash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
