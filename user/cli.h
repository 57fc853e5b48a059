/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of verbs, from which parsing, usage and dispatch
 * come.  stdout is data, stderr is talk.
 */
#ifndef PLIMSOLL_CLI_H
#define PLIMSOLL_CLI_H

#include "ask.h"
#include "cli/table.h"

#define CLI_RUN_DIR   "/run/plimsoll"
#define CLI_STATE_DIR "/var/lib/plimsoll"

struct verb;

/* What the command line said. */
struct cli {
	const struct verb *verb;
	char **words;		/* after the verb */
	int word_count;
	const char *run_dir, *state_dir;
	const char *with;	/* NULL: not said */
	uint64_t for_ns, since_ns;
	bool has_for, has_since;
	bool json, yes, help, version;
	unsigned int given;	/* OPT_* of options that not every verb has */
	struct style style;
};

#define OPT_WITH  0x1
#define OPT_YES	  0x2
#define OPT_SINCE 0x4

struct verb {
	const char *name, *args, *help;
	const char *method;	/* of the daemon, NULL: none */
	unsigned int options;	/* OPT_* it takes */
	int min_words, max_words;
	/* EXIT_OK and the request's parameters, or EXIT_USAGE after a sentence. */
	enum exit_code (*params)(const struct cli *c, json_t **ret);
	void (*print)(const struct cli *c, json_t *rows);
	/* Instead of asking and printing. */
	enum exit_code (*run)(const struct cli *c);
};

/*
 * Reads the command line; `argv` is reordered.  EXIT_OK, or EXIT_USAGE with one
 * sentence in `why`.
 */
enum exit_code cli_parse(int argc, char **argv, struct cli *ret, char *why, size_t why_size);

/* Does what was said. */
enum exit_code cli_run(const struct cli *c);

void cli_usage(FILE *out);

/* {"pid": 7, "comm": "x", "leaked": true} of "pid=7", "comm=x" and "leaked". */
enum exit_code cli_filters(const struct cli *c, json_t **ret);

#endif
