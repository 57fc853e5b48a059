// SPDX-License-Identifier: GPL-2.0-or-later
/* One thing on a card: a connection, a repair, the daemon's health. */
#include <string.h>

#include "cli/print.h"
#include "cli/value.h"
#include "lib/text.h"

static void line(const char *label, const char *text)
{
	(void)printf("%-12s %s\n", label, text);
}

static void text_line(json_t *o, const char *label, const char *key)
{
	line(label, value_text(o, key).text);
}

/* A long text, wrapped between words below its label. */
static void paragraph(const struct cli *c, const char *label, const char *text)
{
	size_t width = c->style.width > 40 ? c->style.width - 13 : 40;

	(void)printf("%-12s ", label);
	while (strlen(text) > width) {
		size_t n = width;

		while (n > 1 && text[n] != ' ')
			n--;
		if (n <= 1)
			break;
		(void)printf("%.*s\n%13s", (int)n, text, "");
		text += n + 1;
	}
	(void)printf("%s\n", text);
}

static void print_times(json_t *o)
{
	struct cell age = value_duration(o, "age_s"), quiet = value_duration(o, "quiet_s");
	bool at_least = json_is_true(json_object_get(o, "age_is_lower_bound"));

	(void)printf("%-12s %s%s (since %s UTC)\n", "age", at_least ? "at least " : "", age.text,
		     value_time(o, "opened_at").text);
	(void)printf("%-12s %s, quiet for %s, transaction %s\n", "activity",
		     value_text(o, "activity").text, quiet.text, value_duration(o, "txn_s").text);
}

static void print_findings(const struct cli *c, json_t *findings)
{
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f) {
		char text[512];

		(void)snprintf(text, sizeof(text), "%.32s %.32s, %.16s for %.16s, confidence %.16s: %.200s",
			       value_text(f, "id").text, value_text(f, "kind").text,
			       value_text(f, "state").text, value_duration(f, "since_s").text,
			       value_text(f, "confidence").text, value_text(f, "evidence").text);
		paragraph(c, "finding", text);
	}
}

/* Innermost first, the application's own frame marked. */
static void print_stack(const char *label, json_t *stack)
{
	json_t *frame;
	size_t n;

	json_array_foreach(stack, n, frame) {
		bool own = json_is_true(json_object_get(frame, "application"));

		(void)printf("%-12s %s %.60s  %.60s:%s\n", n ? "" : label, own ? "*" : " ",
			     value_text(frame, "function").text,
			     json_is_string(json_object_get(frame, "file"))
				     ? value_text(frame, "file").text
				     : value_text(frame, "module").text,
			     value_text(frame, "line").text);
	}
}

static void print_who(json_t *o)
{
	if (json_is_string(json_object_get(o, "language")))
		text_line(o, "language", "language");
	text_line(o, "thread", "thread");
	if (json_is_string(json_object_get(o, "goroutine")))
		text_line(o, "goroutine", "goroutine");
	/* Where nothing better is known the stack is connect()'s, which has its own place. */
	if (strcmp(value_text(o, "stack_at").text, "connect") != 0)
		print_stack("stack", json_object_get(o, "stack"));
	print_stack("connected by", json_object_get(o, "connect_stack"));
}

static void print_repairs(const struct cli *c, json_t *repairs)
{
	json_t *r;
	size_t i;

	json_array_foreach(repairs, i, r) {
		bool acted = strcmp(value_text(r, "verdict").text, "act") == 0;
		char text[512];

		if (strcmp(value_text(r, "type").text, "repair") != 0)
			continue;
		(void)snprintf(text, sizeof(text), "%.32s %.32s: %.200s", value_time(r, "at").text,
			       value_text(r, acted ? "action" : "verdict").text,
			       value_text(r, acted ? "outcome" : "reason").text);
		paragraph(c, "repair", text);
	}
}

static void print_pool(json_t *p)
{
	if (json_is_object(p))
		(void)printf("%-12s %s open, %s in use, %s idle, %s in a transaction; line at %s, "
			     "gear %s\n",
			     "pool", value_text(p, "open").text, value_text(p, "in_use").text,
			     value_text(p, "idle").text, value_text(p, "in_txn").text,
			     value_text(p, "line").text, value_text(p, "gear").text);
}

static void print_handles(json_t *h)
{
	if (json_is_object(h))
		(void)printf("%-12s %s connections and %s results of its library's not given back\n",
			     "process has", value_text(h, "connections").text,
			     value_text(h, "results").text);
}

static void print_marks(json_t *o)
{
	if (json_is_true(json_object_get(o, "tls")))
		line("encrypted", "yes: what is said on it cannot be read");
	if (json_is_true(json_object_get(o, "compressed")))
		line("compressed", "yes: what is said on it cannot be read");
	if (json_is_true(json_object_get(o, "paused")))
		line("paused", "yes: its owner is stopped, frozen or being debugged");
	if (json_is_true(json_object_get(o, "uncertain")))
		line("uncertain", "yes: facts were lost, it will not be repaired");
}

void print_show(const struct cli *c, json_t *rows)
{
	json_t *o = json_array_get(rows, 0);

	(void)printf("connection   %s\n", value_text(o, "id").text);
	(void)printf("%-12s %s (pid %s, uid %s), held by %s\n", "owner", value_text(o, "comm").text,
		     value_text(o, "pid").text, value_text(o, "uid").text,
		     value_text(o, "holders").text);
	text_line(o, "cgroup", "cgroup");
	text_line(o, "container", "container_id");
	text_line(o, "unit", "unit");
	(void)printf("%-12s %s -> %s\n", "addresses", value_text(o, "local").text,
		     value_text(o, "remote").text);
	if (json_is_string(json_object_get(o, "netns")))
		text_line(o, "namespace", "netns");
	(void)printf("%-12s %s (by: %s), user %s, database %s, backend %s\n", "speaks",
		     value_text(o, "protocol").text, value_text(o, "protocol_evidence").text,
		     value_text(o, "user").text, value_text(o, "database").text,
		     value_text(o, "backend_pid").text);
	text_line(o, "stage", "stage");
	print_times(o);
	text_line(o, "queries", "queries");
	(void)printf("%-12s %s, variance %s ms2, jitter %s\n", "round trip",
		     value_us(o, "rtt_us").text, value_text(o, "rtt_var_ms2").text,
		     value_text(o, "jitter_rate").text);
	if (json_is_string(json_object_get(o, "opening_sql")))
		paragraph(c, "opened by", json_string_value(json_object_get(o, "opening_sql")));
	if (json_is_string(json_object_get(o, "sql")))
		paragraph(c, "statement", json_string_value(json_object_get(o, "sql")));
	else if (json_is_string(json_object_get(o, "sql_note")))
		text_line(o, "statement", "sql_note");
	if (json_is_string(json_object_get(o, "trace_id")))
		text_line(o, "trace", "trace_id");
	print_marks(o);
	print_handles(json_object_get(o, "handles"));
	print_pool(json_object_get(o, "pool"));
	print_findings(c, json_object_get(o, "findings"));
	print_who(o);
	print_repairs(c, json_object_get(o, "repairs"));
}

static void print_steps(json_t *steps)
{
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) {
		bool ok = json_is_true(json_object_get(step, "ok"));
		bool noted = json_is_string(json_object_get(step, "note"));

		(void)printf("%-12s %-10s %s%s%s\n", i ? "" : "steps", value_text(step, "name").text,
			     ok ? "ok" : "failed", noted ? ", " : "",
			     noted ? value_text(step, "note").text : "");
	}
}

void print_fix(const struct cli *c, json_t *rows)
{
	json_t *r = json_array_get(rows, 0), *effects = json_object_get(r, "effects");
	bool dry = json_is_true(json_object_get(r, "dry"));
	bool refused = strcmp(value_text(r, "verdict").text, "act") != 0;

	(void)printf("%-12s %s of %s %s\n", "connection", value_text(r, "conn").text,
		     value_text(r, "comm").text, value_text(r, "pid").text);
	if (refused)
		(void)printf("%-12s %s\n", "refused", value_text(r, "reason").text);
	(void)printf("%-12s %s: %s\n", dry || refused ? "would" : "action",
		     value_text(r, "action").text, value_text(effects, "summary").text);
	paragraph(c, "the client", value_text(effects, "to_client").text);
	paragraph(c, "the server", value_text(effects, "to_server").text);
	paragraph(c, "undo", value_text(effects, "undo").text);
	print_steps(json_object_get(r, "steps"));
	if (!dry && !refused)
		(void)printf("%-12s %s, helped: %s\n", "outcome", value_text(r, "outcome").text,
			     value_bool(r, "helped").text);
	if (dry && !refused)
		(void)printf("\nNothing was done. To do it: plimsoll fix %s --with %s --yes\n",
			     value_text(r, "conn").text, value_text(r, "action").text);
}

static void print_regrets(json_t *o)
{
	json_t *row;
	size_t i;

	(void)printf("%-12s %s", "regrets", value_text(o, "regrets").text);
	json_array_foreach(json_object_get(o, "detectors"), i, row) {
		if (json_integer_value(json_object_get(row, "regrets")))
			(void)printf(", %s of %s %s", value_text(row, "regrets").text,
				     value_text(row, "confirmed").text, value_text(row, "kind").text);
	}
	(void)puts("");
}

void print_status(const struct cli *c, json_t *rows)
{
	json_t *o = json_array_get(rows, 0), *f = json_object_get(o, "findings"), *value;
	bool stopped = json_is_true(json_object_get(o, "stopped"));
	const char *name;

	(void)c;
	(void)printf("%-12s %s on Linux %s, up %s\n", "plimsolld", value_text(o, "version").text,
		     value_text(o, "kernel").text, value_duration(o, "uptime_s").text);
	(void)printf("%-12s %s%s\n", "mode", value_text(o, "mode").text,
		     stopped ? ", repairs stopped" : "");
	(void)printf("%-12s %s in %s pools\n", "connections", value_text(o, "connections").text,
		     value_text(o, "pools").text);
	(void)printf("%-12s %s confirmed, %s suspect; so far %s retracted, %s mended\n", "findings",
		     value_text(f, "confirmed").text, value_text(f, "suspect").text,
		     value_text(f, "retracted").text, value_text(f, "mended").text);
	print_regrets(o);
	text_line(o, "repairs", "repairs");
	line("journal", json_is_true(json_object_get(o, "journal")) ? "written" :
								     "none, hence no repairs");
	json_object_foreach(json_object_get(o, "counters"), name, value) {
		if (json_integer_value(value))
			(void)printf("%-12s %s: %lld\n", "lost", name,
				     (long long)json_integer_value(value));
	}
}

static void print_facts(json_t *facts)
{
	json_t *fact;
	size_t i;

	json_array_foreach(facts, i, fact) {
		bool works = json_is_true(json_object_get(fact, "works"));

		(void)printf("%-4s %-36s %s\n", works ? "ok" : "no", value_text(fact, "fact").text,
			     value_text(fact, "way").text);
		if (!works)
			(void)printf("     %s\n", value_text(fact, "why_not").text);
	}
}

static void print_libraries(json_t *l)
{
	if (!json_is_object(l))
		return;
	(void)printf("\nclient libraries (of what is encrypted)\n");
	(void)printf("%8s watched\n", value_text(l, "watched").text);
	(void)printf("%8s files looked into\n", value_text(l, "read").text);
	(void)printf("%8s that could not be read\n", value_text(l, "not_read").text);
	(void)printf("%8s that the kernel takes no probes on\n", value_text(l, "refused").text);
	(void)printf("%8s left out, for there were too many\n", value_text(l, "left_out").text);
}

void print_doctor(const struct cli *c, json_t *rows)
{
	json_t *o = json_array_get(rows, 0), *blind = json_object_get(o, "blind"), *counter;
	size_t i;

	(void)c;
	(void)printf("Linux %s\n\nhow each fact is obtained\n", value_text(o, "kernel").text);
	print_facts(json_object_get(o, "facts"));
	(void)printf("\nwhere it is blind\n");
	(void)printf("%8s connections encrypted\n", value_text(blind, "encrypted").text);
	(void)printf("%8s connections compressed\n", value_text(blind, "compressed").text);
	(void)printf("%8s connections whose activity is not known (yet)\n",
		     value_text(blind, "activity_unknown").text);
	(void)printf("%8s connections about which facts were lost\n",
		     value_text(blind, "uncertain").text);
	(void)printf("%8s TCP connections not recognised as a database's\n",
		     value_text(blind, "not_recognised").text);
	print_libraries(json_object_get(o, "libraries"));
	(void)printf("\nwhat was lost\n");
	json_array_foreach(json_object_get(o, "counters"), i, counter)
		(void)printf("%8s %s\n", value_text(counter, "value").text,
			     value_text(counter, "help").text);
}

void print_stopped(const struct cli *c, json_t *rows)
{
	(void)c;
	(void)puts(json_is_true(json_object_get(json_array_get(rows, 0), "stopped")) ?
			   "repairs are stopped" :
			   "repairs may begin again");
}
