// SPDX-License-Identifier: GPL-2.0-or-later
/* Status and Doctor: how the observer itself is, what it lost and where it is blind. */
#include <sys/utsname.h>

#include "ask/question.h"
#include "events.h"
#include "lib/clock.h"
#include "libraries.h"

struct census {
	json_int_t listed, tls, compressed, unrecognised, unknown, uncertain;
};

static struct census count_conns(const struct inquiry *q)
{
	struct census n = {};

	conns_for_each(&q->e->conns, c) {
		if (!ask_may_see(q, c->uid))
			continue;
		n.listed += conn_is_listed(c);
		n.tls += c->tls || c->gss;
		n.compressed += c->compressed;
		n.unrecognised += !c->protocol;
		n.unknown += conn_is_listed(c) && c->activity == ACTIVITY_UNKNOWN;
		n.uncertain += c->uncertain;
	}
	return n;
}

static json_t *count_pools(const struct inquiry *q)
{
	json_int_t n = 0;

	for (uint32_t i = 0; i < q->e->levels.count; i++)
		n += q->e->levels.pools[i].protocol && ask_may_see(q, q->e->levels.pools[i].uid);
	return json_integer(n);
}

static json_t *count_findings(const struct inquiry *q)
{
	json_int_t n[FINDING_STATE_MAX] = {};
	const struct detect *d = &q->e->detect;

	findings_for_each(d, f) {
		if (ask_may_see(q, f->conn.uid))
			n[f->state]++;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "suspect", n[FINDING_SUSPECT], "confirmed",
			 n[FINDING_CONFIRMED], "retracted", (json_int_t)d->retracted, "mended",
			 (json_int_t)d->mended, "lost", (json_int_t)d->lost);
}

/* Of each detector: what it was sure of, and how often it was wrong. */
static json_t *scores(const struct detect *d)
{
	json_t *array = json_array();

	for (size_t i = 0; i < d->score_count; i++)
		(void)json_array_append_new(
			array, json_pack("{s:s, s:I, s:I}", "kind", d->scores[i].detector->name,
					 "confirmed", (json_int_t)d->scores[i].confirmed, "regrets",
					 (json_int_t)d->scores[i].regretted));
	return array;
}

static json_t *counters(const struct engine *e)
{
	json_t *o = json_object();

	if (!e->events)
		return o;
	for (int i = 0; i < COUNT_MAX; i++)
		(void)json_object_set_new(o, events_counter_name(i),
					  json_integer((json_int_t)events_counter(e->events, i)));
	return o;
}

static enum exit_code answer_status(const struct inquiry *q, json_t **ret)
{
	static const char *const names[] = { NULL };
	const struct engine *e = q->e;
	struct census n = count_conns(q);
	struct utsname kernel;
	json_t *row;

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	(void)uname(&kernel);
	row = json_pack("{s:b, s:s, s:s, s:s, s:b, s:f, s:I, s:o, s:o, s:I, s:o, s:I, s:b, s:o}",
			"running", e->has_daemon, "version", PLIMSOLL_VERSION, "kernel",
			kernel.release, "mode", mode_name(e->config.policy.mode), "stopped",
			engine_is_stopped(e), "uptime_s",
			ns_to_s(elapsed_ns(e->started_ns, q->now_ns)), "connections", n.listed,
			"pools", count_pools(q), "findings", count_findings(q), "regrets",
			(json_int_t)e->detect.regretted, "detectors", scores(&e->detect),
			"repairs", (json_int_t)e->repairs, "journal", e->journal != NULL,
			"counters", counters(e));
	return ask_done("status", json_pack("[o]", row), ret);
}

static json_t *facts(const struct engine *e)
{
	const struct event_fact *fact;
	size_t n = e->events ? events_facts(e->events, &fact) : 0;
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(
			array, json_pack("{s:s, s:s?, s:b, s:s?}", "fact", fact[i].fact, "way",
					 fact[i].way, "works", fact[i].works, "why_not",
					 fact[i].works ? NULL : fact[i].why_not));
	return array;
}

static json_t *losses(const struct engine *e)
{
	json_t *array = json_array();

	for (int i = 0; e->events && i < COUNT_MAX; i++)
		(void)json_array_append_new(
			array, json_pack("{s:s, s:s, s:I}", "name", events_counter_name(i), "help",
					 events_counter_help(i), "value",
					 (json_int_t)events_counter(e->events, i)));
	return array;
}

static json_t *watched(const struct engine *e)
{
	struct libraries_state s;

	if (!e->libraries)
		return json_null();
	s = libraries_state(e->libraries);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "watched", (json_int_t)s.watched, "read",
			 (json_int_t)s.read, "not_read", (json_int_t)s.not_read, "refused",
			 (json_int_t)s.refused, "left_out", (json_int_t)s.left_out);
}

static enum exit_code answer_doctor(const struct inquiry *q, json_t **ret)
{
	static const char *const names[] = { NULL };
	struct census n = count_conns(q);
	struct utsname kernel;
	json_t *blind;

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	(void)uname(&kernel);
	blind = json_pack("{s:I, s:I, s:I, s:I, s:I}", "encrypted", n.tls, "compressed",
			  n.compressed, "activity_unknown", n.unknown, "not_recognised",
			  n.unrecognised, "uncertain", n.uncertain);
	return ask_done("doctor",
			json_pack("[{s:s, s:o, s:o, s:o, s:o}]", "kernel", kernel.release, "facts",
				  facts(q->e), "counters", losses(q->e), "blind", blind,
				  "libraries", watched(q->e)),
			ret);
}

static const struct question status = { "Status", MAY_READ, answer_status };
REGISTER(question, status);
static const struct question doctor = { "Doctor", MAY_READ, answer_doctor };
REGISTER(question, doctor);
