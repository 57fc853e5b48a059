// SPDX-License-Identifier: GPL-2.0-or-later
/* What the reader says of an executable that may be Go's. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gopools/layout.h"
#include "program_kit.h"

static const char source[] = "package main\n"
			     "import \"database/sql\"\n"
			     "func main() {\n"
			     "	db, err := sql.Open(\"none\", \"\")\n"
			     "	if err == nil { _ = db.Ping() }\n"
			     "}\n";
static const char other_source[] = "package main\nfunc main() { println(1) }\n";

static void build(const struct place_for_files *d, const char *text, const char *flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/main.go", d->path);
	write_file(path, text, strlen(text));
	sh("cd %s && GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOCACHE=%s/cache go build %s -o program "
	   "main.go", d->path, d->path, flags);
}

static struct go_facts ask(const struct place_for_files *d, const struct go_question *q)
{
	struct lookup *l = NULL;
	struct symbols *s = NULL;
	struct go_facts facts;
	char path[128];
	int pin;

	(void)snprintf(path, sizeof(path), "%s/program", d->path);
	pin = open(path, O_PATH | O_CLOEXEC);
	assert_int_equal(symbols_new(NULL, reader_path(), &s), 0);
	assert_int_equal(symbols_start_go(s, (uint32_t)getpid(), pin, q, &l), 0);
	while (!lookup_step(l)) {
		struct pollfd p = { .fd = lookup_fd(l), .events = POLLIN };

		(void)poll(&p, 1, 100);
	}
	facts = *lookup_go(l);
	lookup_free(l);
	symbols_free(s);
	(void)close(pin);
	return facts;
}

/* The address that Go's own tool gives, as a place in the file. */
static uint64_t function_by_tool(const struct place_for_files *d)
{
	unsigned long long address = 0, at = 0, from = 0, size = 0, found = 0;
	_free_ char *command = NULL, *line = NULL;
	size_t room = 0;
	FILE *f;

	assert_true(asprintf(&command, "cd %s && go tool nm program | grep 'sql.(\\*DB).conn$' && "
				       "readelf -lW program | grep LOAD", d->path) > 0);
	f = popen(command, "r");
	assert_non_null(f);
	assert_true(fscanf(f, "%llx %*[^\n]", &address) == 1);
	while (getline(&line, &room, f) > 0)
		if (sscanf(line, " LOAD %llx %llx %*x %llx", &at, &from, &size) == 3 &&
		    address >= from && address < from + size)
			found = at + (address - from);
	(void)pclose(f);
	return found;
}

static void knows_where_pools_are_asked(void **state)
{
	static const char *const flags[] = { "", "-buildmode=pie" };
	const struct place_for_files *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct go_facts f;

		build(d, source, flags[i]);
		f = ask(d, &go_pool_question);
		assert_true(f.read && f.is_go);
		assert_int_equal(strncmp(f.version, "go1.", 4), 0);
		assert_true(f.function_at != 0);
		assert_int_equal(f.function_at, function_by_tool(d));
	}
}

/* What debug information says is what stands in our table for this version. */
static void layouts_agree(void **state)
{
	const struct place_for_files *d = *state;
	struct go_facts by_types, by_version;
	struct go_layout a, b;

	build(d, source, "");
	by_types = ask(d, &go_pool_question);
	build(d, source, "-ldflags='-s -w' -buildmode=pie");
	by_version = ask(d, &go_pool_question);
	assert_true(by_version.function_at != 0);
	for (size_t i = 0; i < GO_FIELD_MAX; i++) {
		assert_true(by_types.fields[i] >= 0);
		assert_int_equal(by_version.fields[i], -1);
	}
	assert_int_equal(go_layout_of(&by_types, &a), 0);
	assert_int_equal(go_layout_of(&by_version, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void others_have_no_pools(void **state)
{
	const struct place_for_files *d = *state;
	struct go_layout layout;
	struct go_facts f;
	char path[128];

	build(d, other_source, "");
	f = ask(d, &go_pool_question);
	assert_true(f.read && f.is_go && !f.function_at);
	assert_int_equal(go_layout_of(&f, &layout), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/main.c", d->path);
	write_file(path, "int main(void) { return 0; }\n", 29);
	sh("cd %s && gcc -o program main.c", d->path);
	f = ask(d, &go_pool_question);
	assert_true(f.read && !f.is_go);
	sh("cd %s && head -c 200000 /dev/urandom > program", d->path);
	f = ask(d, &go_pool_question);
	assert_false(f.is_go || f.function_at);
	assert_int_equal(go_layout_of(&f, &layout), -ENOENT);
}

/* Cut anywhere, or with other bytes in it: an answer, or none, and no harm. */
static void broken_files_are_survived(void **state)
{
	const struct place_for_files *d = *state;
	struct go_layout layout;

	build(d, source, "-ldflags='-s -w'");
	sh("cd %s && mv program whole", d->path);
	for (unsigned int i = 1; i < 8; i++) {
		sh("cd %s && head -c $(($(stat -c %%s whole) * %u / 8)) whole > program", d->path, i);
		(void)ask(d, &go_pool_question);
		sh("cd %s && cp whole program && dd if=/dev/urandom of=program bs=4096 count=40 "
		   "seek=$(($(stat -c %%s whole) * %u / 8 / 4096)) conv=notrunc 2>/dev/null",
		   d->path, i);
		struct go_facts f = ask(d, &go_pool_question);

		(void)go_layout_of(&f, &layout);
	}
}

int main(void)
{
#define WITH_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(knows_where_pools_are_asked),
		WITH_DIRECTORY(layouts_agree),
		WITH_DIRECTORY(others_have_no_pools),
		WITH_DIRECTORY(broken_files_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
