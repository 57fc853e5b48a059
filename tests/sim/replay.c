// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays stories: times in, decisions out.  Prints TAP.
 *
 * A line is `TIME VERB ...` (what happens), `expect ...` (what must have come of
 * it) or a setting.  TIME is 0s, or +1ms after the line before.  What a tick says of
 * a finding's state, and every verdict to act, must be expected, or the story fails.
 * `fails REASON` turns a story round: it must fail, and for that reason.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/param.h"
#include "sim.h"

#define BEGIN_NS (1000000 * NS_PER_S)

void sim_tap(struct sim *s, bool ok, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (*s->must_fail) {
		s->failed_so |= !ok && strstr(text, s->must_fail);
		return;
	}
	printf("%s - %s:%s\n", ok ? "ok" : "not ok", s->file, text);
	s->tests++;
	s->failed += !ok;
}

void sim_note(const struct sim *s, const char *text, const char *more)
{
	if (!*s->must_fail)
		printf("#   %s%s\n", text, more);
}

void sim_broken(struct sim *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sim_tap(s, false, "%u: %s", s->line, text);
	s->broken = true;
}

static void split(char *line, struct words *ret)
{
	char *save = NULL;

	line[strcspn(line, "#\n")] = '\0';
	ret->count = 0;
	for (char *w = strtok_r(line, " \t", &save); w && ret->count < SIM_WORDS;
	     w = strtok_r(NULL, " \t", &save))
		ret->word[ret->count++] = w;
}

/* Moves the clock, and drops the time from the line. */
static void move_clock(struct sim *s, struct words *w)
{
	const char *text = w->word[0] + (w->word[0][0] == '+');
	uint64_t ns = 0;

	if (param_duration(text, &ns) < 0) {
		sim_broken(s, "'%s' is no time", w->word[0]);
		return;
	}
	if (text == w->word[0] && BEGIN_NS + ns < s->now_ns) {
		sim_broken(s, "time does not go back to %s", text);
		return;
	}
	s->now_ns = (text == w->word[0] ? BEGIN_NS : s->now_ns) + ns;
	w->count--;
	memmove(w->word, w->word + 1, w->count * sizeof(w->word[0]));
}

static void replay_line(struct sim *s, struct words *w)
{
	if (strcmp(w->word[0], "expect") == 0) {
		w->count--;
		memmove(w->word, w->word + 1, w->count * sizeof(w->word[0]));
		sim_expect(s, w);
		return;
	}
	if (w->word[0][0] == '+' || isdigit((unsigned char)w->word[0][0]))
		move_clock(s, w);
	if (s->broken)
		return;
	if (!w->count)
		sim_broken(s, "nothing happens at this time");
	else if (!sim_set(s, w) && !sim_happen(s, w))
		sim_broken(s, "there is no '%s'", w->word[0]);
}

/* `fails REASON`: a story that shows that a story can fail, and for this reason. */
static bool must_fail(struct sim *s, const char *line)
{
	if (strncmp(line, "fails ", 6) != 0)
		return false;
	(void)snprintf(s->must_fail, sizeof(s->must_fail), "%.*s", (int)strcspn(line + 6, "\n"),
		       line + 6);
	return true;
}

static void replay(struct sim *s, FILE *f)
{
	char line[512], reason[sizeof(s->must_fail)];
	struct words w;

	while (!s->broken && fgets(line, sizeof(line), f)) {
		s->line++;
		if (must_fail(s, line))
			continue;
		split(line, &w);
		if (w.count)
			replay_line(s, &w);
	}
	if (!s->broken)
		sim_settle(s);
	if (*s->must_fail) {
		memcpy(reason, s->must_fail, sizeof(reason));
		s->must_fail[0] = '\0';
		sim_tap(s, s->failed_so, " fails with '%s'", reason);
	} else if (!s->broken && !s->tests) {
		sim_broken(s, "a story that expects nothing proves nothing");
	}
}

static int replay_file(const char *path, unsigned *tests)
{
	static struct sim s;
	_fclose_ FILE *f = fopen(path, "re");
	int failed;

	if (!f || sim_init(&s, path) < 0) {
		printf("not ok - %s: cannot be read\n", path);
		(*tests)++;
		return 1;
	}
	s.now_ns = BEGIN_NS;
	replay(&s, f);
	*tests += s.tests;
	failed = s.failed != 0;
	sim_done(&s);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned tests = 0;
	int failed = 0;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: replay STORY...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		failed += replay_file(argv[i], &tests);
	printf("1..%u\n", tests);
	return failed ? 1 : 0;
}
