// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read out of the names that the kernel side makes of MySQL's login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"

#define CAPS "\x8d\xa6\xff\x19"
/* The array's own NUL ends the last name. */
#define RECORD(names) (const uint8_t *)CAPS names, sizeof(CAPS names)

static const struct protocol *mysql(void)
{
	for_each(protocol, it)
		if (strcmp((*it)->name, "mysql") == 0)
			return *it;
	fail_msg("mysql is not registered");
	return NULL;
}

/* Reads from memory that ends where the record ends, so that one byte too far is seen. */
static void read_names(const uint8_t *bytes, size_t len, char user[static NAME_LEN],
		       char database[static NAME_LEN])
{
	uint8_t *exact = test_malloc(len ? len : 1);

	memcpy(exact, bytes, len);
	mysql()->startup(exact, len, user, database);
	test_free(exact);
}

static void registered_with_wire_and_port(void **state)
{
	(void)state;
	assert_int_equal(mysql()->wire, WIRE_MYSQL);
	assert_int_equal(mysql()->usual_port, 3306);
	assert_string_equal(mysql()->server_comms[0], "mariadbd");
	assert_string_equal(mysql()->server_comms[1], "mysqld");
}

static void goodbye_is_com_quit(void **state)
{
	static const uint8_t quit[] = { 1, 0, 0, 0, 1 };

	(void)state;
	assert_int_equal(mysql()->goodbye_len, sizeof(quit));
	assert_memory_equal(mysql()->goodbye, quit, sizeof(quit));
}

static void reads_user_and_database(void **state)
{
	char user[NAME_LEN] = "", database[NAME_LEN] = "";

	(void)state;
	read_names(RECORD("app\0shop"), user, database);
	assert_string_equal(user, "app");
	assert_string_equal(database, "shop");
}

static void another_user_may_have_no_database(void **state)
{
	char user[NAME_LEN] = "app", database[NAME_LEN] = "shop";

	(void)state;
	read_names(RECORD("other\0"), user, database);
	assert_string_equal(user, "other");
	assert_string_equal(database, "");
}

static void a_name_counts_only_with_its_end(void **state)
{
	static const uint8_t cut[] = CAPS "app\0shop";
	char user[NAME_LEN] = "before", database[NAME_LEN] = "before";

	(void)state;
	read_names(cut, 0, user, database);
	read_names(cut, 4, user, database);
	read_names(cut, 6, user, database);
	assert_string_equal(user, "before");
	read_names(cut, sizeof(cut) - 2, user, database);
	assert_string_equal(user, "app");
	assert_string_equal(database, "before");
}

static void a_name_too_long_is_cut(void **state)
{
	char user[NAME_LEN] = "", database[NAME_LEN] = "";
	uint8_t record[4 + 2 * NAME_LEN + 2] = CAPS;

	(void)state;
	memset(record + 4, 'u', 2 * NAME_LEN);
	read_names(record, sizeof(record), user, database);
	assert_int_equal(strlen(user), NAME_LEN - 1);
	assert_string_equal(database, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registered_with_wire_and_port),
		cmocka_unit_test(goodbye_is_com_quit),
		cmocka_unit_test(reads_user_and_database),
		cmocka_unit_test(another_user_may_have_no_database),
		cmocka_unit_test(a_name_counts_only_with_its_end),
		cmocka_unit_test(a_name_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
