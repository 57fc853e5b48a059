// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose memory is searched for pools, and when: as soon as there are connections that no known
 * pool accounts for.  What brings nothing is done ever more rarely, for some programs
 * have connections beside their pools, or none in one.
 */
#include "gopools/state.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define ROUNDS_APART	3		/* disagreeing, until it is worth to look for another */
#define SEARCH_AGAIN_NS (2 * NS_PER_S)	/* after one; then twice as long */
#define SEARCH_MOST_NS	(64 * NS_PER_S)

bool gopools_is_puzzled_by(const struct process *p)
{
	return p->pid && p->conns && (!p->handles || p->apart >= ROUNDS_APART);
}

/* More connections than ever are a reason not to wait, and so is a puzzle that was solved. */
static bool is_search_due(struct gopools *g, struct process *p, uint64_t now_ns)
{
	if (!gopools_is_puzzled_by(p)) {
		if (now_ns >= p->search_ns)
			p->pause_ns = 0;
		return false;
	}
	if (p->conns > p->most)
		p->search_ns = p->pause_ns = 0;
	return p->file != GO_FILE_NONE && g->files.list[p->file].state == GO_FILE_POOLS &&
	       now_ns >= p->search_ns && now_ns >= p->banned_ns && gopools_hold(p);
}

static void put_off(struct process *p, uint64_t now_ns)
{
	p->most = p->conns;
	p->pause_ns = p->pause_ns ? p->pause_ns * 2 : SEARCH_AGAIN_NS;
	if (p->pause_ns > SEARCH_MOST_NS)
		p->pause_ns = SEARCH_MOST_NS;
	p->search_ns = now_ns + p->pause_ns;
}

bool gopools_begin_search(struct gopools *g, uint64_t now_ns)
{
	uint32_t n = 0;

	watch_forget_searches(g->watch);
	for (uint32_t i = 0; i < g->high && n < SEARCHES_MAX; i++) {
		struct process *p = &g->processes[i];

		if (!is_search_due(g, p, now_ns) ||
		    !watch_search(g->watch, p->pid, &g->files.list[p->file].layout))
			continue;
		put_off(p, now_ns);
		g->searched[n++] = p;
	}
	g->searching = n && !watch_begin(g->watch, WATCH_SEARCH, now_ns);
	return g->searching;
}

/* What was found is read at once. */
void gopools_end_search(struct gopools *g)
{
	const struct search *s;

	for (uint32_t i = 0; (s = watch_found(g->watch, i)); i++) {
		struct process *p = TAKE(g->searched[i]);

		if (!p || !gopools_has_alive(p))
			continue;
		p->cut = !s->whole;
		for (uint32_t k = 0; k < s->count && k < SEARCH_FOUND_MAX; k++)
			gopools_found(g, &(struct rec_go_handle){
						 .tgid = p->pid,
						 .start_ticks = p->start_ticks,
						 .address = s->found[k],
					 });
	}
	g->searching = false;
	g->round_ns = 0;
}
