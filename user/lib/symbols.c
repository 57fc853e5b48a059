// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A look-up has three parts: where in which file each address lies (the process's
 * memory map), what is remembered of these places, and one run of the reader for the
 * rest (lib/symbols_ask.c).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/language.h"
#include "lib/proc.h"
#include "lib/symbols_lookup.h"
#include "lib/text.h"

int symbols_new(const struct frame_rule *rules, const char *helper, struct symbols **ret)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->rules = rules;
	s->cache = symbols_cache_new();
	if (!s->cache) {
		free(s);
		return -ENOMEM;
	}
	if (helper)
		(void)snprintf(s->helper, sizeof(s->helper), "%s", helper);
	else if (helper_beside_us("plimsoll-symbols", s->helper, sizeof(s->helper)) < 0)
		s->helper[0] = '\0';
	*ret = s;
	return 0;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	symbols_cache_free(s->cache);
	free(s);
}

/* ---- where the addresses lie */

struct walk {
	struct lookup *lookup;
	const uint64_t *words;
	size_t n;
};

static bool in_file(const struct mapping *m)
{
	return m->inode && strncmp(m->name, "memfd:", 6) != 0;
}

/* Code that no file holds was made while the process ran; it may have left notes. */
static uint32_t file_of(struct lookup *l, const struct mapping *m)
{
	if (in_file(m))
		return lookup_pin(l, m);
	return m->executable && strcmp(m->name, "[vdso]") != 0 ? lookup_perf_map(l) : NO_FILE;
}

static bool contains(const struct mapping *m, uint64_t address, size_t i)
{
	return address - (i > 0) >= m->start && address - (i > 0) < m->end;
}

static bool on_mapping(const struct mapping *m, void *arg)
{
	const struct walk *w = arg;
	struct lookup *l = w->lookup;
	bool hit = false;

	if (!l->by_library[0])
		l->by_library = language_by_library(m->name);
	if (l->held_count == SYMBOLS_MAPS_MAX || (l->following && !m->executable))
		return true;
	for (size_t i = 0; i < w->n && !hit; i++)
		hit = contains(m, w->words[i], i);
	if (hit)
		l->held[l->held_count++] =
			(struct held_mapping){ .mapping = *m, .file = file_of(l, m) };
	return true;
}

int lookup_hold(struct lookup *l, const uint64_t *words, size_t n)
{
	struct walk w = { .lookup = l, .words = words, .n = n };
	char path[4096];
	const char *name;
	int r = mapping_walk(l->pid, on_mapping, &w);

	if (r < 0)
		return r;
	l->exe = lookup_pin_exe(l);
	proc_exe(l->pid, path, sizeof(path));
	name = strrchr(path, '/');
	l->by_name = language_by_name(name ? name + 1 : path);
	return 0;
}

static void place_at(struct lookup *l, size_t i, const struct held_mapping *h)
{
	const struct mapping *m = &h->mapping;
	struct want *w = &l->wants[i];
	struct frame *f = &l->frames[i];
	uint64_t into = l->addrs[i] - m->start;

	w->file = h->file;
	w->place.position = in_file(m) ? m->offset + into : l->addrs[i];
	f->offset = strcmp(m->name, "[vdso]") != 0 ? w->place.position : into;
	text_escape(m->name[0] ? m->name : "[anon]", f->module, sizeof(f->module));
}

bool lookup_is_script(const struct lookup *l, size_t i)
{
	for (uint32_t k = 0; k < l->held_count; k++)
		if (contains(&l->held[k].mapping, l->addrs[i], i))
			return false;
	return l->followed && i > 0;
}

/* The last want is no frame: it asks what the executable is written in. */
void lookup_place(struct lookup *l)
{
	l->frame_count = l->n;
	for (size_t i = 0; i < l->n; i++) {
		l->wants[i].place.is_return = i > 0;
		l->frames[i].offset = l->addrs[i];
		(void)snprintf(l->frames[i].module, sizeof(l->frames[i].module), "[unmapped]");
		if (lookup_is_script(l, i)) {
			l->wants[i].file = lookup_perf_map(l);
			l->wants[i].place.position = l->addrs[i];
			(void)snprintf(l->frames[i].module, sizeof(l->frames[i].module), "[anon]");
		}
		for (uint32_t k = 0; k < l->held_count; k++)
			if (contains(&l->held[k].mapping, l->addrs[i], i))
				place_at(l, i, &l->held[k]);
	}
	l->wants[l->n].place.position = SYMBOLS_NOWHERE;
	l->wants[l->n].file = l->exe;
}

int symbols_start(struct symbols *s, uint32_t pid, const uint64_t *addrs, size_t n,
		  struct lookup **ret)
{
	struct lookup *l = lookup_new(s, pid);
	int r;

	if (!l)
		return -ENOMEM;
	l->n = n < FRAMES_MAX ? n : FRAMES_MAX;
	if (l->n)
		memcpy(l->addrs, addrs, l->n * sizeof(*addrs));
	r = lookup_hold(l, l->addrs, l->n);
	if (r < 0) {
		lookup_free(l);
		return r;
	}
	lookup_place(l);
	lookup_ask(l);
	*ret = l;
	return 0;
}

/* ---- what it amounts to */

const struct frame *lookup_frames(const struct lookup *l, size_t *ret_n)
{
	*ret_n = l->frame_count;
	return l->frames;
}

bool lookup_is_whole(const struct lookup *l)
{
	return !l->cut_short;
}

const char *lookup_language(const struct lookup *l)
{
	const struct want *exe = &l->wants[l->n];

	if (l->by_name[0])
		return l->by_name;
	if (exe->known && l->is_go)
		return "go";
	if (l->by_library[0])
		return l->by_library;
	return exe->known ? "native" : "";
}
