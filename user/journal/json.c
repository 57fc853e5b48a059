// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Findings and repairs as documents.
 *
 * Text of other people's processes is escaped on its way in here, so that every
 * string is UTF-8; what is not known is null.
 */
#include <stdio.h>
#include <string.h>

#include "journal.h"
#include "lib/clock.h"
#include "lib/text.h"

/* Every byte may become \xNN. */
#define ESCAPED_MAX (4 * NAME_LEN + 1)

static json_t *text(const char *s)
{
	char safe[ESCAPED_MAX];

	if (!*s)
		return json_null();
	text_escape(s, safe, sizeof(safe));
	return json_string(safe);
}

/* Text of our own making, safe already; "" is not known. */
static json_t *shown(const char *s)
{
	return *s ? json_string(s) : json_null();
}

static json_t *number(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *seconds_since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns ? json_real(ns_to_s(elapsed_ns(then_ns, now_ns))) : json_null();
}

static json_t *endpoint(const struct addr *a)
{
	char out[ADDR_TEXT_LEN];

	return json_string(addr_format(a, out));
}

json_t *time_to_json(uint64_t wall_ns)
{
	char out[CLOCK_TEXT_LEN];

	return wall_ns ? json_string(clock_format(wall_ns, out)) : json_null();
}

static json_t *mono_time(uint64_t mono_ns)
{
	return time_to_json(mono_ns ? clock_wall_ns(mono_ns) : 0);
}

static json_t *id_text(uint64_t n)
{
	char out[24];

	(void)snprintf(out, sizeof(out), "%llu", (unsigned long long)n);
	return n ? json_string(out) : json_null();
}

json_t *thread_to_json(const struct culprit *who, const struct conn *c)
{
	char out[48];

	if (!who)
		return id_text(c->tid);
	(void)snprintf(out, sizeof(out), "%u (%.15s)", who->tid, who->thread);
	return text(out);
}

json_t *goroutine_to_json(const struct culprit *who)
{
	return id_text(who ? who->goroutine : 0);
}

static json_t *frame(const struct frame *f)
{
	return json_pack("{so so so so so so sb}",
			 "function", shown(f->function),
			 "file", shown(f->file),
			 "line", number(f->line),
			 "module", shown(f->module),
			 "build_id", shown(f->build_id),
			 "offset", number(f->offset),
			 "application", f->application);
}

json_t *stack_to_json(const struct culprit *who)
{
	json_t *list = who ? json_array() : json_null();

	for (size_t i = 0; who && i < who->count; i++)
		(void)json_array_append_new(list, frame(&who->frames[i]));
	return list;
}

json_t *moment_to_json(const struct culprit *who)
{
	return who ? json_string(who->at_connect ? "connect" : "statement") : json_null();
}

json_t *finding_to_json(const struct finding *f, uint64_t now_ns)
{
	const struct conn *c = &f->conn;
	uint64_t until_ns = f->ended_ns ? f->ended_ns : now_ns;

	return json_pack("{so so so so so so so so so so so so so "
			 "so so so so so so so so so so so so so so}",
			 "id", json_string(f->id),
			 "kind", json_string(f->detector->name),
			 "conn", shown(c->id),
			 "pid", number(c->pid),
			 "comm", text(c->comm),
			 "state", json_string(finding_state_name(f->state)),
			 "since", mono_time(f->symptom.since_ns),
			 "since_s", seconds_since(f->symptom.since_ns, until_ns),
			 "grace_s", json_real(ns_to_s(f->grace_ns)),
			 "confidence", json_real(f->symptom.confidence),
			 "evidence", text(f->symptom.why),
			 "endpoint", endpoint(&c->remote),
			 "protocol", c->protocol ? json_string(c->protocol->name) : json_null(),
			 "database", text(c->database),
			 "user", text(c->user),
			 "backend_pid", number(c->backend_pid),
			 "activity", finding_is_of_pool(f) ? json_null() :
						     json_string(activity_name(c->activity)),
			 "txn_s", seconds_since(c->txn_ns, until_ns),
			 "quiet_s", c->last_ns ? json_real(ns_to_s(conn_quiet_ns(c, until_ns))) :
						 json_null(),
			 "sql", shown(f->shape.sql),
			 "sql_note", shown(f->shape.note ?: ""),
			 "trace_id", shown(f->shape.trace_id),
			 "language", shown(f->language),
			 "goroutine", goroutine_to_json(f->culprit),
			 "thread", thread_to_json(f->culprit, c),
			 "stack", stack_to_json(f->culprit),
			 "stack_at", moment_to_json(f->culprit));
}

json_t *step_to_json(const char *name, int err, uint64_t wall_ns, const char *note)
{
	char safe[ESCAPED_MAX * 2];

	text_escape(*note || !err ? note : strerror(-err), safe, sizeof(safe));
	return json_pack("{ss so sb so}", "name", name, "at", time_to_json(wall_ns), "ok", err == 0,
			 "note", *safe ? json_string(safe) : json_null());
}

static json_t *steps(const struct repair *r)
{
	json_t *list = json_array();

	/* That anything came of it means that it was first written down. */
	if (r->outcome != OUTCOME_NONE)
		json_array_append_new(list, step_to_json("intent", 0, clock_wall_ns(r->at_ns), ""));
	for (size_t i = 0; i < r->step_count; i++) {
		const struct step *s = &r->steps[i];

		json_array_append_new(list, step_to_json(s->name, s->err, clock_wall_ns(s->at_ns),
							 s->note));
	}
	return list;
}

static json_t *helped(const struct repair *r)
{
	return r->helped < 0 || r->outcome == OUTCOME_NONE ? json_null() : json_boolean(r->helped);
}

json_t *repair_to_json(const struct repair *r)
{
	const struct finding *f = &r->finding;
	bool tried = r->outcome != OUTCOME_NONE;

	return json_pack("{so so so so so so so so so so so so so so so}",
			 "id", text(r->id),
			 "finding", text(f->id),
			 "conn", text(f->conn.id),
			 "pid", number(f->conn.pid),
			 "comm", text(f->conn.comm),
			 "kind", f->detector ? json_string(f->detector->name) : json_null(),
			 "action", text(r->verdict.action),
			 "mode", json_string(mode_name(r->mode)),
			 "verdict", json_string(verdict_name(r->verdict.kind)),
			 "reason", json_string(reason_word(r->verdict.reason)),
			 "steps", steps(r),
			 "outcome", tried ? json_string(outcome_name(r->outcome)) : json_null(),
			 "helped", helped(r),
			 "held_ms", r->held_ns ? json_real((double)r->held_ns / 1e6) : json_null(),
			 "at", mono_time(r->at_ns));
}

json_t *precondition_to_json(const struct precondition *p)
{
	char status[2] = { p->status >= 'A' && p->status <= 'Z' ? (char)p->status : '\0', '\0' };

	return json_pack("{sI sI sI si sI sI si so sI sI sI sI}",
			 "cookie", (json_int_t)p->cookie,
			 "pid", (json_int_t)p->pid,
			 "start_ticks", (json_int_t)p->start_ticks,
			 "fd", p->fd,
			 "slot", (json_int_t)p->slot,
			 "gen", (json_int_t)p->gen,
			 "tcp_state", (int)p->tcp_state,
			 "status", text(status),
			 "rx_bytes", (json_int_t)p->rx_bytes,
			 "tx_bytes", (json_int_t)p->tx_bytes,
			 "holders", (json_int_t)p->holders,
			 "conf_version", (json_int_t)p->conf_version);
}
