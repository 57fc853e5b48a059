// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "culprits/languages.h"

#define PROCESSES 1024	/* of more, some stay unknown */
#define AT_ONCE	  2	/* look-ups under way; the reader is needed for other things too */
#define A_TURN	  16	/* look-ups begun: one of a file that was seen before takes 0.3 ms */

struct process {
	uint32_t pid, start_ticks;
	uint64_t turn;		/* when it last owned a pool */
	bool asked;
	char language[8];
};

struct languages {
	struct symbols *symbols;
	struct process table[PROCESSES];
	uint32_t count;
	struct index by_pid;
	uint64_t turn;
	struct process of[AT_ONCE];	/* whom the look-ups are about */
	struct lookup *lookups[AT_ONCE];
};

static uint64_t hash_pid(const struct languages *l, uint32_t pid)
{
	return XXH3_64bits_withSeed(&pid, sizeof(pid), l->by_pid.seed);
}

static bool same_process(const void *table, uint32_t n, const void *key)
{
	const struct process *a = &((const struct process *)table)[n], *b = key;

	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

static struct process *find(const struct languages *l, uint32_t pid, uint32_t start_ticks)
{
	const struct process key = { .pid = pid, .start_ticks = start_ticks };
	uint32_t n = index_find(&l->by_pid, hash_pid(l, pid), same_process, l->table, &key);

	return n == INDEX_NONE ? NULL : (struct process *)&l->table[n];
}

int languages_new(struct symbols *s, struct languages **ret)
{
	struct languages *l = calloc(1, sizeof(*l));

	if (!l || index_init(&l->by_pid, PROCESSES) < 0) {
		free(l);
		return -ENOMEM;
	}
	l->symbols = s;
	*ret = l;
	return 0;
}

void languages_free(struct languages *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < AT_ONCE; i++)
		lookup_free(l->lookups[i]);
	index_done(&l->by_pid);
	free(l);
}

/* Drops who owned no pool at the last turn. */
static void make_room(struct languages *l)
{
	uint32_t kept = 0;

	index_clear(&l->by_pid);
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->table[i].turn + 1 < l->turn)
			continue;
		l->table[kept] = l->table[i];
		index_put(&l->by_pid, hash_pid(l, l->table[kept].pid), kept);
		kept++;
	}
	l->count = kept;
}

static void see(struct languages *l, const struct pool *pool)
{
	struct process *p = find(l, pool->pid, pool->start_ticks);

	if (!p && l->count == PROCESSES)
		make_room(l);
	if (!p && l->count < PROCESSES) {
		p = &l->table[l->count];
		*p = (struct process){ .pid = pool->pid, .start_ticks = pool->start_ticks };
		index_put(&l->by_pid, hash_pid(l, p->pid), l->count++);
	}
	if (p)
		p->turn = l->turn;
}

static void finish(struct languages *l, size_t i)
{
	struct process *p = find(l, l->of[i].pid, l->of[i].start_ticks);

	if (p)
		(void)strncpy(p->language, lookup_language(l->lookups[i]), sizeof(p->language) - 1);
	lookup_free(l->lookups[i]);
	l->lookups[i] = NULL;
}

static void begin(struct languages *l, size_t i)
{
	for (uint32_t n = 0; n < l->count && !l->lookups[i] && symbols_have_room(l->symbols); n++) {
		struct process *p = &l->table[n];

		if (p->asked)
			continue;
		p->asked = true;
		l->of[i] = *p;
		if (symbols_start(l->symbols, p->pid, NULL, 0, &l->lookups[i]) < 0)
			l->lookups[i] = NULL;	/* it is gone, or may not be looked at */
	}
}

void languages_step(struct languages *l, const struct levels *pools)
{
	l->turn++;
	for (uint32_t i = 0; i < pools->count; i++)
		if (pools->pools[i].pid)
			see(l, &pools->pools[i]);
	for (size_t n = 0; n < A_TURN; n++) {
		size_t i = n % AT_ONCE;

		if (!l->lookups[i])
			begin(l, i);
		if (l->lookups[i] && lookup_step(l->lookups[i]))
			finish(l, i);
	}
}

const char *languages_of(const struct languages *l, uint32_t pid, uint32_t start_ticks)
{
	const struct process *p = find(l, pid, start_ticks);

	return p ? p->language : "";
}
