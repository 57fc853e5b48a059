// SPDX-License-Identifier: GPL-2.0-or-later
/* What is found in programs of every make.  What is hostile: test_symbols_hostile.c. */
#include <dlfcn.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>

#include <cmocka.h>

#include "drivers.h"
#include "lib/clock.h"
#include "lib/language.h"
#include "program_kit.h"
#include "resolve_kit.h"

static const char c_program[] =
	"#include <stdio.h>\n"
	"#include <unistd.h>\n"
	"#include <stdint.h>\n"
	"volatile int kept;\n"
	"__attribute__((noinline)) void borrow_and_forget(void) { kept++; }\n"
	"static inline __attribute__((always_inline)) void helper(void) {\n"
	"	kept *= 3;\n"
	"}\n"
	"__attribute__((noinline)) void outer(void) {\n"
	"	kept--;\n"
	"	helper();\n"
	"}\n"
	"int main(void) {\n"
	"	borrow_and_forget(); outer();\n"
	"	printf(\"%jx %jx %jx\\n\", (uintmax_t)&borrow_and_forget,\n"
	"	       (uintmax_t)&outer, (uintmax_t)&write);\n"
	"	fflush(stdout);\n"
	"	for (;;) pause();\n"
	"}\n";

static struct symbols *new_symbols(void)
{
	struct symbols *s = NULL;

	assert_int_equal(symbols_new(driver_rules, reader_path(), &s), 0);
	return s;
}

static struct program run_c(const struct place_for_files *d, const char *flags)
{
	char source[128], binary[128];
	const char *const argv[] = { binary, NULL };

	(void)snprintf(source, sizeof(source), "%s/leak.c", d->path);
	(void)snprintf(binary, sizeof(binary), "%s/leak", d->path);
	write_file(source, c_program, sizeof(c_program) - 1);
	sh("gcc %s -o %s %s", flags, binary, source);
	return program_start(argv);
}

static struct frame find(struct symbols *s, const struct program *p, uint64_t address)
{
	struct frame f[2];

	memset(f, 0xa5, sizeof(f));
	assert_int_equal(resolve(s, (uint32_t)p->pid, &address, 1, f), 1);
	return f[0];
}

static bool ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a >= b && !strcmp(s + a - b, end);
}

static void names_c_of_every_make(void **state)
{
	static const struct {
		const char *flags;
		bool named, lines;
	} makes[] = {
		{ "-g -O1", true, true },
		{ "-g -O1 -no-pie", true, true },
		{ "-g -O1 -static", true, true },
		{ "-g -O1 -static-pie", true, true },
		{ "-g -gdwarf-4 -O1", true, true },
		{ "-g -gz -O1", true, true },
		{ "-O1", true, false },
		{ "-O1 -static", true, false },
		{ "-O1 -s -rdynamic", true, false },
		{ "-O1 -s", false, false },
		{ "-O1 -s -static-pie", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(makes); i++) {
		struct program p = run_c(*state, makes[i].flags);
		struct symbols *s = new_symbols();
		struct frame f = find(s, &p, p.addrs[0]);

		print_message("# %s\n", makes[i].flags);
		assert_string_equal(f.module, "leak");
		assert_string_equal(f.function, makes[i].named ? "borrow_and_forget" : "");
		assert_int_equal(f.line, makes[i].lines ? 5 : 0);
		assert_int_equal(ends_with(f.file, "/leak.c"), makes[i].lines);
		assert_int_equal(strlen(f.build_id), 40);
		assert_true(f.offset > 0);
		assert_true(f.application);
		symbols_free(s);
		program_end(&p);
	}
}

static __attribute__((noinline)) int of_the_test_itself(int x)
{
	return x + 1;
}

static void names_itself_and_its_libraries(void **state)
{
	const uint64_t addrs[] = { (uintptr_t)dlsym(RTLD_DEFAULT, "getenv"),
				   (uintptr_t)of_the_test_itself + 1,
				   getauxval(AT_SYSINFO_EHDR) + 16, 16 };
	struct symbols *s = new_symbols();
	struct frame f[ARRAY_SIZE(addrs) + 1];

	(void)state;
	assert_int_equal(resolve(s, (uint32_t)getpid(), addrs, 4, f), 4);
	assert_string_equal(f[0].function, "getenv");
	assert_string_equal(f[0].module, "libc.so.6");
	assert_false(f[0].application);
	assert_string_equal(f[1].function, "of_the_test_itself");
	assert_string_equal(f[1].module, "test_symbols");
	assert_true(ends_with(f[1].file, "test_symbols.c"));
	assert_true(f[1].line > 0);
	assert_true(f[1].application);
	assert_string_equal(f[2].module, "[vdso]");
	assert_int_equal(f[2].offset, 16);
	assert_string_equal(f[3].module, "[unmapped]");
	assert_int_equal(f[3].offset, 16);
	symbols_free(s);
}

static void names_a_shared_object(void **state)
{
	const struct place_for_files *d = *state;
	struct symbols *s = new_symbols();
	char path[128];
	void *lib, *function;
	uint64_t address;
	struct frame f[2];

	(void)snprintf(path, sizeof(path), "%s/libgadget.c", d->path);
	write_file(path, "\n\nint gadget(int x) { return x * 3; }\n", 38);
	sh("gcc -g -shared -fPIC -Wl,-Ttext-segment=0x40000000 -o %s/libgadget.so %s", d->path,
	   path);
	(void)snprintf(path, sizeof(path), "%s/libgadget.so", d->path);
	lib = dlopen(path, RTLD_NOW);
	function = dlsym(lib, "gadget");
	assert_non_null(function);
	address = (uintptr_t)function;
	assert_int_equal(resolve(s, (uint32_t)getpid(), &address, 1, f), 1);
	assert_string_equal(f[0].function, "gadget");
	assert_string_equal(f[0].module, "libgadget.so");
	assert_int_equal(f[0].line, 3);
	/* What addr2line wants: linked at another address than its place in the file. */
	assert_true(f[0].offset > 0x40000000 && f[0].offset < 0x40010000);
	symbols_free(s);
	(void)dlclose(lib);
}

/* A function inlined into another is the other, at the line where it is called. */
static void names_the_outermost(void **state)
{
	struct program p = run_c(*state, "-g -O1");
	struct symbols *s = new_symbols();
	unsigned int at_call = 0;

	for (uint64_t at = p.addrs[1]; at < p.addrs[1] + 40; at++) {
		struct frame f = find(s, &p, at);

		if (strcmp(f.function, "outer") != 0)
			continue;
		assert_true(f.line >= 9 && f.line <= 12);
		at_call += f.line == 11;
	}
	assert_true(at_call > 0);
	symbols_free(s);
	program_end(&p);
}

/* The call that a return address belongs to lies before it. */
static void looks_before_return_addresses(void **state)
{
	struct program p = run_c(*state, "-g -O1");
	const uint64_t addrs[] = { p.addrs[0], p.addrs[0], p.addrs[0] + 1 };
	struct symbols *s = new_symbols();
	struct frame f[ARRAY_SIZE(addrs) + 1];

	assert_int_equal(resolve(s, (uint32_t)p.pid, addrs, 3, f), 3);
	assert_string_equal(f[0].function, "borrow_and_forget");
	assert_string_not_equal(f[1].function, "borrow_and_forget");
	assert_string_equal(f[2].function, "borrow_and_forget");
	assert_int_equal(f[1].offset, f[0].offset);
	assert_int_equal(f[2].offset, f[0].offset + 1);
	symbols_free(s);
	program_end(&p);
}

static void names_files_that_are_gone(void **state)
{
	const struct place_for_files *d = *state;
	struct program p = run_c(d, "-g -O1");
	struct symbols *s = new_symbols();
	struct frame f;

	/* Another program under the same name, then a pipe that nobody writes, then nothing. */
	sh("cd %s && printf 'int main(void){return 0;}' >other.c && gcc -o other other.c && "
	   "mv other leak",
	   d->path);
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	assert_string_equal(f.module, "leak");
	symbols_free(s);

	s = new_symbols();
	sh("cd %s && rm leak && mkfifo leak", d->path);
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	symbols_free(s);

	s = new_symbols();
	sh("rm %s/leak", d->path);
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	assert_string_equal(f.module, "leak");
	symbols_free(s);
	program_end(&p);
}

static void names_in_other_mount_namespaces(void **state)
{
	const struct place_for_files *d = *state;
	char script[512];
	const char *const argv[] = { "/usr/bin/unshare", "-m", "/bin/sh", "-c", script, NULL };
	struct program p = run_c(d, "-g -O1");
	struct symbols *s;
	struct frame f;

	if (geteuid())
		skip();
	program_end(&p);
	(void)snprintf(
		script, sizeof(script),
		"mkdir %s/in && mount -t tmpfs in %s/in && mv %s/leak %s/in/ && exec %s/in/leak",
		d->path, d->path, d->path, d->path, d->path);
	p = program_start(argv);
	s = new_symbols();
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	symbols_free(s);
	program_end(&p);
}

/* What was looked up once needs no reader; without one there are still module and offset. */
static void remembers(void **state)
{
	const struct place_for_files *d = *state;
	struct program p = run_c(d, "-g -O1");
	char reader[128];
	struct symbols *s = NULL;
	struct frame f;

	(void)snprintf(reader, sizeof(reader), "%s/reader", d->path);
	assert_int_equal(symlink(reader_path(), reader), 0);
	assert_int_equal(symbols_new(driver_rules, reader, &s), 0);
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	assert_string_equal(language_now(s, (uint32_t)p.pid), "native");

	assert_int_equal(unlink(reader), 0);
	f = find(s, &p, p.addrs[0]);
	assert_string_equal(f.function, "borrow_and_forget");
	assert_int_equal(strlen(f.build_id), 40);
	assert_string_equal(language_now(s, (uint32_t)p.pid), "native");

	f = find(s, &p, p.addrs[1]);
	assert_string_equal(f.function, "");
	assert_string_equal(f.module, "leak");
	assert_true(f.offset > 0);
	assert_true(f.application);
	symbols_free(s);
	program_end(&p);
}

static void knows_when_nobody_is_there(void **state)
{
	struct symbols *s = new_symbols();
	struct program p = run_c(*state, "");
	uint64_t address = p.addrs[0];
	struct frame f[2], before;

	program_end(&p);
	memset(f, 0x5a, sizeof(f));
	before = f[0];
	assert_int_equal(resolve(s, (uint32_t)p.pid, &address, 1, f), -ESRCH);
	assert_memory_equal(&f[0], &before, sizeof(before));
	assert_string_equal(language_now(s, (uint32_t)p.pid), "");
	symbols_free(s);
}

/* ---- Go */

static const char go_main[] =
	"package main\n"
	"\n"
	"import (\n"
	"	\"fmt\"\n"
	"	\"os\"\n"
	"	\"reflect\"\n"
	"	\"time\"\n"
	")\n"
	"\n"
	"//go:noinline\n"
	"func borrowAndForget(n int) int {\n"
	"	kept++\n"
	"	return tiny(n) + 1\n"
	"}\n"
	"\n"
	"func main() {\n"
	"	kept = borrowAndForget(os.Getpid())\n"
	"	fmt.Printf(\"%x %x\\n\", reflect.ValueOf(borrowAndForget).Pointer(),\n"
	"		reflect.ValueOf(time.Sleep).Pointer())\n"
	"	time.Sleep(time.Hour)\n"
	"}\n";
static const char go_tiny[] = "package main\n"
			      "\n"
			      "var kept int\n"
			      "\n"
			      "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
			      "func tiny(n int) int {\n"
			      "	kept += n*3 + 7\n"
			      "	return kept * n\n"
			      "}\n";

static void names_go(void **state)
{
	static const char *const flags[] = { "", "-ldflags='-s -w'",
					     "-buildmode=pie -ldflags='-s -w'" };
	const struct place_for_files *d = *state;
	char path[128];
	const char *const argv[] = { path, NULL };

	(void)snprintf(path, sizeof(path), "%s/main.go", d->path);
	write_file(path, go_main, sizeof(go_main) - 1);
	(void)snprintf(path, sizeof(path), "%s/tiny.go", d->path);
	write_file(path, go_tiny, sizeof(go_tiny) - 1);
	(void)snprintf(path, sizeof(path), "%s/leak", d->path);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct symbols *s = new_symbols();
		unsigned int at_call = 0;
		struct program p;
		struct frame f;

		sh("cd %s && GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOCACHE=%s/cache "
		   "go build %s -o leak main.go tiny.go",
		   d->path, d->path, flags[i]);
		p = program_start(argv);
		f = find(s, &p, p.addrs[0]);
		assert_string_equal(f.function, "main.borrowAndForget");
		assert_true(ends_with(f.file, "/main.go"));
		assert_true(f.line >= 11 && f.line <= 14);
		assert_true(f.application);
		f = find(s, &p, p.addrs[1]);
		assert_string_equal(f.function, "time.Sleep");
		assert_string_equal(language_now(s, (uint32_t)p.pid), "go");
		/* tiny() is inlined: never its own lines. */
		for (uint64_t at = p.addrs[0]; at < p.addrs[0] + 60; at++) {
			f = find(s, &p, at);
			if (strcmp(f.function, "main.borrowAndForget") != 0 || !f.line)
				continue;
			assert_true(ends_with(f.file, "/main.go"));
			assert_true(f.line >= 11 && f.line <= 14);
			at_call += f.line == 13;
		}
		assert_true(at_call > 1);
		symbols_free(s);
		program_end(&p);
	}
}

/* ---- code made at run time, and scripts */

static const char jit_program[] =
	"#define _GNU_SOURCE\n"
	"#include <stdio.h>\n#include <stdint.h>\n#include <unistd.h>\n#include <sys/mman.h>\n"
	"int main(void) {\n"
	"	char *p = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
	"	printf(\"%jx\\n\", (uintmax_t)p); fflush(stdout);\n"
	"	for (;;) pause();\n"
	"}\n";

static void names_what_a_perf_map_names(void **state)
{
	const struct place_for_files *d = *state;
	char path[128], map[64];
	const char *const argv[] = { path, NULL };
	struct symbols *s = new_symbols();
	struct program p;
	uint64_t addrs[5];
	struct frame f[6];

	(void)snprintf(path, sizeof(path), "%s/jit.c", d->path);
	write_file(path, jit_program, sizeof(jit_program) - 1);
	(void)snprintf(path, sizeof(path), "%s/jit", d->path);
	sh("gcc -o %s %s.c", path, path);
	p = program_start(argv);
	(void)snprintf(map, sizeof(map), "/tmp/perf-%d.map", p.pid);
	sh("printf '%%x 10 old\\n%%x 10 JS:*borrow /srv/app.js:12:7\\nzz 1 x\\n%%x 10 _ZN3foo3barEv\\n"
	   "%%x 10 void a.B.c(int, long)\n%%x 10 Stub (1)\n%%x 10 cut' %ju %ju %ju %ju %ju %ju >%s",
	   p.addrs[0], p.addrs[0], p.addrs[0] + 16, p.addrs[0] + 32, p.addrs[0] + 48, p.addrs[0],
	   map);
	addrs[0] = p.addrs[0] + 3;
	addrs[1] = p.addrs[0] + 20;
	addrs[2] = p.addrs[0] + 4096;
	addrs[3] = p.addrs[0] + 40;
	addrs[4] = p.addrs[0] + 56;
	assert_int_equal(resolve(s, (uint32_t)p.pid, addrs, 5, f), 5);
	assert_string_equal(f[3].function, "a.B.c(int, long)");
	assert_string_equal(f[4].function, "Stub (1)");
	assert_string_equal(f[0].function, "borrow");
	assert_string_equal(f[0].file, "/srv/app.js");
	assert_int_equal(f[0].line, 12);
	assert_true(f[0].application);
	assert_string_equal(f[1].function, "foo::bar()");
	assert_string_equal(f[2].function, "");
	assert_string_equal(f[2].module, "[anon]");
	symbols_free(s);

	/* Notes that somebody else wrote are nobody's. */
	if (!geteuid()) {
		s = new_symbols();
		assert_int_equal(chown(map, 1, 1), 0);
		assert_int_equal(resolve(s, (uint32_t)p.pid, addrs, 1, f), 1);
		assert_string_equal(f[0].function, "");
		assert_string_equal(f[0].module, "[anon]");
		assert_false(f[0].application);
		symbols_free(s);
	}
	assert_int_equal(unlink(map), 0);
	program_end(&p);
}

static void adds_the_script_of_python(void **state)
{
	static const char text[] =
		"import ctypes, time\n"
		"f = ctypes.cast(ctypes.CDLL(None).write, ctypes.c_void_p).value\n"
		"print('%x' % f, flush=True)\n"
		"time.sleep(3600)\n";
	const struct place_for_files *d = *state;
	char path[128];
	const char *const argv[] = { "/usr/bin/python3", "-Wignore", path, "an argument", NULL };
	struct symbols *s = new_symbols();
	struct program p;
	struct frame f[2];

	(void)snprintf(path, sizeof(path), "%s/leak.py", d->path);
	write_file(path, text, sizeof(text) - 1);
	p = program_start(argv);
	assert_int_equal(resolve(s, (uint32_t)p.pid, p.addrs, 1, f), 2);
	assert_string_equal(f[0].module, "libc.so.6");
	assert_false(f[0].application);
	assert_string_equal(f[1].function, "");
	assert_string_equal(f[1].file, path);
	assert_true(f[1].application);
	assert_string_equal(language_now(s, (uint32_t)p.pid), "python");
	symbols_free(s);
	program_end(&p);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(names_c_of_every_make),
		cmocka_unit_test(names_itself_and_its_libraries),
		WITH_DIRECTORY(names_a_shared_object),
		WITH_DIRECTORY(names_the_outermost),
		WITH_DIRECTORY(looks_before_return_addresses),
		WITH_DIRECTORY(names_files_that_are_gone),
		WITH_DIRECTORY(names_in_other_mount_namespaces),
		WITH_DIRECTORY(remembers),
		WITH_DIRECTORY(knows_when_nobody_is_there),
		WITH_DIRECTORY(names_go),
		WITH_DIRECTORY(names_what_a_perf_map_names),
		WITH_DIRECTORY(adds_the_script_of_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
