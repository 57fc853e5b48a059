// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "lib/clock.h"

#define WORDS 12

/* Splits `line` at blanks into an argument vector that lives as long as `text`. */
struct arguments {
	char text[256];
	char *argv[WORDS + 1];
	int argc;
};

static void split(const char *line, struct arguments *a)
{
	char *save, *word;

	*a = (struct arguments){};
	(void)snprintf(a->text, sizeof(a->text), "plimsoll %s", line);
	for (word = strtok_r(a->text, " ", &save); word && a->argc < WORDS;
	     word = strtok_r(NULL, " ", &save))
		a->argv[a->argc++] = word;
}

static enum exit_code parse(const char *line, struct arguments *a, struct cli *c, char *why)
{
	split(line, a);
	why[0] = '\0';
	return cli_parse(a->argc, a->argv, c, why, 256);
}

static void accepts(const char *line, struct arguments *a, struct cli *c)
{
	char why[256];

	if (parse(line, a, c, why) != EXIT_OK)
		fail_msg("'%s': %s", line, why);
}

static void refuses(const char *line, const char *says)
{
	struct arguments a;
	struct cli c;
	char why[256];

	assert_int_equal(parse(line, &a, &c, why), EXIT_USAGE);
	if (!strstr(why, says))
		fail_msg("'%s': '%s' is not in '%s'", line, says, why);
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"--json --run /r show --state /s c1.2 --for 2s",
		"show c1.2 --json --run /r --state /s --for 2s",
		"--for=2s --state=/s --run=/r --json show c1.2",
		"--json --run /r --state /s --for 2s -- show c1.2",
	};
	struct arguments a;
	struct cli c;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		accepts(lines[i], &a, &c);
		assert_string_equal(c.verb->name, "show");
		assert_int_equal(c.word_count, 1);
		assert_string_equal(c.words[0], "c1.2");
		assert_true(c.json);
		assert_string_equal(c.run_dir, "/r");
		assert_string_equal(c.state_dir, "/s");
		assert_true(c.has_for);
		assert_int_equal(c.for_ns, 2 * NS_PER_S);
	}
}

static void defaults_hold(void **state)
{
	struct arguments a;
	struct cli c;

	(void)state;
	accepts("leaks", &a, &c);
	assert_false(c.json || c.yes || c.has_for || c.has_since);
	assert_string_equal(c.run_dir, "/run/plimsoll");
	assert_string_equal(c.state_dir, "/var/lib/plimsoll");
	assert_null(c.with);
	accepts("fix f1 --with close --yes", &a, &c);
	assert_string_equal(c.with, "close");
	assert_true(c.yes);
	accepts("journal --since 2h", &a, &c);
	assert_int_equal(c.since_ns, 7200 * NS_PER_S);
	accepts("--help", &a, &c);
	assert_true(c.help);
	accepts("help", &a, &c);
	assert_true(c.help);
	accepts("--version", &a, &c);
	assert_true(c.version);
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	refuses("", "no command");
	refuses("dance", "unknown command 'dance'");
	refuses("--wild conns", "unknown option '--wild'");
	refuses("conns -x", "unknown option '-x'");
	refuses("conns --run", "'--run' needs a value");
	refuses("show", "'show' needs: ID");
	refuses("show a b", "'show' does not take 'b'");
	refuses("fix", "'fix' needs: ID");
	refuses("status now", "'status' does not take 'now'");
	refuses("conns --yes", "--yes does not go with 'conns'");
	refuses("conns --with close", "--with does not go with 'conns'");
	refuses("leaks --since 2h", "--since does not go with 'leaks'");
	refuses("journal --since yesterday", "'yesterday' is no duration");
	refuses("conns --for 5", "'5' is no duration");
}

static void filters_become_parameters(void **state)
{
	struct arguments a;
	struct cli c;
	json_t *params = NULL;

	(void)state;
	accepts("conns pid=7 comm=a=b* leaked endpoint=[::1]:5432", &a, &c);
	assert_int_equal(cli_filters(&c, &params), EXIT_OK);
	assert_int_equal(json_integer_value(json_object_get(params, "pid")), 7);
	assert_string_equal(json_string_value(json_object_get(params, "comm")), "a=b*");
	assert_true(json_is_true(json_object_get(params, "leaked")));
	assert_string_equal(json_string_value(json_object_get(params, "endpoint")), "[::1]:5432");
	json_decref(params);
}

static void bad_filters_are_usage_errors(void **state)
{
	static const char *const lines[] = {
		"conns pid=abc", "conns pid=", "conns pid=-1", "conns pid=99999999999",
		"conns pid", "conns colour=red", "conns red", "conns leaked=1", "conns comm",
		"leaks kind=sad", "pools protocol=smtp", "conns endpoint=here", "conns \xff=1",
	};
	struct arguments a;
	struct cli c;
	json_t *params = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		accepts(lines[i], &a, &c);
		if (cli_filters(&c, &params) != EXIT_USAGE)
			fail_msg("'%s' was taken", lines[i]);
		assert_null(params);
	}
}

static void usage_names_every_verb(void **state)
{
	static const char *const verbs[] = { "conns", "pools", "leaks", "show", "fix", "journal",
					     "watch", "status", "doctor", "stop", "resume" };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	cli_usage(out);
	assert_int_equal(fclose(out), 0);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		assert_non_null(strstr(text, verbs[i]));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(defaults_hold),
		cmocka_unit_test(names_what_is_wrong),
		cmocka_unit_test(filters_become_parameters),
		cmocka_unit_test(bad_filters_are_usage_errors),
		cmocka_unit_test(usage_names_every_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
