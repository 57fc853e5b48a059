// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One process at a time: its executable mappings are pinned, the files not seen before
 * are asked of the reader, and those with functions of ours are watched.  By file, so
 * every process that maps one later is covered from its first call.  A file through which
 * nobody has been blind for a while is let go: each call there costs its process a
 * microsecond or two.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/exports.h"
#include "lib/mapping.h"

#define FILES_MAX	 1024	/* versions of files remembered */
#define PROCESSES_MAX	 512
#define SURVEY_MAX	 256	/* mappings of one process that are looked at */
#define FILE_MAX_BYTES	 (1ULL << 30)
#define SURVEY_EVERY_NS	 (30 * NS_PER_S)	/* what a process has mapped may change */
#define UNWANTED_NS	 (120 * NS_PER_S)

static const struct {
	const char *name;
	enum library_call call;
} functions[] = {
	{ "PQexec", CALL_SAY },
	{ "PQexecParams", CALL_SAY },
	{ "PQsendQuery", CALL_SAY },
	{ "PQsendQueryParams", CALL_SAY },
	{ "PQprepare", CALL_PREPARE },
	{ "PQsendPrepare", CALL_PREPARE },
	{ "PQexecPrepared", CALL_EXECUTE },
	{ "PQsendQueryPrepared", CALL_EXECUTE },
	{ "PQconnectPoll", CALL_OPEN },
	{ "PQfinish", CALL_CLOSE },
	{ "PQmakeEmptyPGresult", CALL_RESULT },
	{ "PQclear", CALL_CLEAR },
	{ "mysql_real_query", CALL_SAY_SIZED },
	{ "mysql_send_query", CALL_SAY_SIZED },
	{ "mysql_query", CALL_SAY },
	{ "mysql_stmt_prepare", CALL_PREPARE_SIZED },
	{ "mysql_stmt_execute", CALL_EXECUTE_LAST },
	{ "mysql_real_connect", CALL_OPEN },
	{ "mysql_close", CALL_CLOSE },
	{ "mysql_store_result", CALL_RESULT_RETURN },
	{ "mysql_use_result", CALL_RESULT_RETURN },
	{ "mysql_stmt_result_metadata", CALL_RESULT_RETURN },
	{ "mysql_free_result", CALL_CLEAR },
};

#define FUNCTIONS ARRAY_SIZE(functions)
_Static_assert(FUNCTIONS <= EXPORTS_NAMES_MAX, "the reader takes them all");

struct file {
	struct file_key key;
	uint64_t offsets[FUNCTIONS];
	bool has_any, refused;
	struct watch *watch;	/* NULL: not watched */
	bool there;		/* its probes */
	uint64_t wanted_ns;	/* somebody was last seen to need it */
};

struct process {
	uint32_t pid, start_ticks;
	uint64_t surveyed_ns;	/* 0: not yet */
	uint64_t wanted_ns;
};

struct libraries {
	struct events *events;
	bool all;
	struct file files[FILES_MAX];
	struct process processes[PROCESSES_MAX];
	uint32_t process_count, file_count;
	/* the survey under way */
	uint32_t pid;
	int pins[SURVEY_MAX];
	struct file_key keys[SURVEY_MAX];
	size_t pin_count;
	struct exports *reader;		/* NULL: it has nothing to read */
	struct exports_file asked[EXPORTS_FILES_MAX];
	size_t asked_pin[EXPORTS_FILES_MAX];
	size_t asked_count;
	struct libraries_state state;
};

int libraries_new(struct events *e, bool all, struct libraries **ret)
{
	struct libraries *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->events = e;
	l->all = all;
	*ret = l;
	return 0;
}

static void end_survey(struct libraries *l)
{
	for (size_t i = 0; i < l->pin_count; i++)
		cleanup_close(&l->pins[i]);
	l->pin_count = 0;
	l->pid = 0;
}

void libraries_free(struct libraries *l)
{
	if (!l)
		return;
	if (l->reader)
		(void)exports_end(l->reader);
	end_survey(l);
	for (uint32_t i = 0; i < l->file_count; i++)
		events_unwatch(l->files[i].watch);
	free(l);
}

/* ---- files */

static struct file *file_of(struct libraries *l, const struct file_key *key)
{
	for (uint32_t i = 0; i < l->file_count; i++)
		if (!memcmp(&l->files[i].key, key, sizeof(*key)))
			return &l->files[i];
	return NULL;
}

static struct file *add_file(struct libraries *l, const struct file_key *key)
{
	struct file *f;

	if (l->file_count == FILES_MAX) {
		l->state.left_out++;
		return NULL;
	}
	f = &l->files[l->file_count++];
	*f = (struct file){ .key = *key };
	return f;
}

static void refuse(struct libraries *l, struct file *f)
{
	events_unwatch(f->watch);
	f->watch = NULL;
	f->refused = true;
	l->state.refused++;
}

static void watch(struct libraries *l, struct file *f, int pin, uint64_t now_ns)
{
	struct probe_place places[FUNCTIONS];
	uint32_t n = 0;

	f->wanted_ns = now_ns;
	if (!f->has_any || f->refused || f->watch)
		return;
	for (size_t i = 0; i < FUNCTIONS; i++) {
		enum library_call call = functions[i].call;

		if (f->offsets[i])
			places[n++] = (struct probe_place){
				.offset = f->offsets[i],
				.cookie = call,
				.kind = call == CALL_RESULT_RETURN ? PROBE_RETURN : PROBE_ENTRY,
			};
	}
	if (events_watch(l->events, pin, places, n, &f->watch))
		refuse(l, f);
}

/* The kernel answers some time after it was asked. */
static void take_results(struct libraries *l)
{
	for (uint32_t i = 0; i < l->file_count; i++) {
		struct file *f = &l->files[i];
		int r = f->watch ? events_watch_result(f->watch) : -EINPROGRESS;

		if (r == -EINPROGRESS)
			continue;
		if (r)
			refuse(l, f);
		else
			l->state.watched += !f->there;
		f->there = !r;
	}
}

static void let_go(struct libraries *l, uint64_t now_ns)
{
	for (uint32_t i = 0; i < l->file_count; i++) {
		struct file *f = &l->files[i];

		if (!f->watch || elapsed_ns(f->wanted_ns, now_ns) < UNWANTED_NS)
			continue;
		events_unwatch(f->watch);
		f->watch = NULL;
		l->state.watched -= f->there;
		f->there = false;
	}
}

/* ---- processes */

static struct process *process_of(struct libraries *l, const struct conn *c)
{
	struct process *p;

	for (uint32_t i = 0; i < l->process_count; i++) {
		p = &l->processes[i];
		if (p->pid == c->pid && p->start_ticks == c->start_ticks)
			return p;
	}
	if (l->process_count == PROCESSES_MAX)
		return NULL;
	p = &l->processes[l->process_count++];
	*p = (struct process){ .pid = c->pid, .start_ticks = c->start_ticks };
	return p;
}

static bool is_wanted(const struct libraries *l, const struct conn *c)
{
	return c->pid && c->stage != STAGE_TERMINATED && (c->tls || (l->all && conn_is_listed(c)));
}

/* The next one to be looked at, or NULL. */
static struct process *choose(struct libraries *l, const struct conns *t, uint64_t now_ns)
{
	struct process *next = NULL;

	conns_for_each(t, c) {
		struct process *p = is_wanted(l, c) ? process_of(l, c) : NULL;

		if (!p)
			continue;
		p->wanted_ns = now_ns;
		if (!next && (!p->surveyed_ns ||
			      elapsed_ns(p->surveyed_ns, now_ns) >= SURVEY_EVERY_NS))
			next = p;
	}
	return next;
}

static void forget_processes(struct libraries *l, uint64_t now_ns)
{
	for (uint32_t i = 0; i < l->process_count;) {
		struct process *p = &l->processes[i];

		if (elapsed_ns(p->wanted_ns, now_ns) < UNWANTED_NS) {
			i++;
			continue;
		}
		events_forget_handles(l->events, p->pid);
		*p = l->processes[--l->process_count];
	}
}

/* ---- a survey */

static bool is_held(const struct libraries *l, const struct file_key *key)
{
	for (size_t i = 0; i < l->pin_count; i++)
		if (!memcmp(&l->keys[i], key, sizeof(*key)))
			return true;
	return false;
}

static bool on_mapping(const struct mapping *m, void *arg)
{
	struct libraries *l = arg;
	struct file_key key;

	if (!m->executable || !m->inode)
		return true;
	if (l->pin_count == SURVEY_MAX) {
		l->state.left_out++;
		return false;
	}

	_close_ int pin = mapping_pin(l->pid, m);

	/* Nobody asks a file system that another program answers for. */
	if (pin < 0 || mapping_key(pin, &key) || is_held(l, &key) || key.size > FILE_MAX_BYTES ||
	    (!file_of(l, &key) && mapping_judge(pin, l->pid) < 0))
		return true;
	l->keys[l->pin_count] = key;
	l->pins[l->pin_count++] = TAKE_FD(pin);
	return true;
}

/* Those of the files held that nobody has looked into, as many as the reader takes at once. */
static void ask(struct libraries *l)
{
	const char *names[FUNCTIONS];

	l->asked_count = 0;
	for (size_t i = 0; i < FUNCTIONS; i++)
		names[i] = functions[i].name;
	for (size_t i = 0; i < l->pin_count && l->asked_count < EXPORTS_FILES_MAX; i++) {
		if (file_of(l, &l->keys[i]))
			continue;
		l->asked[l->asked_count] = (struct exports_file){ .pin = l->pins[i] };
		l->asked_pin[l->asked_count++] = i;
	}
	if (l->asked_count && exports_start(NULL, names, FUNCTIONS, l->asked, l->asked_count,
					    &l->reader)) {
		l->reader = NULL;
		l->asked_count = 0;
		l->state.not_read++;
	}
}

static void take_answers(struct libraries *l)
{
	for (size_t i = 0; i < l->asked_count; i++) {
		const struct exports_file *a = &l->asked[i];
		struct file *f;

		if (a->state == EXPORTS_UNKNOWN)
			continue;
		f = add_file(l, &l->keys[l->asked_pin[i]]);
		if (!f)
			return;
		l->state.read += a->state == EXPORTS_READ;
		l->state.not_read += a->state == EXPORTS_NOT_READ;
		memcpy(f->offsets, a->offsets, sizeof(f->offsets));
		for (size_t k = 0; k < FUNCTIONS; k++)
			f->has_any |= f->offsets[k] != 0;
	}
}

static void conclude(struct libraries *l, uint64_t now_ns)
{
	for (size_t i = 0; i < l->pin_count; i++) {
		struct file *f = file_of(l, &l->keys[i]);

		if (f)
			watch(l, f, l->pins[i], now_ns);
	}
	end_survey(l);
}

static void begin_survey(struct libraries *l, struct process *p, uint64_t now_ns)
{
	p->surveyed_ns = now_ns;
	l->pid = p->pid;
	(void)mapping_walk(p->pid, on_mapping, l);
	ask(l);
	if (!l->asked_count)
		conclude(l, now_ns);
}

void libraries_step(struct libraries *l, const struct conns *t, uint64_t now_ns)
{
	struct process *p;

	take_results(l);
	if (events_is_probing(l->events))
		return;
	if (l->reader) {
		if (!exports_step(l->reader) || !exports_end(l->reader))
			return;
		l->reader = NULL;
		take_answers(l);
		ask(l);
		if (!l->asked_count)
			conclude(l, now_ns);
		return;
	}
	p = choose(l, t, now_ns);
	if (p)
		begin_survey(l, p, now_ns);
	let_go(l, now_ns);
	forget_processes(l, now_ns);
}

struct libraries_state libraries_state(const struct libraries *l)
{
	return l->state;
}
