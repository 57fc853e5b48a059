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
		{ "ID", ALIGN_LEFT, CUT_NEVER },	     { "PID", ALIGN_RIGHT, CUT_NEVER },
		{ "COMM", ALIGN_LEFT, CUT_END },	     { "SERVER", ALIGN_LEFT, CUT_MIDDLE },
		{ "DATABASE", ALIGN_LEFT, CUT_END },   { "USER", ALIGN_LEFT, CUT_END },
		{ "ACTIVITY", ALIGN_LEFT, CUT_NEVER }, { "QUIET", ALIGN_RIGHT, CUT_NEVER },
		{ "TXN", ALIGN_RIGHT, CUT_NEVER },     { "QUERIES", ALIGN_RIGHT, CUT_NEVER },
		{ "RTT", ALIGN_RIGHT, CUT_NEVER },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const struct cell cells[] = {
			value_text(row, "id"),	      value_text(row, "pid"),
			value_text(row, "comm"),      value_text(row, "remote"),
			value_text(row, "database"),  value_text(row, "user"),
			value_text(row, "activity"),  value_duration(row, "quiet_s"),
			value_duration(row, "txn_s"), value_text(row, "queries"),
			value_us(row, "rtt_us"),
		};

		if (t)
			(void)table_add(t, cells,
					tone_of(json_array_size(json_object_get(row, "findings"))),
					NULL);
	}
	finish(c, t);
}

/* How many findings there are: a number, or "-" for none. */
static struct cell leak_count(json_t *row)
{
	size_t n = json_array_size(json_object_get(row, "findings"));
	struct cell out = {"-"};

	if (n)
		(void)snprintf(out.text, sizeof(out.text), "%zu", n);
	return out;
}

void print_pools(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "PID", ALIGN_RIGHT, CUT_NEVER },    { "COMM", ALIGN_LEFT, CUT_END },
		{ "SERVER", ALIGN_LEFT, CUT_MIDDLE }, { "DATABASE", ALIGN_LEFT, CUT_END },
		{ "USER", ALIGN_LEFT, CUT_END },	    { "OPEN", ALIGN_RIGHT, CUT_NEVER },
		{ "USE", ALIGN_RIGHT, CUT_NEVER },    { "IDLE", ALIGN_RIGHT, CUT_NEVER },
		{ "TXN", ALIGN_RIGHT, CUT_NEVER },    { "LINE", ALIGN_RIGHT, CUT_NEVER },
		{ "GEAR", ALIGN_RIGHT, CUT_NEVER },   { "LEAKS", ALIGN_RIGHT, CUT_NEVER },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const struct cell cells[] = {
			value_text(row, "pid"),
			value_text(row, "comm"),
			value_text(row, "endpoint"),
			value_text(row, "database"),
			value_text(row, "user"),
			value_text(row, "open"),
			value_text(row, "in_use"),
			value_text(row, "idle"),
			value_text(row, "in_txn"),
			value_text(row, "line"),
			value_text(row, "gear"),
			leak_count(row),
		};

		if (t)
			(void)table_add(t, cells,
					tone_of(json_array_size(json_object_get(row, "findings"))),
					NULL);
	}
	finish(c, t);
}

/* "forget (app.c:12)", "app.py": a frame as far as it is known. */
static void name_frame(json_t *frame, char *out, size_t size)
{
	const char *function = json_string_value(json_object_get(frame, "function"));
	const char *file = json_string_value(json_object_get(frame, "file"));
	long line = (long)json_integer_value(json_object_get(frame, "line"));
	const char *slash = file ? strrchr(file, '/') : NULL;
	char place[96] = "";

	if (file)
		(void)snprintf(place, sizeof(place), "%.64s", slash ? slash + 1 : file);
	if (file && line)
		(void)snprintf(place + strlen(place), sizeof(place) - strlen(place), ":%ld", line);
	if (function && *place)
		(void)snprintf(out, size, "%.96s (%s)", function, place);
	else
		(void)snprintf(out, size, "%.96s", function ? function
						   : *place ? place
							    : value_text(frame, "module").text);
}

/* " by forget (app.c:12), goroutine 7": the code that leaked. */
static void name_culprit(json_t *row, char *out, size_t size)
{
	const char *goroutine = json_string_value(json_object_get(row, "goroutine"));
	char place[224];
	json_t *frame;
	size_t i;

	out[0] = '\0';
	json_array_foreach(json_object_get(row, "stack"), i, frame) {
		if (!json_is_true(json_object_get(frame, "application")))
			continue;
		name_frame(frame, place, sizeof(place));
		(void)snprintf(out, size, " by %s%s%.20s", place, goroutine ? ", goroutine " : "",
			       goroutine ? goroutine : "");
		return;
	}
}

void print_leaks(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "ID", ALIGN_LEFT, CUT_NEVER },	    { "KIND", ALIGN_LEFT, CUT_NEVER },
		{ "STATE", ALIGN_LEFT, CUT_NEVER },   { "SINCE", ALIGN_RIGHT, CUT_NEVER },
		{ "PID", ALIGN_RIGHT, CUT_NEVER },    { "COMM", ALIGN_LEFT, CUT_END },
		{ "SERVER", ALIGN_LEFT, CUT_MIDDLE }, { "DATABASE/USER", ALIGN_LEFT, CUT_END },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		struct cell state = value_text(row, "state");
		const struct cell cells[] = {
			value_text(row, "id"),
			value_text(row, "kind"),
			state,
			value_duration(row, "since_s"),
			value_text(row, "pid"),
			value_text(row, "comm"),
			value_text(row, "endpoint"),
			value_pair(row, "database", "user"),
		};
		const char *sql = json_string_value(json_object_get(row, "sql"));
		bool of_pool = json_is_null(json_object_get(row, "conn"));
		char note[512], culprit[256];

		/* What holds it says more than how it is known; `show` has both. */
		name_culprit(row, culprit, sizeof(culprit));
		(void)snprintf(note, sizeof(note), "%.40s%.220s: %.200s",
			       of_pool ? "the whole pool" : value_text(row, "conn").text, culprit,
			       sql ? sql : value_text(row, "evidence").text);
		if (t)
			(void)table_add(t, cells,
					strcmp(state.text, "confirmed") == 0 ? TONE_BAD : TONE_WARN,
					note);
	}
	finish(c, t);
}

/* What a journal row says, in words. */
static struct cell describe(json_t *row)
{
	bool finding = strcmp(value_text(row, "type").text, "finding") == 0;
	bool acted = strcmp(value_text(row, "verdict").text, "act") == 0;
	struct cell out;
	int n;

	n = snprintf(out.text, sizeof(out.text),
		     "%.32s of %.12s %.16s: ", value_text(row, acted ? "action" : "kind").text,
		     value_text(row, "pid").text, value_text(row, "comm").text);
	if (acted)
		(void)snprintf(out.text + n, sizeof(out.text) - (size_t)n, "%.32s, helped: %.8s",
			       value_text(row, "outcome").text, value_bool(row, "helped").text);
	else
		(void)snprintf(out.text + n, sizeof(out.text) - (size_t)n, "%.128s",
			       value_text(row, finding ? "evidence" : "reason").text);
	return out;
}

void print_journal(const struct cli *c, json_t *rows)
{
	static const struct column columns[] = {
		{ "TIME (UTC)", ALIGN_LEFT, CUT_NEVER },
		{ "WHAT", ALIGN_LEFT, CUT_NEVER },
		{ "CONN", ALIGN_LEFT, CUT_NEVER },
		{ "DETAIL", ALIGN_LEFT, CUT_END },
	};
	struct table *t = begin(columns, ARRAY_SIZE(columns));
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		bool finding = strcmp(value_text(row, "type").text, "finding") == 0;
		const struct cell cells[] = {
			value_time(row, "at"),
			value_text(row, finding ? "state" : "verdict"),
			value_text(row, "conn"),
			describe(row),
		};

		if (t)
			(void)table_add(t, cells, TONE_PLAIN, NULL);
	}
	finish(c, t);
}
