// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/addr.h"
#include "lib/cleanup.h"

static void reads_and_writes(void **state)
{
	static const struct {
		const char *in, *out;
	} samples[] = {
		{ "10.0.0.2:5432", "10.0.0.2:5432" },
		{ "0.0.0.0:0", "0.0.0.0:0" },
		{ "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "[fe80::1]:5432", "[fe80::1]:5432" },
		{ "[FE80:0::1]:5432", "[fe80::1]:5432" },
		{ "[::]:1", "[::]:1" },
		{ "[::1]:05432", "[::1]:5432" },
		{ "[::ffff:10.0.0.2]:5432", "10.0.0.2:5432" },
		{ "[::ffff:a00:2]:5432", "10.0.0.2:5432" },
		{ "[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
		  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535" },
	};
	char text[ADDR_TEXT_LEN];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(addr_parse(samples[i].in, &a), 0);
		assert_string_equal(addr_format(&a, text), samples[i].out);
	}
}

static void maps_ipv4(void **state)
{
	static const uint8_t want[16] = { [10] = 0xff, 0xff, 10, 0, 0, 2 };
	struct addr a;

	(void)state;
	assert_int_equal(addr_parse("10.0.0.2:5432", &a), 0);
	assert_memory_equal(a.ip, want, 16);
	assert_int_equal(a.port, 5432);
}

static void refuses(void **state)
{
	static const char *const samples[] = {
		"",
		"10.0.0.2",
		"10.0.0.2:",
		":5432",
		"10.0.0.2:65536",
		"10.0.0.2:-1",
		"10.0.0.2:+1",
		"10.0.0.2: 1",
		"10.0.0.2:1 ",
		"10.0.0.2:99999999999999999999",
		"10.0.0:1",
		"10.0.0.256:1",
		"010.0.0.2:1",
		" 10.0.0.2:1",
		"::1:5432",
		"[::1]",
		"[::1]5432",
		"[::1:5432",
		"::1]:5432",
		"[]:5432",
		"[:",
		"[10.0.0.2]:1",
		"localhost:5432",
		"[fe80::1%lo]:1",
		"[::1]]:1",
		"[[::1]:1",
		"[11111111111111111111111111111111111111111111111111111111111111]:1",
	};
	struct addr a, before;

	(void)state;
	memset(&a, 0xa5, sizeof(a));
	before = a;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (addr_parse(samples[i], &a) != -EINVAL)
			fail_msg("'%s' was taken", samples[i]);
		assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void compares(void **state)
{
	struct addr a, b;

	(void)state;
	assert_int_equal(addr_parse("10.0.0.2:1", &a), 0);
	assert_int_equal(addr_parse("[::ffff:10.0.0.2]:1", &b), 0);
	assert_true(addr_equal(&a, &b));
	b.port = 2;
	assert_false(addr_equal(&a, &b));
	b = a;
	b.ip[15]++;
	assert_false(addr_equal(&a, &b));
}

static const char *text_of(const struct addr *a)
{
	static char text[ADDR_TEXT_LEN];

	return addr_format(a, text);
}

static void names_unix_sockets(void **state)
{
	struct addr a = addr_unix("/run/postgresql/.s.PGSQL.5432"), b;

	(void)state;
	assert_true(addr_is_unix(&a));
	assert_string_equal(text_of(&a), "unix:/run/postgresql/.s.PGSQL.5432");
	b = addr_unix("/run/postgresql/.s.PGSQL.5432");
	assert_true(addr_equal(&a, &b));
	b = addr_unix("/run/mysqld/mysqld.sock");
	assert_false(addr_equal(&a, &b));
	assert_int_equal(addr_parse("unix:/run/mysqld/mysqld.sock", &a), 0);
	assert_true(addr_equal(&a, &b));
	b = addr_unix("");
	assert_string_equal(text_of(&b), "unix");
	assert_int_equal(addr_parse("[ffff::1]:5432", &a), 0);
	assert_false(addr_is_unix(&a));
}

static void forgets_no_path_for_another(void **state)
{
	struct addr first = addr_unix("/first"), a;
	char path[32];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(path, sizeof(path), "/many/%d", i);
		a = addr_unix(path);
		assert_false(addr_equal(&a, &first));
	}
	assert_string_equal(text_of(&first), "unix:/first");
	assert_string_equal(text_of(&a), "unix");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(maps_ipv4),
		cmocka_unit_test(refuses),
		cmocka_unit_test(compares),
		cmocka_unit_test(names_unix_sockets),
		cmocka_unit_test(forgets_no_path_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
