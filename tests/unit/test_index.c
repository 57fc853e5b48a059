// SPDX-License-Identifier: GPL-2.0-or-later
/* The hash index, against a plain array that knows the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/index.h"

#define ELEMENTS 100

static bool same(const void *array, uint32_t n, const void *key)
{
	return ((const uint32_t *)array)[n] == *(const uint32_t *)key;
}

/* Few different hashes, so that probes run into each other and over the end. */
static uint64_t bad_hash(uint32_t key)
{
	return 250 + key % 7;
}

static void finds_what_is_in_it(void **state)
{
	uint32_t keys[ELEMENTS];
	bool in[ELEMENTS] = { false };
	struct index x;
	uint32_t dice = 12345;

	(void)state;
	assert_int_equal(index_init(&x, ELEMENTS), 0);
	assert_int_equal(x.mask, 255);
	for (uint32_t i = 0; i < ELEMENTS; i++)
		keys[i] = i * 31;
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t n = (dice = dice * 1103515245 + 12345) / 65536 % ELEMENTS;

		if (in[n])
			index_remove(&x, bad_hash(keys[n]), n);
		else
			index_put(&x, bad_hash(keys[n]), n);
		in[n] = !in[n];
		for (uint32_t i = 0; i < ELEMENTS; i++)
			assert_int_equal(index_find(&x, bad_hash(keys[i]), same, keys, &keys[i]),
					 in[i] ? i : INDEX_NONE);
	}
	index_clear(&x);
	assert_int_equal(index_find(&x, bad_hash(keys[1]), same, keys, &keys[1]), INDEX_NONE);
	index_done(&x);
}

static void removing_what_is_not_there_does_nothing(void **state)
{
	uint32_t keys[] = { 1, 2 };
	struct index x;

	(void)state;
	assert_int_equal(index_init(&x, 2), 0);
	index_put(&x, 5, 0);
	index_remove(&x, 5, 1);
	index_remove(&x, 6, 0);
	assert_int_equal(index_find(&x, 5, same, keys, &keys[0]), 0);
	index_done(&x);
}

static void too_many_is_refused(void **state)
{
	struct index x = { 0 };

	(void)state;
	assert_true(index_init(&x, UINT32_MAX) < 0);
	assert_null(x.cells);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in_it),
		cmocka_unit_test(removing_what_is_not_there_does_nothing),
		cmocka_unit_test(too_many_is_refused),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
