// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A look-up's talk with the reader.  The answers come in the order of the questions,
 * so the first one that does not come names the file that stopped the reader: that one
 * is left alone for a while, and no other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/language.h"
#include "lib/symbols_lookup.h"
#include "lib/text.h"

#define DEADLINE_NS    (3 * NS_PER_S)
#define LEFT_ALONE_NS  (60 * NS_PER_S) /* a file that stopped the reader */
#define NOTES_VALID_NS (60 * NS_PER_S) /* of code made at run time */
#define FILE_MAX_BYTES (1ULL << 30)

#define PATIENCE_NS (20 * NS_PER_S) /* on however busy a host */

struct lookup *lookup_new(struct symbols *s, uint32_t pid)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->symbols = s;
	l->pid = pid;
	l->started_ns = clock_now_ns();
	l->by_name = l->by_library = "";
	for (size_t i = 0; i < ARRAY_SIZE(l->wants); i++)
		l->wants[i].file = NO_FILE;
	return l;
}

void lookup_stop(struct lookup *l)
{
	struct symbols *s = l->symbols;

	if (!l->running)
		return;
	l->running = false;
	l->starved_ns += helper_starved_ns(&l->helper);
	s->running--;
	if (helper_stop(&l->helper))
		return;
	for (size_t i = 0; i < HELPERS_MAX; i++) {
		if (!s->lingering[i]) {
			s->lingering[i] = l->helper.pid;
			return;
		}
	}
}

bool lookup_is_late(const struct lookup *l, uint64_t deadline_ns)
{
	uint64_t spent_ns = clock_now_ns() - l->started_ns, starved_ns = l->starved_ns;

	if (spent_ns < deadline_ns)
		return false;
	if (l->running)
		starved_ns += helper_starved_ns(&l->helper);
	return spent_ns >= PATIENCE_NS || spent_ns >= deadline_ns + starved_ns;
}

void lookup_free(struct lookup *l)
{
	if (!l)
		return;
	lookup_stop(l);
	for (uint32_t i = 0; i < l->file_count; i++)
		if (l->files[i].pin >= 0)
			(void)close(l->files[i].pin);
	free(l);
}

int lookup_fd(const struct lookup *l)
{
	return l->running ? l->helper.out : -1;
}

/* ---- answers */

static void fill(struct lookup *l, size_t i, const struct symbols_answer *a)
{
	struct want *w = &l->wants[i];
	struct frame *f = &l->frames[i];

	w->known = a->read;
	if (i == l->n) {
		l->is_go = a->go;
		return;
	}
	text_escape(a->function, f->function, sizeof(f->function));
	text_escape(a->file, f->file, sizeof(f->file));
	text_escape(a->build_id, f->build_id, sizeof(f->build_id));
	f->line = a->line;
	if (a->read)
		f->offset = a->offset;
}

static bool is_well_formed(const struct lookup *l)
{
	const struct symbols_answer *a = &l->answer;

	return a->query == l->answered && memchr(a->function, '\0', sizeof(a->function)) &&
	       memchr(a->file, '\0', sizeof(a->file)) &&
	       memchr(a->build_id, '\0', sizeof(a->build_id));
}

static void take(struct lookup *l)
{
	uint32_t i = l->asked[l->answered++];
	const struct want *w = &l->wants[i];
	bool lasts = l->files[w->file].kind == SYMBOLS_ELF && l->answer.read;
	uint64_t until_ns = clock_now_ns() + (l->answer.read ? NOTES_VALID_NS : LEFT_ALONE_NS);

	symbols_cache_put(l->symbols->cache, &w->place, &l->answer, lasts ? 0 : until_ns);
	fill(l, i, &l->answer);
}

/* Nothing is known of a file that stopped the reader, and for a while nobody asks. */
static void blame(struct lookup *l)
{
	static const struct symbols_answer nothing;
	uint32_t file = l->wants[l->asked[l->answered]].file;
	uint64_t until_ns = clock_now_ns() + LEFT_ALONE_NS;

	l->cut_short = true;
	for (uint32_t q = l->answered; q < l->asked_count; q++) {
		const struct want *w = &l->wants[l->asked[q]];

		if (w->file == file)
			symbols_cache_put(l->symbols->cache, &w->place, &nothing, until_ns);
	}
}

/* ---- which frame is the application's */

static bool matches(const char *pattern, const char *s)
{
	return !pattern || text_match(pattern, s);
}

static bool is_of_runtime(const struct symbols *s, const struct frame *f)
{
	for (const struct frame_rule *r = s->rules; r && (r->module || r->function || r->file); r++)
		if (matches(r->module, f->module) && matches(r->function, f->function) &&
		    matches(r->file, f->file))
			return true;
	return false;
}

static void mark_application(struct lookup *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct frame *f = &l->frames[i];

		/* Code in memory that nobody named may as well be a runtime's. */
		if (!f->function[0] && f->module[0] == '[')
			continue;
		if (is_of_runtime(l->symbols, f))
			continue;
		f->application = true;
		return;
	}
}

static void add_script(struct lookup *l)
{
	struct frame *f = &l->frames[l->n];
	bool marked = false;

	language_script(l->pid, f->file, sizeof(f->file));
	if (!f->file[0])
		return;
	for (size_t i = 0; i < l->n; i++)
		marked |= l->frames[i].application;
	f->application = !marked;
	l->frame_count = l->n + 1;
}

/* Whatever looked like a script's place and has no name was none. */
static void drop_unnamed(struct lookup *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!lookup_is_script(l, i) || l->frames[i].function[0])
			l->frames[kept++] = l->frames[i];
	l->wants[kept] = l->wants[l->n];	/* what the executable is */
	l->n = l->frame_count = kept;
}

static void finish(struct lookup *l)
{
	lookup_stop(l);
	drop_unnamed(l);
	mark_application(l);
	if (l->n && !strcmp(l->by_name, "python"))
		add_script(l);
}

/* ---- asking */

bool lookup_step(struct lookup *l)
{
	if (l->asks_go)
		return lookup_take_go(l);
	if (l->following) {
		if (!lookup_follow(l))
			return false;
		lookup_place(l);
		lookup_ask(l);
	}
	if (!l->running)
		return true;
	while (l->answered < l->asked_count) {
		char *to = (char *)&l->answer + l->answer_have;
		ssize_t n = read(l->helper.out, to, sizeof(l->answer) - l->answer_have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !lookup_is_late(l, DEADLINE_NS))
			return false;
		if (n <= 0)
			break;
		l->answer_have += (size_t)n;
		if (l->answer_have < sizeof(l->answer))
			continue;
		l->answer_have = 0;
		if (!is_well_formed(l))
			break;
		take(l);
	}
	if (l->answered < l->asked_count)
		blame(l);
	finish(l);
	return true;
}

/* Says beside the module's name why it is not read. */
static void say_unread(struct lookup *l, uint32_t file, const char *why)
{
	for (size_t i = 0; i < l->n; i++) {
		struct frame *f = &l->frames[i];
		size_t used = strlen(f->module);
		size_t room = sizeof(f->module) - strlen(why) - 1;

		if (l->wants[i].file != file)
			continue;
		used = used < room ? used : room;
		(void)snprintf(f->module + used, sizeof(f->module) - used, "%s", why);
	}
}

const char *lookup_why_not(const struct lookup *l, const struct mapped_file *f)
{
	if (f->kind != SYMBOLS_ELF)
		return NULL;
	if (f->key.size > FILE_MAX_BYTES)
		return " (too large, not read)";
	switch (mapping_judge(f->pin, l->pid)) {
	case 0:
		return NULL;
	case -EREMOTE:
		return " (on FUSE, not read)";
	default:
		return " (on an unknown mount, not read)";
	}
}

static uint32_t choose_questions(struct lookup *l, struct symbols_request *request)
{
	uint32_t files = 0;

	for (uint32_t file = 0; file < l->file_count; file++) {
		struct mapped_file *f = &l->files[file];
		const char *why = lookup_why_not(l, f);
		uint32_t before = l->asked_count;

		if (why)
			say_unread(l, file, why);
		for (uint32_t i = 0; i <= l->n && !why; i++) {
			const struct want *w = &l->wants[i];
			const struct symbols_answer *a;

			if (w->file != file)
				continue;
			a = symbols_cache_get(l->symbols->cache, &w->place, l->started_ns);
			if (a) {
				l->cut_short |= !a->read;
				fill(l, i, a);
				continue;
			}
			request->queries[l->asked_count] = (struct symbols_query){
				.file = files,
				.kind = f->kind,
				.position = w->place.position,
				.is_return = (uint32_t)w->place.is_return,
			};
			l->asked[l->asked_count++] = i;
		}
		if (l->asked_count > before)
			f->number = (int)files++;
	}
	return files;
}

bool symbols_have_room(struct symbols *s)
{
	uint32_t busy = s->running;

	for (size_t i = 0; i < HELPERS_MAX; i++) {
		if (s->lingering[i] && helper_gone(s->lingering[i]))
			s->lingering[i] = 0;
		busy += s->lingering[i] != 0;
	}
	return busy < HELPERS_MAX;
}

bool lookup_run(struct lookup *l, const void *request, size_t size)
{
	struct symbols *s = l->symbols;

	if (!s->helper[0] || access(s->helper, X_OK))
		return false;
	if (!symbols_have_room(s) ||
	    helper_start(s->helper, request, size, lookup_open_files, l, &l->helper) < 0) {
		l->cut_short = true;
		return false;
	}
	l->running = true;
	s->running++;
	return true;
}

void lookup_ask(struct lookup *l)
{
	struct symbols_request request = { .head.magic = SYMBOLS_MAGIC };
	size_t size = offsetof(struct symbols_request, queries);

	for (size_t i = 0; i <= l->n; i++)
		if (l->wants[i].file != NO_FILE)
			l->wants[i].place.file = l->files[l->wants[i].file].key;
	request.head.files = choose_questions(l, &request);
	request.head.queries = l->asked_count;
	size += l->asked_count * sizeof(request.queries[0]);
	if (!l->asked_count || !lookup_run(l, &request, size))
		finish(l);
}
