// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was written as data does not come out, whatever the settings of the server, at
 * whatever byte the statement was cut.  CANARIES=N draws N statements instead of a few.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "canary_kit.h"
#include "lib/text.h"

#include <cmocka.h>

#define STATEMENTS 40000
#define EVERY_BYTE 16 /* one statement of so many is cut at every byte */
#define CUTS	   8  /* the others at so many */
#define PROGRESS   500000
#define REST	   " …"

struct tally {
	uint64_t statements, cases, shapes, keywords;
};

static bool is_canary[256];

static bool leaks(const char *out)
{
	for (; *out; out++)
		if (is_canary[(unsigned char)*out])
			return true;
	return false;
}

/* A report names the seed, which is all that is needed to draw the statement again. */
static void give_up(const struct draw *d, uint64_t seed, size_t len, bool cut, const char *out,
		    const char *why)
{
	char clean[sizeof(d->text) * 4], text[sizeof(d->text)] = "";

	memcpy(text, d->text, len);
	text_escape(text, clean, sizeof(clean));
	fail_msg("%s: dialect %d, seed %" PRIu64 ", %zu bytes%s\n  in  %s\n  out %s", why,
		 d->dialect, seed, len, cut ? ", cut" : "", clean, out);
}

/* `window` ends where the buffer does, for the sanitizer to see a step too far. */
static bool one(const struct draw *d, uint64_t seed, size_t len, bool cut, char *window_end)
{
	char out[sizeof(d->text) + 8], *in = window_end - len;
	size_t n;

	memcpy(in, d->text, len);
	n = sql_redact(d->dialect, in, len, cut, out, sizeof(out));
	if (leaks(out))
		give_up(d, seed, len, cut, out, "a canary came out");
	if (n != strlen(out) || n > len + sizeof(REST))
		give_up(d, seed, len, cut, out, "the length is wrong");
	if (!text_is_plain(out, n))
		give_up(d, seed, len, cut, out, "the text is not plain");
	return n < sizeof(REST) - 1 || strcmp(out + n - (sizeof(REST) - 1), REST);
}

static void run(struct draw *d, uint64_t seed, char *window_end, struct tally *t)
{
	bool whole = one(d, seed, d->len, false, window_end);

	if (!whole && !d->doubtful)
		give_up(d, seed, d->len, false, "", "there was no reason for doubt");
	t->shapes += whole;
	t->keywords += !whole;
	if (seed % EVERY_BYTE == 0) {
		for (size_t len = 0; len <= d->len; len++) {
			(void)one(d, seed, len, false, window_end);
			(void)one(d, seed, len, true, window_end);
		}
		t->cases += 2 * d->len + 2;
		return;
	}
	for (unsigned int i = 0; i < CUTS; i++) {
		size_t len = roll(d, (uint32_t)d->len + 1);

		(void)one(d, seed, len, false, window_end);
		(void)one(d, seed, len, true, window_end);
	}
	t->cases += 2 * CUTS + 1;
}

static void tell(const struct tally *t, time_t begin)
{
	print_message("# %" PRIu64 " statements, %" PRIu64 " cases, %.0f %% shown whole, %ld s\n",
		      t->statements, t->cases, 100.0 * (double)t->shapes / (double)t->statements,
		      (long)(time(NULL) - begin));
}

static void no_canary_comes_out(void **state)
{
	const char *wish = getenv("CANARIES");
	uint64_t count = wish ? strtoull(wish, NULL, 10) : STATEMENTS;
	_free_ char *window = malloc(sizeof(((struct draw *)0)->text));
	time_t begin = time(NULL);
	struct tally t = {};
	struct draw d;

	(void)state;
	assert_non_null(window);
	for (uint64_t seed = 0; seed < count; seed++) {
		/* Both dialects get their share of those that are cut at every byte. */
		draw(&d, seed / EVERY_BYTE % SQL_DIALECT_MAX, seed);
		run(&d, seed, window + sizeof(d.text), &t);
		if (++t.statements % PROGRESS == 0)
			tell(&t, begin);
	}
	tell(&t, begin);
	/* A redactor that shows nothing would pass all of the above. */
	assert_true(t.shapes > t.statements / 4);
	assert_true(t.keywords > t.statements / 50);
}

/* The net has to catch what it is there to catch. */
static void knows_a_leak(void **state)
{
	unsigned int caught = 0;
	struct draw d;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		draw(&d, seed % SQL_DIALECT_MAX, seed);
		caught += leaks(d.text);
	}
	assert_true(caught >= 95);
	assert_false(leaks("insert into t values (?) …"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_a_leak),
		cmocka_unit_test(no_canary_comes_out),
	};

	for (const char *c = CANARY_BYTES; *c; c++)
		is_canary[(unsigned char)*c] = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
