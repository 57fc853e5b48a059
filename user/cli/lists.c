// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections, pools, findings and the journal as tables. */
#include <string.h>

#include "cli/print.h"
#include "cli/value.h"
#include "lib/cleanup.h"

static enum tone tone_of(bool found)
{
	return found ? TONE_BAD : TONE_PLAIN;
}

static struct table *begin(const struct column *columns, size_t count)
{
	struct table *t = NULL;

	(void)table_new(&t, columns, count);
	return t;
}

static void finish(const struct cli *c, struct table *t)
{
	if (t)
		table_print(t, &c->style, stdout);
	table_free(t);
}

void print_conns(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "ID", ALIGN_LEFT, CUT_NEVER },      { "PID", ALIGN_RIGHT, CUT_NEVER },
		{ "COMM", ALIGN_LEFT, CUT_END },      { "SERVER", ALIGN_LEFT, CUT_MIDDLE },
		{ "DATABASE", ALIGN_LEFT, CUT_END },  { "USER", ALIGN_LEFT, CUT_END },
		{ "ACTIVITY", ALIGN_LEFT, CUT_NEVER }, { "QUIET", ALIGN_RIGHT, CUT_NEVER },
		{ "TXN", ALIGN_RIGHT, CUT_NEVER },    { "QUERIES", ALIGN_RIGHT, CUT_NEVER },
		{ "RTT", ALIGN_RIGHT, CUT_NEVER },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *cells[] = {
			value_text(row, "id").text,	  value_text(row, "pid").text,
			value_text(row, "comm").text,	  value_text(row, "remote").text,
			value_text(row, "database").text, value_text(row, "user").text,
			value_text(row, "activity").text, value_duration(row, "quiet_s").text,
			value_duration(row, "txn_s").text, value_text(row, "queries").text,
			value_us(row, "rtt_us").text,
		};

		if (t)
			(void)table_add(t, cells,
					tone_of(json_array_size(json_object_get(row, "findings"))),
					NULL);
	}
	finish(c, t);
}

/* How many findings there are: a number, or "-" for none. */
static struct value leak_count(json_t *row)
{
	size_t n = json_array_size(json_object_get(row, "findings"));
	struct value out = { "-" };

	if (n)
		(void)snprintf(out.text, sizeof(out.text), "%zu", n);
	return out;
}

void print_pools(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "PID", ALIGN_RIGHT, CUT_NEVER },   { "COMM", ALIGN_LEFT, CUT_END },
		{ "SERVER", ALIGN_LEFT, CUT_MIDDLE }, { "DATABASE", ALIGN_LEFT, CUT_END },
		{ "USER", ALIGN_LEFT, CUT_END },     { "OPEN", ALIGN_RIGHT, CUT_NEVER },
		{ "USE", ALIGN_RIGHT, CUT_NEVER },   { "IDLE", ALIGN_RIGHT, CUT_NEVER },
		{ "TXN", ALIGN_RIGHT, CUT_NEVER },   { "LINE", ALIGN_RIGHT, CUT_NEVER },
		{ "LEAKS", ALIGN_RIGHT, CUT_NEVER },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *cells[] = {
			value_text(row, "pid").text,	  value_text(row, "comm").text,
			value_text(row, "endpoint").text, value_text(row, "database").text,
			value_text(row, "user").text,	  value_text(row, "open").text,
			value_text(row, "in_use").text,	  value_text(row, "idle").text,
			value_text(row, "in_txn").text,	  value_text(row, "watermark").text,
			leak_count(row).text,
		};

		if (t)
			(void)table_add(t, cells,
					tone_of(json_array_size(json_object_get(row, "findings"))),
					NULL);
	}
	finish(c, t);
}

void print_leaks(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "ID", ALIGN_LEFT, CUT_NEVER },      { "KIND", ALIGN_LEFT, CUT_NEVER },
		{ "STATE", ALIGN_LEFT, CUT_NEVER },   { "SINCE", ALIGN_RIGHT, CUT_NEVER },
		{ "PID", ALIGN_RIGHT, CUT_NEVER },    { "COMM", ALIGN_LEFT, CUT_END },
		{ "SERVER", ALIGN_LEFT, CUT_MIDDLE }, { "DATABASE/USER", ALIGN_LEFT, CUT_END },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		struct value state = value_text(row, "state");
		const char *cells[] = {
			value_text(row, "id").text,	   value_text(row, "kind").text,
			state.text,			   value_duration(row, "since_s").text,
			value_text(row, "pid").text,	   value_text(row, "comm").text,
			value_text(row, "endpoint").text,
			value_pair(row, "database", "user").text,
		};
		char note[2 * VALUE_LEN + 16];

		(void)snprintf(note, sizeof(note), "%s: %s", value_text(row, "conn").text,
			       value_text(row, "evidence").text);
		if (t)
			(void)table_add(t, cells, strcmp(state.text, "confirmed") == 0 ? TONE_BAD :
											 TONE_WARN,
					note);
	}
	finish(c, t);
}

/* What a journal row says, in words. */
static void describe(json_t *row, char *out, size_t out_size)
{
	bool finding = strcmp(value_text(row, "type").text, "finding") == 0;
	bool refused = strcmp(value_text(row, "verdict").text, "act") != 0;

	if (finding)
		(void)snprintf(out, out_size, "%s of %s %s: %s", value_text(row, "kind").text,
			       value_text(row, "pid").text, value_text(row, "comm").text,
			       value_text(row, "evidence").text);
	else if (refused)
		(void)snprintf(out, out_size, "%s of %s %s: %s", value_text(row, "kind").text,
			       value_text(row, "pid").text, value_text(row, "comm").text,
			       value_text(row, "reason").text);
	else
		(void)snprintf(out, out_size, "%s of %s %s: %s, helped: %s",
			       value_text(row, "action").text, value_text(row, "pid").text,
			       value_text(row, "comm").text, value_text(row, "outcome").text,
			       value_text(row, "helped").text);
}

void print_journal(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "TIME (UTC)", ALIGN_LEFT, CUT_NEVER },
		{ "WHAT", ALIGN_LEFT, CUT_NEVER },
		{ "CONN", ALIGN_LEFT, CUT_NEVER },
		{ "", ALIGN_LEFT, CUT_END },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		bool finding = strcmp(value_text(row, "type").text, "finding") == 0;
		char words[4 * VALUE_LEN];
		const char *cells[] = {
			value_time(row, "at").text,
			value_text(row, finding ? "state" : "verdict").text,
			value_text(row, "conn").text,
			words,
		};

		describe(row, words, sizeof(words));
		if (t)
			(void)table_add(t, cells, TONE_PLAIN, NULL);
	}
	finish(c, t);
}
