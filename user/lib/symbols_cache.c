// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "lib/symbols_cache.h"

#define SETS 1024
#define WAYS 4 /* so that the frames of one stack do not push each other out */

struct entry {
	struct symbols_place place;
	struct symbols_answer answer;
	uint64_t until_ns;
	bool used;
};

struct set {
	struct entry ways[WAYS];
	uint32_t next; /* to give way */
};

struct symbols_cache {
	uint64_t seed;
	struct set sets[SETS];
};

/* 1.8 MB, of which the kernel gives out what is touched. */
struct symbols_cache *symbols_cache_new(void)
{
	struct symbols_cache *c = calloc(1, sizeof(*c));

	/* Else collisions could be chosen, and with them what is forgotten. */
	if (c && getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) != sizeof(c->seed))
		c->seed = (uintptr_t)c;
	return c;
}

void symbols_cache_free(struct symbols_cache *c)
{
	free(c);
}

static size_t set_of(const struct symbols_cache *c, const struct symbols_place *place)
{
	return XXH3_64bits_withSeed(place, sizeof(*place), c->seed) % SETS;
}

static bool same(const struct symbols_place *a, const struct symbols_place *b)
{
	return !memcmp(a, b, sizeof(*a));
}

const struct symbols_answer *symbols_cache_get(const struct symbols_cache *c,
					       const struct symbols_place *place, uint64_t now_ns)
{
	const struct set *set = &c->sets[set_of(c, place)];

	for (size_t i = 0; i < WAYS; i++) {
		const struct entry *e = &set->ways[i];

		if (e->used && same(&e->place, place))
			return !e->until_ns || now_ns < e->until_ns ? &e->answer : NULL;
	}
	return NULL;
}

void symbols_cache_put(struct symbols_cache *c, const struct symbols_place *place,
		       const struct symbols_answer *answer, uint64_t until_ns)
{
	struct set *set = &c->sets[set_of(c, place)];
	struct entry *e = NULL;

	for (size_t i = 0; i < WAYS && !e; i++)
		if (!set->ways[i].used || same(&set->ways[i].place, place))
			e = &set->ways[i];
	if (!e)
		e = &set->ways[set->next++ % WAYS];
	*e = (struct entry){
		.place = *place, .answer = *answer, .until_ns = until_ns, .used = true
	};
}
