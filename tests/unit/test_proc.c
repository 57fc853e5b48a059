// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/proc.h"

#define NUMBERS " 5 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "

static void survives_any_name(void **state)
{
	static const char *const names[] = {
		"cat", "",	    "two words",	")",
		"(",   "a) R 1 (b", ") Z 1 2 3 4\n5 6", "123456789012345",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct proc_stat st;

		(void)snprintf(text, sizeof(text), "77 (%s) S 42" NUMBERS "987654 1\n", names[i]);
		assert_int_equal(proc_stat_parse(text, &st), 0);
		assert_string_equal(st.comm, names[i]);
		assert_int_equal(st.state, 'S');
		assert_int_equal(st.ppid, 42);
		assert_int_equal(st.start_ticks, 987654);
	}
}

static void refuses_what_is_no_stat(void **state)
{
	static const char *const samples[] = {
		"",
		"77",
		"77 (cat",
		"77 cat) S 1",
		")77 (cat S 1",
		"77 (cat)",
		"77 (cat) S",
		"77 (cat) S 42 5 5",
		"77 (cat) S x" NUMBERS "1",
		"77 (cat) S 42" NUMBERS "x",
	};
	struct proc_stat st, before;

	(void)state;
	memset(&st, 0xa5, sizeof(st));
	before = st;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (proc_stat_parse(samples[i], &st) != -EINVAL)
			fail_msg("'%s' was taken", samples[i]);
		assert_memory_equal(&st, &before, sizeof(st));
	}
}

static void reads_a_hostile_child(void **state)
{
	int ready[2], go[2], status;
	struct proc_stat st = { 0 };
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		(void)close(go[1]);
		(void)prctl(PR_SET_NAME, "x) R 1 (\n y");
		_exit(write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(proc_stat((uint32_t)child, &st), 0);
	assert_string_equal(st.comm, "x) R 1 (\n y");
	assert_int_equal(st.ppid, getpid());
	assert_true(strchr("RS", st.state));
	assert_true(st.start_ticks > 0);

	(void)close(go[1]);
	(void)close(go[0]);
	(void)close(ready[0]);
	(void)close(ready[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(proc_stat((uint32_t)child, &st), -ESRCH);
}

static void picks_the_cgroup(void **state)
{
	static const struct {
		const char *text, *path;
	} samples[] = {
		{ "0::/system.slice/a.service\n", "/system.slice/a.service" },
		{ "0::/\n", "/" },
		{ "0::/a", "/a" },
		{ "", "" },
		{ "nonsense\n", "" },
		{ "12:cpu,cpuacct:/b\n", "" },
		{ "12:cpu:/b\n1:name=systemd:/c\n0::/\n", "/c" },
		{ "12:cpu:/b\n1:name=systemd:/c\n0::/d\n", "/d" },
		{ "12:cpu:/b\n1:name=systemd:/c\n", "/c" },
		{ "1:name=systemd:/\n0::/\n", "/" },
		{ "0::/with:colons:0::/x\n", "/with:colons:0::/x" },
		{ "10::/not-it\n", "" },
		{ "2:name=elogind:/e\n0::/\n", "/" },
	};
	char path[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		proc_cgroup_parse(samples[i].text, path, sizeof(path));
		assert_string_equal(path, samples[i].path);
	}
	proc_cgroup_parse("0::/123456789\n", path, 10);
	assert_string_equal(path, "");
	proc_cgroup_parse("0::/12345678\n", path, 10);
	assert_string_equal(path, "/12345678");
}

static void knows_itself(void **state)
{
	char path[4096], self[4096] = "";

	(void)state;
	proc_exe((uint32_t)getpid(), path, sizeof(path));
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_string_equal(path, self);
	proc_exe((uint32_t)getpid(), path, strlen(self));
	assert_string_equal(path, "");
	proc_exe(0, path, sizeof(path));
	assert_string_equal(path, "");

	proc_cgroup((uint32_t)getpid(), path, sizeof(path));
	assert_int_equal(path[0], '/');
	proc_cgroup(0, path, sizeof(path));
	assert_string_equal(path, "");
}

static void tags_the_boot(void **state)
{
	_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	char id[5] = "";

	(void)state;
	assert_non_null(f);
	assert_int_equal(fread(id, 1, 4, f), 4);
	assert_string_equal(proc_boot_tag(), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_any_name),
		cmocka_unit_test(refuses_what_is_no_stat),
		cmocka_unit_test(reads_a_hostile_child),
		cmocka_unit_test(picks_the_cgroup),
		cmocka_unit_test(knows_itself),
		cmocka_unit_test(tags_the_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
