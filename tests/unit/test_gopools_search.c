// SPDX-License-Identifier: GPL-2.0-or-later
/* sql.DBs in a process's memory, found by what nothing else has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gopools/search.h"
#include "lib/cleanup.h"

#define BASE	   0xc000000000
#define WORDS	   8192
#define QUEUE_SIZE 1000000
#define INTERFACE  20
#define POINTER	   22

static struct {
	uint64_t words[WORDS];
	uint64_t gap_at, gap_end; /* is not there */
	uint64_t used;
	uint64_t end;		  /* of what is said to be there */
} space;

static bool read_space(const struct go_span *spans, size_t n, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = spans[i].address;

		if (at < BASE || at + spans[i].size > BASE + sizeof(space.words))
			return false;
		memcpy(spans[i].to, (const uint8_t *)space.words + (at - BASE), spans[i].size);
	}
	return true;
}

static bool next_piece(uint64_t from, uint64_t *ret_at, uint64_t *ret_end, void *arg)
{
	(void)arg;
	*ret_at = from < BASE ? BASE : from;
	*ret_end = space.end;
	if (*ret_at < space.gap_at)
		*ret_end = space.gap_at;
	else if (*ret_at < space.gap_end)
		*ret_at = space.gap_end;
	return *ret_at < *ret_end;
}

static const struct go_memory memory = { read_space, NULL };
static const struct go_pages pages = { next_piece, NULL };
static struct search search;

static uint64_t take(size_t words)
{
	uint64_t at = BASE + space.used * 8;

	space.used += words;
	assert_true(space.used < WORDS);
	return at;
}

static void put(uint64_t at, uint64_t word)
{
	space.words[(at - BASE) / 8] = word;
}

static uint64_t make_channel(uint64_t size)
{
	uint64_t at = take(12);

	put(at + 8, size);
	put(at + 16, at + 16);
	return at;
}

/* A table whose first word is the address of a type of that kind. */
static uint64_t make_table(uint64_t kind)
{
	uint64_t table = take(4), type = take(6);

	put(table, type);
	put(type + 16, kind << 56);
	return table;
}

static uint64_t make_db(uint64_t channel, uint64_t table)
{
	uint64_t at = take(32);

	put(at + search.layout.at[GO_DB_OPENER], channel);
	put(at + search.layout.at[GO_DB_CONNECTOR], table);
	return at;
}

static int setup(void **state)
{
	const struct go_facts facts = { .read = true, .is_go = true, .version = "go1.19.8",
					.function_at = 1, .fields = { -1 } };

	(void)state;
	memset(&space, 0, sizeof(space));
	space.end = BASE + sizeof(space.words);
	search = (struct search){ .count = 7 };
	return go_layout_of(&facts, &search.layout);
}

static void finds_each(void **state)
{
	uint64_t table = make_table(INTERFACE), dbs[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dbs); i++)
		dbs[i] = make_db(make_channel(QUEUE_SIZE), table);
	search_run(&memory, &pages, &search);
	assert_true(search.whole);
	assert_int_equal(search.count, ARRAY_SIZE(dbs));
	assert_memory_equal(search.found, dbs, sizeof(dbs));
}

static void takes_nothing_else_for_one(void **state)
{
	uint64_t table = make_table(INTERFACE), channel = make_channel(QUEUE_SIZE), db;

	(void)state;
	put(take(32), channel);				/* a stack has its address, too */
	(void)make_db(channel, make_table(POINTER));
	(void)make_db(make_channel(10), table);		/* another channel */
	put(make_db(channel, table) + search.layout.at[GO_DB_CLOSED], 1);
	put(make_channel(QUEUE_SIZE) + 16, BASE);	/* of something, not of nothing */
	(void)make_db(channel, 0xdead000);
	search_run(&memory, &pages, &search);
	assert_int_equal(search.count, 0);
	db = make_db(channel, table);
	search_run(&memory, &pages, &search);
	assert_int_equal(search.count, 1);
	assert_int_equal(search.found[0], db);
}

static void leaves_alone_what_is_not_there(void **state)
{
	uint64_t table = make_table(INTERFACE), db = make_db(make_channel(QUEUE_SIZE), table);

	(void)state;
	space.gap_at = take(512);
	(void)make_db(make_channel(QUEUE_SIZE), table);
	space.gap_end = BASE + space.used * 8;
	search_run(&memory, &pages, &search);
	assert_true(search.whole);
	assert_int_equal(search.count, 1);
	assert_int_equal(search.found[0], db);
}

static void ends_in_a_large_memory_and_says_so(void **state)
{
	(void)make_db(make_channel(QUEUE_SIZE), make_table(INTERFACE));
	(void)state;
	space.end = BASE + (1ULL << 40);
	search_run(&memory, &pages, &search);
	assert_false(search.whole);
	assert_int_equal(search.count, 0);	/* the block that has it ends outside */
}

static void finds_no_more_than_there_is_room_for(void **state)
{
	uint64_t table = make_table(INTERFACE);

	(void)state;
	for (size_t i = 0; i < SEARCH_FOUND_MAX + 10; i++)
		(void)make_db(make_channel(QUEUE_SIZE), table);
	search_run(&memory, &pages, &search);
	assert_int_equal(search.count, SEARCH_FOUND_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds_each, setup),
		cmocka_unit_test_setup(takes_nothing_else_for_one, setup),
		cmocka_unit_test_setup(leaves_alone_what_is_not_there, setup),
		cmocka_unit_test_setup(ends_in_a_large_memory_and_says_so, setup),
		cmocka_unit_test_setup(finds_no_more_than_there_is_room_for, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
