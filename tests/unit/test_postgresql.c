// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read out of PostgreSQL's start-up packet, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"

struct names {
	char user[NAME_LEN], database[NAME_LEN];
};

#define HEAD "\0\0\0\x30\0\x03\0\0"
/* The array's own NUL is the last byte of the packet. */
#define PACKET(pairs) (const uint8_t *)HEAD pairs, sizeof(HEAD pairs)

static const struct protocol *postgresql(void)
{
	for_each(protocol, it)
		if (strcmp((*it)->name, "postgresql") == 0)
			return *it;
	fail_msg("postgresql is not registered");
	return NULL;
}

/* Reads from memory that ends where the packet ends, so that one byte too far is seen. */
static struct names names_of(const uint8_t *bytes, size_t len)
{
	struct names n = { "", "" };
	uint8_t *exact = test_malloc(len ? len : 1);

	memcpy(exact, bytes, len);
	postgresql()->startup(exact, len, n.user, n.database);
	test_free(exact);
	return n;
}

static void registered_with_wire_and_port(void **state)
{
	(void)state;
	assert_int_equal(postgresql()->wire, WIRE_POSTGRESQL);
	assert_int_equal(postgresql()->usual_port, 5432);
}

static void reads_user_and_database(void **state)
{
	struct names n = names_of(PACKET("user\0app\0database\0shop\0client_encoding\0UTF8\0"));

	(void)state;
	assert_string_equal(n.user, "app");
	assert_string_equal(n.database, "shop");
}

static void takes_the_order_as_it_comes(void **state)
{
	struct names n = names_of(PACKET("application_name\0x\0database\0shop\0user\0app\0"));

	(void)state;
	assert_string_equal(n.user, "app");
	assert_string_equal(n.database, "shop");
}

static void absent_database_is_the_user(void **state)
{
	struct names absent = names_of(PACKET("user\0app\0"));
	struct names empty = names_of(PACKET("user\0app\0database\0\0"));

	(void)state;
	assert_string_equal(absent.database, "app");
	assert_string_equal(empty.database, "app");
}

static void a_value_is_not_taken_for_a_key(void **state)
{
	struct names n = names_of(PACKET("application_name\0user\0user\0app\0database\0shop\0"));

	(void)state;
	assert_string_equal(n.user, "app");
	assert_string_equal(n.database, "shop");
}

static void cut_in_a_value_leaves_that_name(void **state)
{
	static const uint8_t packet[] = HEAD "user\0app\0database\0sh";
	struct names n = names_of(packet, sizeof(packet) - 1);

	(void)state;
	assert_string_equal(n.user, "app");
	/* Cut, not absent: it is not the user's name. */
	assert_string_equal(n.database, "");
}

static void cut_anywhere_is_never_read_beyond(void **state)
{
	static const uint8_t packet[] = HEAD "user\0app\0database\0shop\0options\0-c x=y\0";

	(void)state;
	for (size_t len = 0; len <= sizeof(packet); len++) {
		struct names n = names_of(packet, len);

		assert_true(!*n.user || strcmp(n.user, "app") == 0);
		assert_true(!*n.database || strcmp(n.database, "shop") == 0);
	}
}

static void too_short_for_its_head(void **state)
{
	struct names n = names_of((const uint8_t *)"\0\0\0\x08", 4);

	(void)state;
	assert_string_equal(n.user, "");
	assert_string_equal(n.database, "");
}

static void what_is_not_there_stays(void **state)
{
	struct names n = { "before", "then" };

	(void)state;
	postgresql()->startup(PACKET("options\0none\0"), n.user, n.database);
	assert_string_equal(n.user, "before");
	assert_string_equal(n.database, "then");
}

static void long_names_are_cut_and_end(void **state)
{
	uint8_t packet[400] = HEAD "user\0";
	struct names n;

	(void)state;
	memset(packet + 13, 'u', 300);
	n = names_of(packet, sizeof(packet));
	assert_int_equal(strlen(n.user), NAME_LEN - 1);
	assert_int_equal(strlen(n.database), NAME_LEN - 1);
}

static void a_shorter_name_leaves_nothing_of_the_longer(void **state)
{
	static const char zeros[NAME_LEN];
	struct names n = { "a-very-long-name", "x" };

	(void)state;
	postgresql()->startup(PACKET("user\0app\0"), n.user, n.database);
	assert_memory_equal(n.user + 4, zeros, NAME_LEN - 4);
}

static void control_characters_stay_raw(void **state)
{
	struct names n = names_of(PACKET("user\0a\x1b[31m\n\xff\0"));

	(void)state;
	assert_string_equal(n.user, "a\x1b[31m\n\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registered_with_wire_and_port),
		cmocka_unit_test(reads_user_and_database),
		cmocka_unit_test(takes_the_order_as_it_comes),
		cmocka_unit_test(absent_database_is_the_user),
		cmocka_unit_test(a_value_is_not_taken_for_a_key),
		cmocka_unit_test(cut_in_a_value_leaves_that_name),
		cmocka_unit_test(cut_anywhere_is_never_read_beyond),
		cmocka_unit_test(too_short_for_its_head),
		cmocka_unit_test(what_is_not_there_stays),
		cmocka_unit_test(long_names_are_cut_and_end),
		cmocka_unit_test(a_shorter_name_leaves_nothing_of_the_longer),
		cmocka_unit_test(control_characters_stay_raw),
	};

	return cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
}
