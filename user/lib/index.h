/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash index over somebody else's array: finds the number of an element.
 *
 * Open addressing with linear probing, at most half full, allocated once.  The
 * caller hashes; the index keeps 32 bits of the hash, so that taking one out
 * needs no second look at the others.
 */
#ifndef PLIMSOLL_INDEX_H
#define PLIMSOLL_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

struct index_cell {
	uint32_t hash;
	uint32_t element;	/* plus one; 0: empty */
};

struct index {
	struct index_cell *cells;
	uint32_t mask;
	uint64_t seed;		/* for the caller's hash: a neighbour cannot choose collisions */
};

/* Whether element `n` of `array` is the one with `key`. */
typedef bool (*index_same_fn)(const void *array, uint32_t n, const void *key);

/* Room for `capacity` elements.  0, -ENOMEM, or -errno when there is no seed to be had. */
int index_init(struct index *x, uint32_t capacity);
void index_done(struct index *x);
void index_clear(struct index *x);

/* Adds element `n`, which must not be in it. */
void index_put(struct index *x, uint64_t hash, uint32_t n);

/* Takes element `n` out; nothing happens when it is not in it. */
void index_remove(struct index *x, uint64_t hash, uint32_t n);

/* The number of the element with `key`, or INDEX_NONE. */
uint32_t index_find(const struct index *x, uint64_t hash, index_same_fn same, const void *array,
		    const void *key);

#endif
