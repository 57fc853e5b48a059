// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "level/balance.h"

/* The first step after `ns`, or count. */
static uint32_t after(const struct balance *b, uint64_t ns)
{
	uint32_t low = 0, high = b->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (b->step[middle].ns <= ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int32_t open_before(const struct balance *b, uint32_t n)
{
	return n ? b->step[n - 1].open : b->before;
}

static void forget_oldest(struct balance *b)
{
	b->before = b->step[0].open;
	b->forgot = true;
	b->count--;
	memmove(&b->step[0], &b->step[1], b->count * sizeof(b->step[0]));
}

void balance_step(struct balance *b, uint64_t ns, int32_t by)
{
	uint32_t n;

	if (b->count == STEPS)
		forget_oldest(b);
	n = after(b, ns);
	memmove(&b->step[n + 1], &b->step[n], (b->count - n) * sizeof(b->step[0]));
	b->step[n] = (struct change){ ns, open_before(b, n) };
	b->count++;
	for (; n < b->count; n++)
		b->step[n].open += by;
}

bool balance_knows(const struct balance *b, uint64_t ns)
{
	return !b->forgot || b->step[0].ns <= ns;
}

int32_t balance_now(const struct balance *b)
{
	return open_before(b, b->count);
}

int32_t balance_at(const struct balance *b, uint64_t ns)
{
	return open_before(b, after(b, ns));
}

struct rises balance_rises(const struct balance *b, uint32_t most, uint64_t ns)
{
	struct rises r = { 0 };
	uint64_t later_ns = 0;

	for (uint32_t n = b->count; n && r.count < most; n--) {
		const struct change *s = &b->step[n - 1];

		if (s->open < open_before(b, n - 1))
			continue;
		if (r.count && later_ns - s->ns <= ns) {
			r.near++;
			r.near_ns += later_ns - s->ns;
		}
		later_ns = s->ns;
		r.count++;
	}
	return r;
}

int32_t balance_most(const struct balance *b, uint64_t from_ns, uint64_t until_ns)
{
	int32_t most = balance_at(b, from_ns);

	for (uint32_t n = after(b, from_ns); n < b->count && b->step[n].ns < until_ns; n++)
		most = b->step[n].open > most ? b->step[n].open : most;
	return most;
}
