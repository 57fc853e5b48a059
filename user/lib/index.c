// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/index.h"

int index_init(struct index *x, uint32_t capacity)
{
	struct index made = { 0 };
	uint64_t cells = 8;

	while (cells < 2 * (uint64_t)capacity)
		cells *= 2;
	if (cells > UINT32_MAX)
		return -ENOMEM;
	if (getrandom(&made.seed, sizeof(made.seed), 0) != sizeof(made.seed))
		return -EIO;
	made.cells = calloc(cells, sizeof(*made.cells));
	if (!made.cells)
		return -ENOMEM;
	made.mask = (uint32_t)(cells - 1);
	*x = made;
	return 0;
}

void index_done(struct index *x)
{
	free(x->cells);
	*x = (struct index){ 0 };
}

void index_clear(struct index *x)
{
	memset(x->cells, 0, ((size_t)x->mask + 1) * sizeof(*x->cells));
}

void index_put(struct index *x, uint64_t hash, uint32_t n)
{
	uint32_t i = (uint32_t)hash & x->mask;

	while (x->cells[i].element)
		i = (i + 1) & x->mask;
	x->cells[i] = (struct index_cell){ .hash = (uint32_t)hash, .element = n + 1 };
}

/* Moves what follows a hole back into it, so that no probe ends too early. */
static void close_hole(struct index *x, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & x->mask; x->cells[i].element; i = (i + 1) & x->mask) {
		uint32_t home = x->cells[i].hash & x->mask;

		/* Would it be found from the hole, walking on from its home? */
		if (((i - home) & x->mask) < ((i - hole) & x->mask))
			continue;
		x->cells[hole] = x->cells[i];
		hole = i;
	}
	x->cells[hole] = (struct index_cell){ 0 };
}

void index_remove(struct index *x, uint64_t hash, uint32_t n)
{
	for (uint32_t i = (uint32_t)hash & x->mask; x->cells[i].element; i = (i + 1) & x->mask) {
		if (x->cells[i].element == n + 1) {
			close_hole(x, i);
			return;
		}
	}
}

uint32_t index_find(const struct index *x, uint64_t hash, index_same_fn same, const void *array,
		    const void *key)
{
	for (uint32_t i = (uint32_t)hash & x->mask; x->cells[i].element; i = (i + 1) & x->mask) {
		const struct index_cell *cell = &x->cells[i];

		if (cell->hash == (uint32_t)hash && same(array, cell->element - 1, key))
			return cell->element - 1;
	}
	return INDEX_NONE;
}
