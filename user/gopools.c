// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Once a second there is a round: the processes that have connections are gone
 * through, each sql.DB of theirs is read (gopools/watch.c), and what they say is held against
 * what is seen (gopools/match.c).  A process whose numbers do not agree has its memory
 * searched for more of them (gopools/search.c); only when that is too large is there a
 * probe.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "gopools.h"
#include "gopools/state.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/proc.h"

#define ROUND_NS	NS_PER_S
#define LOOK_NS		(200 * NS_PER_MS) /* after new connections: whose are they? */
#define VALID_NS	(3 * NS_PER_S)	/* what was agreed on, while it cannot be read anew */
#define BANNED_NS	(60 * NS_PER_S) /* whose memory kept the reader waiting */

int gopools_new(struct events *e, struct conns *t, struct gopools **ret)
{
	struct gopools *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->events = e;
	g->conns = t;
	g->next = calloc(t->capacity, sizeof(*g->next));
	g->of_process = calloc(t->capacity, sizeof(*g->of_process));
	g->lending = calloc(t->capacity, sizeof(*g->lending));
	g->member_of = calloc(t->capacity, sizeof(*g->member_of));
	g->members = calloc(t->capacity, sizeof(*g->members));
	g->lending_ns = calloc(t->capacity, sizeof(*g->lending_ns));
	if (!g->next || !g->of_process || !g->lending || !g->member_of || !g->members ||
	    !g->lending_ns || go_files_init(&g->files, e) < 0 || watch_new(&g->watch) < 0 ||
	    index_init(&g->by_pid, PROCESSES_MAX) < 0) {
		gopools_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

/* ---- processes */

static bool same_process(const void *processes, uint32_t n, const void *key)
{
	const struct process *p = &((const struct process *)processes)[n], *k = key;

	return p->pid == k->pid && p->start_ticks == k->start_ticks;
}

static uint64_t hash_pid(const struct gopools *g, uint32_t pid)
{
	return (g->by_pid.seed ^ pid) * 0x9e3779b97f4a7c15ULL;
}

static struct process *find_or_add(struct gopools *g, uint32_t pid, uint32_t start_ticks)
{
	const struct process key = { .pid = pid, .start_ticks = start_ticks };
	uint32_t n = index_find(&g->by_pid, hash_pid(g, pid), same_process, g->processes, &key);

	if (n != INDEX_NONE)
		return &g->processes[n];
	for (n = 0; n < PROCESSES_MAX && g->processes[n].pid; n++)
		;
	if (n == PROCESSES_MAX) {
		if (!g->full)
			(void)log_warn(0, "more than %d processes have connections: of some the "
					  "pools stay unknown", PROCESSES_MAX);
		g->full = true;
		return NULL;
	}
	g->processes[n] = (struct process){
		.pid = pid,
		.start_ticks = start_ticks,
		.file = GO_FILE_NONE,
		.pidfd = -1,
		.first = NONE,
		.first_handle = NONE,
	};
	if (n >= g->high)
		g->high = n + 1;
	index_put(&g->by_pid, hash_pid(g, pid), n);
	return &g->processes[n];
}

static void drop_handle(struct gopools *g, uint32_t n)
{
	struct handle *h = &g->handles[n];
	uint32_t *link = &h->process->first_handle;

	while (*link != n)
		link = &g->handles[*link].next;
	*link = h->next;
	events_forget_handle(g->events, h->process->pid, h->process->start_ticks,
			     watch_at(g->watch, n)->address);
	h->process->handles--;
	h->process = NULL;
	for (uint32_t slot = 0; slot < g->conns->high; slot++)
		if (g->members[slot].handle == n)
			g->members[slot].cookie = 0;
}

static void drop(struct gopools *g, struct process *p)
{
	uint32_t n = (uint32_t)(p - g->processes);

	while (p->first_handle != NONE)
		drop_handle(g, p->first_handle);
	if (p->pidfd >= 0)
		(void)close(p->pidfd);
	free(p->words);
	for (uint32_t i = 0; i < SEARCHES_MAX; i++)
		if (g->searched[i] == p)
			g->searched[i] = NULL;
	index_remove(&g->by_pid, hash_pid(g, p->pid), n);
	*p = (struct process){ 0 };
	while (g->high && !g->processes[g->high - 1].pid)
		g->high--;
}

void gopools_free(struct gopools *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < PROCESSES_MAX; i++)
		if (g->processes[i].pid)
			drop(g, &g->processes[i]);
	go_files_done(&g->files);
	watch_free(g->watch);
	index_done(&g->by_pid);
	free(g->next);
	free(g->of_process);
	free(g->lending);
	free(g->member_of);
	free(g->members);
	free(g->lending_ns);
	free(g);
}

/* The number stays his as long as the descriptor says that he lives. */
bool gopools_hold(struct process *p)
{
	struct proc_stat st;

	if (p->pidfd >= 0)
		return true;
	p->pidfd = pidfd_open((pid_t)p->pid, 0);
	if (p->pidfd >= 0 && !proc_stat(p->pid, &st) && st.start_ticks == p->start_ticks)
		return true;
	if (p->pidfd >= 0)
		(void)close(p->pidfd);
	p->pidfd = -1;
	return false;
}

bool gopools_has_alive(const struct process *p)
{
	return p->pidfd >= 0 && !pidfd_send_signal(p->pidfd, 0, NULL, 0);
}

/* ---- handles */

void gopools_found(struct gopools *g, const struct rec_go_handle *r)
{
	struct process *p = find_or_add(g, r->tgid, r->start_ticks);
	uint32_t place = WATCHED_MAX;

	for (uint32_t i = 0; i < WATCHED_MAX && p; i++) {
		if (!g->handles[i].process)
			place = i;
		else if (g->handles[i].process == p && watch_at(g->watch, i)->address == r->address)
			return;
	}
	if (place == WATCHED_MAX || !gopools_hold(p) || p->handles == MATCH_HANDLES_MAX) {
		events_forget_handle(g->events, r->tgid, r->start_ticks, r->address);
		return;
	}
	g->handles[place] = (struct handle){ .process = p, .next = p->first_handle };
	p->first_handle = place;
	for (uint32_t slot = 0; slot < g->conns->high; slot++)
		if (g->members[slot].handle == NONE && g->conns->table[slot].pid == p->pid)
			g->members[slot].cookie = 0;
	p->handles++;
	watch_set(g->watch, place, r->tgid, r->address);
}

/* ---- whose connections they are */

static void link_conns(struct gopools *g)
{
	for (uint32_t i = 0; i < g->high; i++) {
		g->processes[i].first = NONE;
		g->processes[i].conns = 0;
	}
	conns_for_each(g->conns, c) {
		struct process *p = NULL;

		if (c->pid && c->start_ticks && conn_is_listed(c))
			p = find_or_add(g, c->pid, c->start_ticks);
		if (!p)
			continue;
		g->next[c->slot] = p->first;
		p->first = c->slot;
		p->conns++;
	}
}

/* Whoever has no pool that is known is remembered only as long as he has connections. */
static void drop_ended(struct gopools *g)
{
	for (uint32_t i = 0; i < g->high; i++)
		if (g->processes[i].pid && !g->processes[i].conns &&
		    (!g->processes[i].handles || !gopools_has_alive(&g->processes[i])))
			drop(g, &g->processes[i]);
}

static void mark_files(struct gopools *g)
{
	for (uint32_t i = 0; i < GO_FILES_MAX; i++)
		g->files.list[i].used = g->files.list[i].wanted = false;
	for (uint32_t i = 0; i < g->high; i++) {
		const struct process *p = &g->processes[i];
		struct go_file *f = &g->files.list[p->file % GO_FILES_MAX];

		if (!p->pid || p->file == GO_FILE_NONE)
			continue;
		f->used = true;
		f->wanted |= gopools_is_puzzled_by(p) && p->cut;
	}
}

static void find_files(struct gopools *g, uint64_t now_ns)
{
	for (uint32_t i = 0; i < g->high; i++) {
		struct process *p = &g->processes[i];

		if (p->pid && p->file == GO_FILE_NONE)
			p->file = go_files_of(&g->files, p->pid, now_ns);
	}
}

/* The sooner a new program is known, the less it has done that its probe could have told. */
static void look_around(struct gopools *g, uint64_t now_ns)
{
	uint64_t opened = g->conns->open + g->conns->closed;
	uint64_t every_ns = opened == g->opened ? ROUND_NS : LOOK_NS;

	if (elapsed_ns(g->look_ns, now_ns) < every_ns)
		return;
	g->look_ns = now_ns;
	g->opened = opened;
	link_conns(g);
	drop_ended(g);
	mark_files(g);
	find_files(g, now_ns);
}

/* ---- a round */

/* False when there is nothing to wait for. */
static bool begin_round(struct gopools *g, uint64_t now_ns)
{
	bool any = false;

	for (uint32_t i = 0; i < WATCHED_MAX; i++) {
		const struct process *p = g->handles[i].process;
		struct watched *w = watch_at(g->watch, i);
		const struct go_file *f;

		w->wanted = w->read = false;
		if (!p || !p->conns || p->file == GO_FILE_NONE || now_ns < p->banned_ns)
			continue;
		f = &g->files.list[p->file];
		if (f->state != GO_FILE_POOLS)
			continue;
		w->layout = f->layout;
		w->wanted = any = true;
	}
	return any && !watch_begin(g->watch, WATCH_READ, now_ns);
}

/* ---- what came of it */

static void keep_words(struct process *p, const struct match *m)
{
	size_t bytes = m->word_count * sizeof(m->words[0]);

	if (m->word_count > p->word_count) {
		struct match_word *more = realloc(p->words, bytes);

		if (!more)
			return;
		p->words = more;
	}
	p->word_count = m->word_count;
	if (bytes)
		memcpy(p->words, m->words, bytes);
}

static const struct handle_reading *reading_of(struct gopools *g, uint32_t n)
{
	static const struct handle_reading none = { .state = HANDLE_UNREAD };

	return watch_at(g->watch, n)->read ? watch_reading(g->watch, n) : &none;
}

/* Which of his handles each connection was free in. */
static void find_members(const struct gopools *g, struct match *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		const struct member *k = &g->members[m->of_process[i]->slot];

		m->member[i] = 0;
		if (k->cookie == m->of_process[i]->cookie)
			m->member[i] = k->handle == NONE ? MATCH_OUTSIDER :
							   g->handles[k->handle].number;
	}
}

static void keep_members(struct gopools *g, const struct process *p, const struct match *m)
{
	uint32_t handles[UINT8_MAX + 1] = { [MATCH_OUTSIDER] = NONE };

	for (uint32_t n = p->first_handle; n != NONE; n = g->handles[n].next)
		handles[g->handles[n].number] = n;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->member[i])
			g->members[m->of_process[i]->slot] = (struct member){
				m->of_process[i]->cookie,
				handles[m->member[i]],
			};
}

static void compare(struct gopools *g, struct process *p, struct match *m, uint64_t now_ns)
{
	m->count = m->handle_count = 0;
	m->read_ns = g->round_ns;
	for (uint32_t slot = p->first; slot != NONE; slot = g->next[slot])
		m->of_process[m->count++] = &g->conns->table[slot];
	for (uint32_t n = p->first_handle; n != NONE; n = g->handles[n].next) {
		m->handles[m->handle_count++] = (struct match_handle){
			reading_of(g, n),
			&g->handles[n].home,
		};
		g->handles[n].number = (uint8_t)m->handle_count;
	}
	find_members(g, m);
	match_run(m);
	keep_members(g, p, m);
	p->apart = m->agreed ? 0 : p->apart + 1;
	if (m->word_count || m->agreed)
		p->agreed_ns = now_ns;
}

/* What is not known now is what was known last, for a while: the program goes on while it is read. */
static void apply(struct gopools *g, struct process *p, const struct match *m, uint64_t now_ns)
{
	for (uint32_t i = 0; i < m->count; i++) {
		uint64_t *known_ns = &g->lending_ns[m->of_process[i]->slot];

		if (m->lending[i] != LENDING_UNKNOWN)
			*known_ns = now_ns;
		else if (elapsed_ns(*known_ns, now_ns) < VALID_NS)
			continue;
		conns_apply_lending(g->conns, m->of_process[i]->cookie,
				    (enum lending)m->lending[i], m->read_ns, now_ns);
	}
	if (m->word_count || elapsed_ns(p->agreed_ns, now_ns) >= VALID_NS)
		keep_words(p, m);
}

static void drop_ended_handles(struct gopools *g)
{
	for (uint32_t i = 0; i < WATCHED_MAX; i++) {
		uint8_t state = reading_of(g, i)->state;

		if (g->handles[i].process && (state == HANDLE_CLOSED || state == HANDLE_WRONG))
			drop_handle(g, i);
	}
}

static void end_round(struct gopools *g, uint64_t now_ns)
{
	static struct match m;

	m.of_process = g->of_process;
	m.lending = g->lending;
	m.member = g->member_of;
	g->fresh = true;
	link_conns(g);
	drop_ended_handles(g);
	for (uint32_t i = 0; i < g->high; i++) {
		struct process *p = &g->processes[i];

		if (!p->pid || !p->conns || (!p->handles && !p->agreed_ns))
			continue;
		/* Only now is it sure that it was his memory. */
		if (p->handles && !gopools_has_alive(p))
			continue;
		compare(g, p, &m, now_ns);
		apply(g, p, &m, now_ns);
	}
}

static void ban(struct gopools *g, uint32_t n, uint64_t now_ns)
{
	struct process *p = NULL;

	if (g->searching)
		p = n < SEARCHES_MAX ? g->searched[n] : NULL;
	else if (n < WATCHED_MAX)
		p = g->handles[n].process;
	if (!p)
		return;
	p->banned_ns = now_ns + BANNED_NS;
	(void)log_warn(0, "the memory of process %u does not answer: its pools stay unknown for "
			  "a minute", p->pid);
}

static void end(struct gopools *g, uint64_t now_ns)
{
	if (g->searching)
		gopools_end_search(g);
	else
		end_round(g, now_ns);
}

static void begin(struct gopools *g, uint64_t now_ns)
{
	/* Their child is forked, and so is who looks into files. */
	bool may_fork = !events_is_probing(g->events);

	if (may_fork)
		look_around(g, now_ns);
	if ((may_fork || watch_has_child(g->watch)) && gopools_begin_search(g, now_ns))
		return;
	if (elapsed_ns(g->round_ns, now_ns) < ROUND_NS)
		return;
	g->round_ns = now_ns;
	if ((!may_fork && !watch_has_child(g->watch)) || !begin_round(g, now_ns))
		end_round(g, now_ns);
}

void gopools_step(struct gopools *g, uint64_t now_ns)
{
	uint32_t n = 0;

	switch (watch_step(g->watch, now_ns, &n)) {
	case WATCH_BUSY:
		go_files_step(&g->files, now_ns);
		return;
	case WATCH_STUCK:
		ban(g, n, now_ns);
		__attribute__((fallthrough));
	case WATCH_DONE:
		end(g, now_ns);
		break;
	case WATCH_IDLE:
		break;
	}
	begin(g, now_ns);
	go_files_step(&g->files, now_ns);
}

void gopools_tell(struct gopools *g, struct levels *l)
{
	if (!g->fresh)
		return;
	g->fresh = false;
	levels_forget_words(l);
	for (uint32_t i = 0; i < g->high; i++) {
		const struct process *p = &g->processes[i];

		for (uint32_t k = 0; p->pid && k < p->word_count; k++) {
			const struct conn *c = conns_find_cookie(g->conns, p->words[k].cookie);

			if (c)
				levels_apply_word(l, c, &p->words[k].word);
		}
	}
}
