// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of a process's memory is there: by its mappings of no file, and the kernel's page map. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gopools/search.h"
#include "lib/cleanup.h"
#include "lib/mapping.h"

#define RANGES_MAX 256
#define AT_ONCE	   4096	/* entries */
#define LOOKED_MAX (16ULL << 20) /* pages: more is reserved only by what is no plain Go program */
#define IS_THERE   (1ULL << 63)

struct process_pages {
	int map;
	uint64_t page_bytes;
	struct {
		uint64_t at, end;
	} ranges[RANGES_MAX];
	size_t count;
	uint64_t looked;
	bool all; /* no range was left out */
	uint64_t entries[AT_ONCE];
	uint64_t first; /* page of entries[0] */
	size_t have;
};

/* Go's heap has no name, or "[anon: Go: heap]". */
static bool on_mapping(const struct mapping *m, void *arg)
{
	struct process_pages *p = arg;

	if (m->inode || m->executable || (m->name[0] && strncmp(m->name, "[anon:", 6)))
		return true;
	p->ranges[p->count].at = m->start;
	p->ranges[p->count++].end = m->end;
	p->all = p->count < RANGES_MAX;
	return p->all;
}

static bool is_there(struct process_pages *p, uint64_t at)
{
	uint64_t page = at / p->page_bytes;

	if (page < p->first || page >= p->first + p->have) {
		ssize_t n = pread(p->map, p->entries, sizeof(p->entries),
				  (off_t)(page * sizeof(p->entries[0])));

		p->looked += AT_ONCE;
		p->all &= p->looked <= LOOKED_MAX;
		p->first = page;
		p->have = n > 0 ? (size_t)n / sizeof(p->entries[0]) : 0;
		if (!p->have)
			return false;
	}
	return p->entries[page - p->first] & IS_THERE;
}

static bool skip_what_is_not(struct process_pages *p, uint64_t *at, uint64_t end)
{
	while (*at < end && p->all) {
		if (is_there(p, *at))
			return true;
		*at += p->page_bytes;
	}
	return false;
}

static bool next(uint64_t from, uint64_t *ret_at, uint64_t *ret_end, void *arg)
{
	struct process_pages *p = arg;

	for (size_t i = 0; i < p->count; i++) {
		uint64_t at = from > p->ranges[i].at ? from : p->ranges[i].at;
		uint64_t end;

		if (!skip_what_is_not(p, &at, p->ranges[i].end))
			continue;
		end = at + p->page_bytes;
		while (end < p->ranges[i].end && is_there(p, end))
			end += p->page_bytes;
		*ret_at = at;
		*ret_end = end;
		return true;
	}
	return false;
}

void search_process(const struct go_memory *m, struct search *s)
{
	static struct process_pages p;
	const struct go_pages pages = { next, &p };
	char path[40];

	p.count = p.have = p.looked = 0;
	p.all = true;
	p.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	s->whole = false;
	s->count = 0;
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/pagemap", s->pid);
	p.map = open(path, O_RDONLY | O_CLOEXEC);
	if (p.map < 0)
		return;
	if (!mapping_walk(s->pid, on_mapping, &p))
		search_run(m, &pages, s);
	s->whole &= p.all;
	(void)close(p.map);
}
