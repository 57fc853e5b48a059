// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A probe costs the program a microsecond or two at each call.  It is there only while a
 * pool is looked for, and is taken away when it was hit often and brought nothing.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gopools/files.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LINGER_NS    (5 * NS_PER_S)  /* attached, though nobody wants it any more */
#define HITS_IN_VAIN 10000	     /* some 20 ms of the program's time */
#define REST_NS	     (60 * NS_PER_S) /* after that; and before a reader is sent again */
#define BUSY_NS	     (200 * NS_PER_MS) /* while all readers are at work */

int go_files_init(struct go_files *f, struct events *e)
{
	*f = (struct go_files){ .events = e };
	return symbols_new(NULL, NULL, &f->symbols);
}

static void detach(struct go_file *file)
{
	events_unprobe(file->probes);
	file->probes = NULL;
}

static void forget(struct go_file *file)
{
	detach(file);
	lookup_free(file->lookup);
	if (file->state != GO_FILE_FREE && file->pin >= 0)
		(void)close(file->pin);
	*file = (struct go_file){ 0 };
}

void go_files_done(struct go_files *f)
{
	for (uint32_t i = 0; i < GO_FILES_MAX; i++)
		forget(&f->list[i]);
	symbols_free(f->symbols);
}

/* ---- asking */

static void leave_alone(struct go_file *file, uint64_t retry_ns)
{
	if (!retry_ns) {
		(void)close(file->pin);
		file->pin = -1;
	}
	file->state = GO_FILE_PLAIN;
	file->retry_ns = retry_ns;
}

/* The types are the larger part of it: a reader that does not finish is asked for less. */
static void ask(struct go_files *f, struct go_file *file, uint64_t now_ns)
{
	struct go_question question = go_pool_question;
	int r;

	if (file->without_types)
		question.count = 0;
	r = symbols_start_go(f->symbols, file->pid, file->pin, &question, &file->lookup);
	if (r) {
		file->lookup = NULL;
		leave_alone(file, r == -EACCES ? 0 : now_ns + (r == -EBUSY ? BUSY_NS : REST_NS));
		return;
	}
	file->state = GO_FILE_ASKED;
}

static void take_answer(struct go_file *file, uint64_t now_ns)
{
	const struct go_facts *facts = lookup_go(file->lookup);
	int r = go_layout_of(facts, &file->layout);

	file->function_at = facts->function_at;
	if (r == -EOPNOTSUPP)
		log_info("pools of a program built with %s are not read: its layout is not known",
			 facts->version[0] ? facts->version : "an old Go");
	if (!facts->read) {
		leave_alone(file, now_ns + (file->without_types ? REST_NS : NS_PER_S));
		file->without_types = true;
	} else if (r) {
		leave_alone(file, 0);
	} else {
		file->state = GO_FILE_POOLS;
	}
	lookup_free(file->lookup);
	file->lookup = NULL;
}

static struct go_file *place_for(struct go_files *f)
{
	struct go_file *unused = NULL;

	for (uint32_t i = 0; i < GO_FILES_MAX; i++) {
		if (f->list[i].state == GO_FILE_FREE)
			return &f->list[i];
		if (!f->list[i].used && f->list[i].state == GO_FILE_PLAIN)
			unused = &f->list[i];
		else if (!f->list[i].used && !unused && f->list[i].state == GO_FILE_POOLS)
			unused = &f->list[i];
	}
	if (unused)
		forget(unused);
	return unused;
}

uint32_t go_files_of(struct go_files *f, uint32_t pid, uint64_t now_ns)
{
	int pin = mapping_pin_exe(pid);
	struct go_file *file = NULL;
	struct file_key key;

	if (pin < 0)
		return GO_FILE_NONE;
	if (mapping_key(pin, &key)) {
		(void)close(pin);
		return GO_FILE_NONE;
	}
	for (uint32_t i = 0; i < GO_FILES_MAX && !file; i++)
		if (f->list[i].state != GO_FILE_FREE &&
		    !memcmp(&f->list[i].key, &key, sizeof(key)))
			file = &f->list[i];
	if (file) {
		(void)close(pin);
	} else {
		file = place_for(f);
		if (!file) {
			(void)close(pin);
			return GO_FILE_NONE;
		}
		*file = (struct go_file){ .key = key, .pin = pin, .pid = pid };
		ask(f, file, now_ns);
	}
	file->used = true;
	return (uint32_t)(file - f->list);
}

/* ---- the probes */

static void rest(struct go_file *file, uint64_t now_ns)
{
	detach(file);
	file->rest_until_ns = now_ns + REST_NS;
}

static void give_up(struct go_file *file, int err, uint64_t now_ns)
{
	(void)log_warn(err, "cannot see where a Go program keeps its pools");
	rest(file, now_ns);
}

static void attach(struct go_files *f, struct go_file *file, uint64_t now_ns)
{
	uint32_t n = (uint32_t)(file - f->list);
	const struct probe_place place = { file->function_at, n, PROBE_GO };

	int r = events_probe(f->events, file->pin, &place, 1, &file->probes);

	if (r)
		give_up(file, r, now_ns);
	else
		file->hits_before = events_probe_hits(f->events, n);
}

static void settle(struct go_files *f, struct go_file *file, uint64_t now_ns)
{
	int r;

	if (file->wanted)
		file->wanted_ns = now_ns;
	if (!file->probes) {
		if (file->wanted && now_ns >= file->rest_until_ns)
			attach(f, file, now_ns);
		return;
	}
	r = events_probe_result(file->probes);
	if (r && r != -EINPROGRESS)
		give_up(file, r, now_ns);
	else if (elapsed_ns(file->wanted_ns, now_ns) > LINGER_NS)
		detach(file);
	else if (events_probe_hits(f->events, (uint32_t)(file - f->list)) - file->hits_before >
		 HITS_IN_VAIN)
		rest(file, now_ns);
}

void go_files_step(struct go_files *f, uint64_t now_ns)
{
	bool may_ask = !events_is_probing(f->events);

	for (uint32_t i = 0; i < GO_FILES_MAX; i++) {
		struct go_file *file = &f->list[i];

		/* Whoever is asked is forked first, and again where he has to be asked for less. */
		if (file->state == GO_FILE_ASKED && may_ask && lookup_step(file->lookup))
			take_answer(file, now_ns);
		if (file->state == GO_FILE_POOLS)
			settle(f, file, now_ns);
		else if (may_ask && file->state == GO_FILE_PLAIN && file->pin >= 0 && file->used &&
			 now_ns >= file->retry_ns)
			ask(f, file, now_ns);
	}
}
