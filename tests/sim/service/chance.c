// SPDX-License-Identifier: GPL-2.0-or-later
/* A binary heap of what is to happen, and xoshiro256**. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

uint64_t sim_now_ns = SIM_BEGIN_NS;

struct happening {
	uint64_t when_ns, order;
	happen_fn fn;
	void *who;
	uint64_t tag;
};

static struct happening *heap;
static size_t count, room;
static uint64_t order;
static uint64_t state[4];

static bool before(const struct happening *a, const struct happening *b)
{
	return a->when_ns < b->when_ns || (a->when_ns == b->when_ns && a->order < b->order);
}

static void grow(void)
{
	room = room ? 2 * room : 4096;
	heap = reallocarray(heap, room, sizeof(*heap));
	if (!heap)
		abort();
}

void happen_at(uint64_t when_ns, happen_fn fn, void *who, uint64_t tag)
{
	struct happening h = { when_ns > sim_now_ns ? when_ns : sim_now_ns, order++, fn, who, tag };
	size_t i = count++;

	if (count > room)
		grow();
	for (; i && before(&h, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = h;
}

uint64_t happen_next_ns(void)
{
	return count ? heap[0].when_ns : UINT64_MAX;
}

void happen_step(void)
{
	struct happening first = heap[0], last = heap[--count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < count) {
		child += child + 1 < count && before(&heap[child + 1], &heap[child]);
		if (!before(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	sim_now_ns = first.when_ns;
	first.fn(first.who, first.tag);
}

void happen_done(void)
{
	free(heap);
	heap = NULL;
	count = room = 0;
}

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void chance_seed(uint64_t seed)
{
	for (size_t i = 0; i < 4; i++)
		state[i] = splitmix(&seed);
}

static uint64_t next(void)
{
	uint64_t x = state[1] * 5, t = state[1] << 17;

	x = (x << 7 | x >> 57) * 9;
	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= t;
	state[3] = state[3] << 45 | state[3] >> 19;
	return x;
}

/* In (0, 1]: its logarithm exists. */
static double unit(void)
{
	return ((double)(next() >> 11) + 1) / 0x1p53;
}

uint64_t chance_below(uint64_t n)
{
	return n ? (uint64_t)((unsigned __int128)next() * n >> 64) : 0;
}

uint64_t chance_between(uint64_t low, uint64_t high)
{
	return high > low ? low + chance_below(high - low + 1) : low;
}

bool chance(double p)
{
	return unit() <= p;
}

uint64_t chance_exp(uint64_t mean_ns)
{
	return (uint64_t)(-log(unit()) * (double)mean_ns);
}

uint64_t chance_skewed(uint64_t median_ns, double spread)
{
	double normal = sqrt(-2 * log(unit())) * cos(2 * M_PI * unit());

	return (uint64_t)(exp(normal * spread) * (double)median_ns);
}
