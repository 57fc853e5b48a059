// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a process's control groups are, out of the kernel's texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/freezer.h"

static void whole_hierarchies_are_found(void **state)
{
	static const struct {
		const char *line, *type, *option, *where;
	} rows[] = {
		{ "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw", "cgroup2",
		  NULL, "/sys/fs/cgroup/unified" },
		{ "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		  "cgroup2", NULL, "/sys/fs/cgroup" },
		{ "37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer", "cgroup",
		  "freezer", "/sys/fs/cgroup/freezer" },
		{ "37 31 0:34 / /cg rw - cgroup cgroup rw,cpu,freezer,pids", "cgroup", "freezer", "/cg" },
		/* another controller, another type, a part of a hierarchy, nonsense */
		{ "37 31 0:34 / /cg rw - cgroup cgroup rw,cpu", "cgroup", "freezer", NULL },
		{ "37 31 0:34 / /cg rw - cgroup cgroup rw,freezers", "cgroup", "freezer", NULL },
		{ "37 31 0:34 / /cg rw - tmpfs tmpfs rw,freezer", "cgroup", "freezer", NULL },
		{ "37 31 0:34 /docker/c1 /cg rw - cgroup2 cgroup2 rw", "cgroup2", NULL, NULL },
		{ "", "cgroup2", NULL, NULL },
		{ " - cgroup2 cgroup2 rw", "cgroup2", NULL, NULL },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool found = freezer_mount_parse(rows[i].line, rows[i].type, rows[i].option, out,
						 sizeof(out));

		assert_int_equal(found, rows[i].where != NULL);
		if (found)
			assert_string_equal(out, rows[i].where);
	}
	assert_false(freezer_mount_parse(rows[0].line, "cgroup2", NULL, out, 8));
}

static void the_path_is_that_of_the_controller(void **state)
{
	const char *text = "12:cpu,cpuacct:/a\n11:devices,freezer:/docker/c1\n10:name=systemd:/b\n"
			   "0::/user.slice/x:y\n";
	char out[64];

	(void)state;
	freezer_path_parse(text, "freezer", out, sizeof(out));
	assert_string_equal(out, "/docker/c1");
	freezer_path_parse(text, "cpu", out, sizeof(out));
	assert_string_equal(out, "/a");
	freezer_path_parse(text, "", out, sizeof(out));
	assert_string_equal(out, "/user.slice/x:y");
	freezer_path_parse(text, "memory", out, sizeof(out));
	assert_string_equal(out, "");
	freezer_path_parse(text, "freezer", out, 5);
	assert_string_equal(out, "");
	freezer_path_parse("0::/../other\n", "", out, sizeof(out));
	assert_string_equal(out, "");
	freezer_path_parse("nonsense\n::\n0::", "", out, sizeof(out));
	assert_string_equal(out, "");
}

static void we_run_and_nobody_who_is_not_there_is_frozen(void **state)
{
	(void)state;
	assert_false(freezer_has((uint32_t)getpid()));
	assert_false(freezer_has(0x7fffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_hierarchies_are_found),
		cmocka_unit_test(the_path_is_that_of_the_controller),
		cmocka_unit_test(we_run_and_nobody_who_is_not_there_is_frozen),
	};

	return cmocka_run_group_tests_name("freezer", tests, NULL, NULL);
}
