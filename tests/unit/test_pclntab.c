// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "symbols/pclntab.h"

/*
 * Two functions: "a.F" at 0x1000 of 16 bytes in "f.go", into which at 4..8 one of
 * "g.go" is inlined; "b.G" at 0x1010 of 8 bytes.
 */
struct table {
	struct {
		uint32_t magic;
		uint8_t zero[2], quantum, word;
		uint64_t functions, files, text, names, units, file_names, programs, table;
	} head;
	char names[16];	   /* "\0a.F\0b.G\0" */
	uint32_t units[2]; /* file number -> place in file_names */
	char file_names[16];
	uint8_t programs[48];
	uint32_t table[5]; /* entry, record, entry, record, end */
	struct {
		uint32_t entry, name, args, deferreturn, sp, file, line, data_count, unit;
		uint32_t tail[2]; /* the second only since 1.20 */
		uint32_t data[3];
	} records[2];
};

#define PART(member) offsetof(struct table, member)

/* Change by (zigzag), for so many bytes of code; ends with 0. */
static const uint8_t file_program[] = { 2, 4, 2, 4, 1, 8, 0 };		  /* 0, 1, 0 */
static const uint8_t line_program[] = { 22, 4, 200, 1, 4, 199, 1, 8, 0 }; /* 10, 110, 10 */
static const uint8_t inline_program[] = { 0, 4, 2, 4, 1, 8, 0 };	  /* -1, 0, -1 */

static struct table good_table(uint32_t magic)
{
	struct table t = {
		.head = {
			.magic = magic,
			.quantum = 1,
			.word = 8,
			.functions = 2,
			.files = 2,
			.text = 0x1000,
			.names = PART(names),
			.units = PART(units),
			.file_names = PART(file_names),
			.programs = PART(programs),
			.table = PART(table),
		},
		.names = "\0a.F\0b.G",
		.units = { 0, 5 },
		.file_names = "f.go\0g.go",
		.table = { 0, PART(records[0]) - PART(table), 16, PART(records[1]) - PART(table), 24 },
		.records = {
			{ .name = 1, .file = 1, .line = 11, .data_count = 3 },
			{ .entry = 16, .name = 5 },
		},
	};

	/* A program at 0 means there is none. */
	memcpy(t.programs + 1, file_program, sizeof(file_program));
	memcpy(t.programs + 11, line_program, sizeof(line_program));
	memcpy(t.programs + 31, inline_program, sizeof(inline_program));
	t.records[0].data[magic == 0xfffffff0 ? 1 : 2] = 31;
	return t;
}

static void names_function_file_and_line(void **state)
{
	static const uint32_t magics[] = { 0xfffffff0, 0xfffffff1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		struct table bytes = good_table(magics[i]);
		struct pclntab_place p = { 0 };
		struct pclntab t;

		assert_int_equal(pclntab_open(&bytes, sizeof(bytes), 0, &t), 0);
		assert_true(pclntab_find(&t, 0x1000, &p));
		assert_string_equal(p.function, "a.F");
		assert_string_equal(p.file, "f.go");
		assert_int_equal(p.line, 10);
		assert_false(p.inlined);
		/* In the inlined one: the line of the call. */
		assert_true(pclntab_find(&t, 0x1005, &p));
		assert_string_equal(p.function, "a.F");
		assert_string_equal(p.file, "f.go");
		assert_int_equal(p.line, 10);
		assert_true(p.inlined);
		assert_true(pclntab_find(&t, 0x100f, &p));
		assert_false(p.inlined);
		assert_true(pclntab_find(&t, 0x1010, &p));
		assert_string_equal(p.function, "b.G");
		assert_false(pclntab_find(&t, 0x1018, &p));
		assert_false(pclntab_find(&t, 0xfff, &p));
	}
}

static void takes_the_start_it_is_told(void **state)
{
	struct table bytes = good_table(0xfffffff1);
	struct pclntab_place p = { 0 };
	struct pclntab t;

	(void)state;
	bytes.head.text = 0;
	assert_int_equal(pclntab_open(&bytes, sizeof(bytes), 0x7000, &t), 0);
	assert_true(pclntab_find(&t, 0x7000, &p));
	assert_string_equal(p.function, "a.F");
}

static void refuses_what_is_no_table(void **state)
{
	const struct table good = good_table(0xfffffff1);
	struct table bad[9];
	struct pclntab t, before;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].head.magic = 0xfffffffb;
	bad[1].head.word = 4;
	bad[2].head.quantum = 0;
	bad[3].head.zero[1] = 1;
	bad[4].head.functions = 0;
	bad[5].head.functions = UINT64_MAX / 8;
	bad[6].head.names = sizeof(good) + 1;
	bad[7].head.table = UINT64_MAX;
	bad[8].head.programs = UINT64_MAX - 8;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		t = before;
		assert_int_equal(pclntab_open(&bad[i], sizeof(bad[i]), 0, &t), -EINVAL);
		assert_memory_equal(&t, &before, sizeof(t));
	}
	for (size_t size = 0; size < PART(table) + 20; size++)
		assert_int_equal(pclntab_open(&good, size, 0, &t), -EINVAL);
}

/* Each cut in memory of its own, and each word bent: a byte too far is seen by ASan. */
static void reads_nothing_else(void **state)
{
	static const uint32_t absurd[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
	const struct table good = good_table(0xfffffff1);

	(void)state;
	for (size_t size = 0; size <= sizeof(good); size++) {
		for (size_t at = 0; at + 4 <= size; at += 4) {
			_free_ uint8_t *bytes = malloc(size ?: 1);
			struct pclntab_place p = { 0 };
			struct pclntab t;

			assert_non_null(bytes);
			memcpy(bytes, &good, size);
			memcpy(bytes + at, &absurd[(size + at / 4) % ARRAY_SIZE(absurd)], 4);
			if (pclntab_open(bytes, size, 0x1000, &t))
				continue;
			for (uint64_t pc = 0xffe; pc < 0x101a; pc++)
				if (pclntab_find(&t, pc, &p))
					assert_true(strlen(p.function) < size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_function_file_and_line),
		cmocka_unit_test(takes_the_start_it_is_told),
		cmocka_unit_test(refuses_what_is_no_table),
		cmocka_unit_test(reads_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
