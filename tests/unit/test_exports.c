// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of some functions a file has, asked of the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>

#include "lib/exports.h"
#include "program_kit.h"

#define MARK "\x0f\x1f\x80\xef\xbe\xad\xde" /* a nop of seven bytes, found nowhere else */

static const char *const names[] = { "PQexec", "mysql_query", "absent" };

static const char source[] =
	"__attribute__((naked)) void PQexec(void) { __asm__(\".byte 0x0f,0x1f,0x80,0xef,0xbe,"
	"0xad,0xde; ret\"); }\n"
	"int mysql_query = 1;\n"
	"void absent_too(void) {}\n"
	"#ifdef PROGRAM\nint main(void) { PQexec(); return mysql_query; }\n#endif\n";

static void build(const struct place_for_files *d, const char *file, const char *flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/source.c", d->path);
	write_file(path, source, sizeof(source) - 1);
	sh("gcc -w -O1 %s -o '%s/%s' '%s'", flags, d->path, file, path);
}

static void ask(const struct place_for_files *d, const char *const *which, size_t count,
		struct exports_file *files)
{
	struct exports *x = NULL;

	for (size_t i = 0; i < count; i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/%s", d->path, which[i]);
		files[i] = (struct exports_file){ .pin = open(path, O_PATH | O_CLOEXEC) };
		assert_true(files[i].pin >= 0);
	}
	assert_int_equal(exports_start(reader_path(), names, ARRAY_SIZE(names), files, count, &x), 0);
	while (!exports_step(x))
		(void)poll(NULL, 0, 10);
	while (!exports_end(x))
		(void)poll(NULL, 0, 10);
	for (size_t i = 0; i < count; i++)
		(void)close(files[i].pin);
}

/* What is said to be the place of PQexec begins with its mark. */
static void is_found(const struct place_for_files *d, const char *file, const struct exports_file *f)
{
	char path[128], bytes[7] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", d->path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(f->state, EXPORTS_READ);
	assert_int_not_equal(f->offsets[0], 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), (off_t)f->offsets[0]), sizeof(bytes));
	assert_memory_equal(bytes, MARK, sizeof(bytes));
	assert_int_equal(f->offsets[1], 0);	/* data of that name is no function */
	assert_int_equal(f->offsets[2], 0);
	(void)close(fd);
}

static void finds_functions_in_any_kind_of_file(void **state)
{
	static const char *const files[] = { "library", "stripped", "program", "fixed", "static" };
	struct exports_file found[ARRAY_SIZE(files)];

	build(*state, "library", "-shared -fPIC");
	build(*state, "stripped", "-shared -fPIC -s");
	build(*state, "program", "-DPROGRAM -pie -fPIE");
	build(*state, "fixed", "-DPROGRAM -no-pie -fno-pie");
	build(*state, "static", "-DPROGRAM -static");
	ask(*state, files, ARRAY_SIZE(files), found);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		is_found(*state, files[i], &found[i]);
}

static void says_nothing_of_what_has_none(void **state)
{
	static const char *const files[] = { "bare", "text" };
	struct exports_file found[2];

	build(*state, "bare", "-DPROGRAM -s");
	sh("echo PQexec > '%s/text'", ((struct place_for_files *)*state)->path);
	ask(*state, files, 2, found);
	assert_int_equal(found[0].state, EXPORTS_READ);
	assert_int_equal(found[0].offsets[0], 0);
	assert_int_equal(found[1].state, EXPORTS_NOT_READ);
}

/* What cannot be opened, or only by waiting, keeps nobody from the others. */
static void is_not_held_up(void **state)
{
	const struct place_for_files *d = *state;
	static const char *const files[] = { "fifo", "directory", "library" };
	struct exports_file found[3];

	build(d, "library", "-shared -fPIC");
	sh("mkfifo '%s/fifo' && mkdir '%s/directory'", d->path, d->path);
	ask(d, files, 3, found);
	assert_int_equal(found[0].state, EXPORTS_NOT_READ);
	assert_int_equal(found[1].state, EXPORTS_NOT_READ);
	is_found(d, "library", &found[2]);
}

/* Every byte of the headers in turn is another: wrong or none, but an answer. */
static void takes_forged_headers(void **state)
{
	const struct place_for_files *d = *state;
	char from[128], to[128], bytes[65536];
	ssize_t size;
	int fd;

	build(d, "library", "-shared -fPIC");
	(void)snprintf(from, sizeof(from), "%s/library", d->path);
	(void)snprintf(to, sizeof(to), "%s/forged", d->path);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	size = read(fd, bytes, sizeof(bytes));
	(void)close(fd);
	assert_true(size > 4096);
	for (size_t at = 16; at < 64; at += 3) {
		static const char *const files[] = { "forged", "library" };
		struct exports_file found[2];
		char was = bytes[at];

		bytes[at] = (char)0xff;
		write_file(to, bytes, (size_t)size);
		bytes[at] = was;
		ask(d, files, 2, found);
		assert_int_not_equal(found[0].state, EXPORTS_UNKNOWN);
		if (found[1].state != EXPORTS_UNKNOWN)
			is_found(d, "library", &found[1]);
	}
}

static void lives_without_a_reader(void **state)
{
	struct exports_file f = { .pin = open("/", O_PATH | O_CLOEXEC) };
	struct exports *x = NULL;

	(void)state;
	assert_int_equal(exports_start("/nonexistent", names, 1, &f, 1, &x), 0);
	while (!exports_step(x))
		(void)poll(NULL, 0, 10);
	assert_int_equal(f.state, EXPORTS_NOT_READ);
	while (!exports_end(x))
		(void)poll(NULL, 0, 10);
	(void)close(f.pin);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_functions_in_any_kind_of_file),
		TEST(says_nothing_of_what_has_none),
		TEST(is_not_held_up),
		TEST(takes_forged_headers),
		cmocka_unit_test(lives_without_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
