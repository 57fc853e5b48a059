// SPDX-License-Identifier: GPL-2.0-or-later
#include <getopt.h>
#include <string.h>

#include "ask/filter.h"
#include "cli/call.h"
#include "cli/print.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

/* --- parameters ----------------------------------------------------------- */

static enum exit_code no_params(const struct cli *c, json_t **ret)
{
	(void)c;
	*ret = json_object();
	return EXIT_OK;
}

static enum exit_code id_params(const struct cli *c, json_t **ret)
{
	*ret = json_pack("{s:s}", "id", c->words[0]);
	return *ret ? EXIT_OK : EXIT_USAGE;
}

static enum exit_code fix_params(const struct cli *c, json_t **ret)
{
	*ret = json_pack("{s:s, s:s*, s:b}", "id", c->words[0], "with", c->with, "yes", c->yes);
	return *ret ? EXIT_OK : EXIT_USAGE;
}

static enum exit_code since_params(const struct cli *c, json_t **ret)
{
	*ret = c->has_since ? json_pack("{s:f}", "since_s", ns_to_s(c->since_ns)) : json_object();
	return EXIT_OK;
}

/* --- verbs ---------------------------------------------------------------- */

static const struct verb verbs[] = {
	{ "conns", "[FILTER...]", "one row a connection", "Conns", 0, 0, 32, cli_filters,
	  print_conns, NULL },
	{ "pools", "[FILTER...]", "one row a pool: owner, server, database, user", "Pools", 0, 0, 32,
	  cli_filters, print_pools, NULL },
	{ "advise", "[FILTER...]", "how large each pool should be, and why", "Advise", 0, 0, 32,
	  cli_filters, print_advise, NULL },
	{ "leaks", "[FILTER...]", "what was found, with its evidence", "Leaks", 0, 0, 32,
	  cli_filters, print_leaks, NULL },
	{ "show", "ID", "everything known of one connection", "Show", 0, 1, 1, id_params, print_show,
	  NULL },
	{ "fix", "ID [--with ACTION] [--yes]", "mend it; without --yes, say what that would do",
	  "Fix", OPT_WITH | OPT_YES, 1, 1, fix_params, print_fix, NULL },
	{ "journal", "[--since DUR]", "what was found, decided and done", "Journal", OPT_SINCE, 0, 0,
	  since_params, print_journal, NULL },
	{ "watch", "", "the same as it happens, one JSON object a line", NULL, 0, 0, 0, NULL, NULL,
	  run_watch },
	{ "status", "", "how the daemon is", "Status", 0, 0, 0, no_params, print_status, NULL },
	{ "doctor", "", "how each fact is obtained here, and what is blind", "Doctor", 0, 0, 0,
	  no_params, print_doctor, NULL },
	{ "stop", "", "let no repair begin", "Stop", 0, 0, 0, no_params, print_stopped, NULL },
	{ "resume", "", "let repairs begin again", "Resume", 0, 0, 0, no_params, print_stopped,
	  NULL },
};

void cli_usage(FILE *out)
{
	(void)fputs("usage: plimsoll [OPTION...] COMMAND [ARGUMENT...]\n\ncommands:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)fprintf(out, "  %-8s%-28s%s\n", verbs[i].name, verbs[i].args, verbs[i].help);
	(void)fputs("\nfilters:\n"
		    "  pid=N comm=S endpoint=IP:PORT protocol=P database=S user=S kind=K leaked all\n"
		    "  (comm, database and user may hold * and ?)\n"
		    "\noptions, before or after the command:\n"
		    "  --json        one JSON document instead of a table\n"
		    "  --run DIR     where the daemon's socket is (default: " CLI_RUN_DIR ")\n"
		    "  --state DIR   where the journal is (default: " CLI_STATE_DIR ")\n"
		    "  --for DUR     how long to look without a daemon, or to watch (500ms 30s 5min)\n"
		    "  --version, --help\n",
		    out);
}

/* --- the command line ----------------------------------------------------- */

enum { LONG_JSON = 256, LONG_RUN, LONG_STATE, LONG_FOR, LONG_WITH, LONG_YES, LONG_SINCE,
       LONG_VERSION };

static const struct option longs[] = {
	{ "json", no_argument, NULL, LONG_JSON },
	{ "run", required_argument, NULL, LONG_RUN },
	{ "state", required_argument, NULL, LONG_STATE },
	{ "for", required_argument, NULL, LONG_FOR },
	{ "with", required_argument, NULL, LONG_WITH },
	{ "yes", no_argument, NULL, LONG_YES },
	{ "since", required_argument, NULL, LONG_SINCE },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{},
};

static bool take_duration(const char *text, uint64_t *ns, bool *has)
{
	*has = param_duration(text, ns) == 0;
	return *has;
}

/* One option; false: its value makes no sense. */
static bool take_option(struct cli *c, int option, char *value)
{
	switch (option) {
	case LONG_JSON:
		c->json = true;
		return true;
	case LONG_RUN:
		c->run_dir = value;
		return true;
	case LONG_STATE:
		c->state_dir = value;
		return true;
	case LONG_FOR:
		return take_duration(value, &c->for_ns, &c->has_for);
	case LONG_WITH:
		c->with = value;
		c->given |= OPT_WITH;
		return true;
	case LONG_YES:
		c->yes = true;
		c->given |= OPT_YES;
		return true;
	case LONG_SINCE:
		c->given |= OPT_SINCE;
		return take_duration(value, &c->since_ns, &c->has_since);
	case LONG_VERSION:
		c->version = true;
		return true;
	default:
		c->help = true;
		return true;
	}
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* Whether the verb takes these words and options. */
static enum exit_code check_verb(struct cli *c, char *why, size_t why_size)
{
	static const char *const names[] = { "--with", "--yes", "--since" };
	const struct verb *v = c->verb;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (c->given & ~v->options & (1U << i)) {
			(void)snprintf(why, why_size, "%s does not go with '%s'", names[i], v->name);
			return EXIT_USAGE;
		}
	}
	if (c->word_count < v->min_words)
		(void)snprintf(why, why_size, "'%s' needs: %s", v->name, v->args);
	else if (c->word_count > v->max_words)
		(void)snprintf(why, why_size, "'%s' does not take '%.60s'", v->name,
			       c->words[v->max_words]);
	else
		return EXIT_OK;
	return EXIT_USAGE;
}

static enum exit_code name_bad_option(int option, char *word, char *why, size_t why_size)
{
	(void)snprintf(why, why_size,
		       option == ':' ? "'%.60s' needs a value" :
				       "unknown option '%.60s' (see plimsoll --help)",
		       word);
	return EXIT_USAGE;
}

/* Collects options into `c` and the other words, in order, at the front of argv. */
static enum exit_code scan(int argc, char **argv, struct cli *c, char *why, size_t why_size)
{
	int option;

	optind = 0;
	while ((option = getopt_long(argc, argv, "-:h", longs, NULL)) != -1) {
		if (option == ':' || option == '?')
			return name_bad_option(option, argv[optind - 1], why, why_size);
		if (option == 1) {
			c->words[c->word_count++] = optarg;
		} else if (!take_option(c, option, optarg)) {
			(void)snprintf(why, why_size,
				       "'%.60s' is no duration (write 500ms, 30s, 5min, 2h or 1d)",
				       optarg);
			return EXIT_USAGE;
		}
	}
	while (optind < argc)
		c->words[c->word_count++] = argv[optind++];
	return EXIT_OK;
}

enum exit_code cli_parse(int argc, char **argv, struct cli *ret, char *why, size_t why_size)
{
	struct cli c = { .words = argv, .run_dir = CLI_RUN_DIR, .state_dir = CLI_STATE_DIR };

	if (scan(argc, argv, &c, why, why_size) != EXIT_OK)
		return EXIT_USAGE;
	if (!c.word_count && !c.help && !c.version) {
		(void)snprintf(why, why_size, "no command (see plimsoll --help)");
		return EXIT_USAGE;
	}
	if (c.word_count) {
		c.verb = find_verb(c.words[0]);
		if (!c.verb && strcmp(c.words[0], "help") == 0)
			c.help = true;
		else if (!c.verb) {
			(void)snprintf(why, why_size, "unknown command '%.60s' (see plimsoll --help)",
				       c.words[0]);
			return EXIT_USAGE;
		}
		c.words++;
		c.word_count--;
	}
	*ret = c;
	return c.help || c.version ? EXIT_OK : check_verb(ret, why, why_size);
}

static bool is_pid(const char *text, json_int_t *ret)
{
	char *end;
	long pid = strtol(text, &end, 10);

	*ret = pid;
	return *text >= '0' && *text <= '9' && !*end && pid > 0 && pid <= INT32_MAX;
}

static json_t *filter_value(const char *word, const char *equals)
{
	json_int_t pid;

	if (!equals)
		return json_true();
	if (strncmp(word, "pid=", 4) == 0 && is_pid(equals + 1, &pid))
		return json_integer(pid);
	return json_string(equals + 1);
}

enum exit_code cli_filters(const struct cli *c, json_t **ret)
{
	json_t *params = json_object(), *error = NULL;
	struct filter f;

	for (int i = 0; i < c->word_count; i++) {
		const char *equals = strchr(c->words[i], '=');
		_free_ char *key = equals ? strndup(c->words[i], (size_t)(equals - c->words[i])) :
					    strdup(c->words[i]);

		/* Fails for what is not UTF-8. */
		if (!key || json_object_set_new(params, key, filter_value(c->words[i], equals)) < 0) {
			json_decref(params);
			(void)log_err(0, "'%s' is no filter", c->words[i]);
			return EXIT_USAGE;
		}
	}
	if (filter_parse(params, &f, &error) != EXIT_OK) {
		(void)log_err(0, "%s", json_string_value(json_object_get(error, "message")));
		json_decref(error);
		json_decref(params);
		return EXIT_USAGE;
	}
	*ret = params;
	return EXIT_OK;
}

/* --- running -------------------------------------------------------------- */

static void output(const struct cli *c, json_t *doc)
{
	if (c->json) {
		(void)json_dumpf(doc, stdout, JSON_COMPACT);
		(void)fputc('\n', stdout);
	} else if (json_array_size(json_object_get(doc, c->verb->name))) {
		c->verb->print(c, json_object_get(doc, c->verb->name));
	}
}

/* What there is to show of an error: the repair it is about, or an empty document. */
static json_t *document_of_error(const struct cli *c, json_t *error)
{
	json_t *repair = json_object_get(error, "repair");

	if (repair && !json_is_null(repair))
		return json_pack("{s:i, s:[O]}", "schema", 1, c->verb->name, repair);
	return json_pack("{s:i, s:[]}", "schema", 1, c->verb->name);
}

static enum exit_code ask_and_print(const struct cli *c)
{
	json_t *params = NULL, *answer = NULL, *doc;
	enum exit_code code = c->verb->params(c, &params);

	if (code != EXIT_OK)
		return code;
	code = call(c, c->verb->method, params, &answer);
	if (code == EXIT_OK)
		doc = json_incref(answer);
	else if (code == EXIT_NOTHING || code == EXIT_REFUSED || code == EXIT_FAIL)
		doc = document_of_error(c, answer);
	else
		doc = NULL;
	if (doc && (code != EXIT_FAIL || json_array_size(json_object_get(doc, c->verb->name))))
		output(c, doc);
	if (code == EXIT_OK && !json_array_size(json_object_get(doc, c->verb->name))) {
		(void)log_warn(0, "nothing matched");
		code = EXIT_NOTHING;
	}
	json_decref(doc);
	json_decref(answer);
	return fflush(stdout) == 0 ? code : EXIT_FAIL;
}

enum exit_code cli_run(const struct cli *c)
{
	if (c->help)
		cli_usage(stdout);
	else if (c->version)
		(void)printf("plimsoll " PLIMSOLL_VERSION "\n");
	else
		return c->verb->run ? c->verb->run(c) : ask_and_print(c);
	return EXIT_OK;
}
