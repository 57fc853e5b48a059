// SPDX-License-Identifier: GPL-2.0-or-later
/* Stacks of real programs, followed out of a copy.  Hostile ones: test_symbols_forged.c. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "drivers.h"
#include "stack_kit.h"

static struct symbols *new_symbols(void)
{
	struct symbols *s = NULL;

	assert_int_equal(symbols_new(driver_rules, reader_path(), &s), 0);
	return s;
}

/* Enough lives across the calls that the frame pointer's register is used for other things. */
static const char deep_library[] =
	"#include <unistd.h>\n"
	"#define KEEP __attribute__((noinline, noclone))\n"
	"volatile int kept;\n"
	"KEEP int deep_wait(int fd, char *to, int n) {\n"
	"	int a = kept, b = kept, c = kept, d = kept, e = kept, f = kept;\n"
	"	int r = (int)read(fd, to, (size_t)n);\n"
	"	return r + a * b - c * d + e * f;\n"
	"}\n"
	"KEEP int deep_result(int fd) {\n"
	"	char room[300];\n"
	"	int a = kept, b = kept, c = kept, d = kept, e = kept, f = kept;\n"
	"	int r = deep_wait(fd, room, sizeof(room));\n"
	"	return r + room[kept] + a * b - c * d + e * f;\n"
	"}\n"
	"int deep_exec(int fd) { int a = kept; return deep_result(fd) * a; }\n"
	"KEEP void deep_exit(int fd) { _exit(deep_exec(fd)); }\n";

static const char deep_program[] =
	"#include <stdio.h>\n"
	"#include <signal.h>\n"
	"#include <alloca.h>\n"
	"#include <unistd.h>\n"
	"#define KEEP __attribute__((noinline, noclone))\n"
	"int deep_exec(int fd);\n"
	"volatile int own;\n"
	"static int ends[2];\n"
	"KEEP int leak_here(int fd) { int a = own; return deep_exec(fd) + a; }\n"
	"KEEP int with_room(int fd) {\n"
	"	volatile char *p = alloca(64 + (unsigned)own % 64);\n"
	"	p[0] = 1; return leak_here(fd) + p[0];\n"
	"}\n"
	"__attribute__((noreturn)) void deep_exit(int fd);\n"
	"KEEP void leak_for_good(int fd) { volatile char p[200]; p[0] = 1; deep_exit(fd); }\n"
	"KEEP void on_signal(int n) { own += with_room(ends[0]) + n; }\n"
	"int main(int argc, char **argv) {\n"
	"	if (pipe(ends)) return 1;\n"
	"	printf(\"0\\n\"); fflush(stdout);\n"
	"	if (argc > 1 && argv[1][0] == 'e') leak_for_good(ends[0]);\n"
	"	if (argc > 1) { signal(SIGUSR1, on_signal); raise(SIGUSR1); }\n"
	"	return with_room(ends[0]) + own;\n"
	"}\n";

static struct program run_deep(const struct place_for_files *d, const char *flags,
			       const char *argument)
{
	char path[128];
	const char *const argv[] = { path, argument, NULL };

	(void)snprintf(path, sizeof(path), "%s/libdeep.c", d->path);
	write_file(path, deep_library, sizeof(deep_library) - 1);
	(void)snprintf(path, sizeof(path), "%s/deep.c", d->path);
	write_file(path, deep_program, sizeof(deep_program) - 1);
	sh("cd %s && gcc %s -shared -fPIC -o libdeep.so libdeep.c && "
	   "gcc %s -o deep deep.c -L. -ldeep -Wl,-rpath,%s",
	   d->path, flags, flags, d->path);
	(void)snprintf(path, sizeof(path), "%s/deep", d->path);
	return program_start(argv);
}

static void follows_c_of_every_make(void **state)
{
	static const char *const makes[] = {
		"-O2 -fomit-frame-pointer",
		"-O2 -fomit-frame-pointer -g",
		"-O2 -fomit-frame-pointer -no-pie",
		"-O3 -fomit-frame-pointer -fcf-protection=none -Wl,-z,noseparate-code",
		"-O1 -fno-omit-frame-pointer",
		"-O0 -fno-asynchronous-unwind-tables -fno-unwind-tables",
	};
	static const char *const chain[] = { "read",	  "deep_wait", "deep_result", "deep_exec",
					     "leak_here", "with_room", "main",	      NULL };
	static struct frame f[FRAMES_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(makes); i++) {
		struct program p = run_deep(*state, makes[i], NULL);
		struct snapshot s = snapshot_of(p.pid, SYS_read);
		struct symbols *sy = new_symbols();
		size_t n = follow(sy, p.pid, &s, f);

		print_message("# %s\n", makes[i]);
		expect_chain(f, n, chain);
		/* Nothing in between, and no end that is none. */
		assert_string_equal(f[6].function, "main");
		assert_true(n <= 10);
		assert_true(f[1].application);
		symbols_free(sy);
		program_end(&p);
	}
}

static void follows_through_a_signal(void **state)
{
	static const char *const chain[] = { "read",	  "deep_wait", "deep_result",
					     "deep_exec", "leak_here", "with_room",
					     "on_signal", "main",      NULL };
	struct program p = run_deep(*state, "-O2 -fomit-frame-pointer", "signal");
	struct snapshot s = snapshot_of(p.pid, SYS_read);
	struct symbols *sy = new_symbols();
	static struct frame f[FRAMES_MAX + 1];

	expect_chain(f, follow(sy, p.pid, &s, f), chain);
	symbols_free(sy);
	program_end(&p);
}

/* Where the call is the last of a function, the return address is another one's. */
static void follows_a_call_without_return(void **state)
{
	static const char *const chain[] = { "read",	  "deep_wait", "deep_result",
					     "deep_exec", "deep_exit", "leak_for_good",
					     "main",	  NULL };
	struct program p = run_deep(*state, "-O2 -fomit-frame-pointer", "exit");
	struct snapshot s = snapshot_of(p.pid, SYS_read);
	struct symbols *sy = new_symbols();
	static struct frame f[FRAMES_MAX + 1];

	expect_chain(f, follow(sy, p.pid, &s, f), chain);
	symbols_free(sy);
	program_end(&p);
}

/* Known already, only the addresses are asked for; and what is copied is where it ends. */
static void ends_where_the_copy_ends(void **state)
{
	static const char *const chain[] = { "read", "deep_wait", NULL };
	struct program p = run_deep(*state, "-O2 -fomit-frame-pointer", NULL);
	struct snapshot s = snapshot_of(p.pid, SYS_read);
	struct symbols *sy = new_symbols();
	static struct frame f[FRAMES_MAX + 1];
	size_t whole = follow(sy, p.pid, &s, f), n;

	s.len = 256;
	n = follow(sy, p.pid, &s, f);
	expect_chain(f, n, chain);
	assert_true(n < whole);
	s.len = 7;
	assert_int_equal(follow(sy, p.pid, &s, f), 1);
	assert_string_equal(f[0].module, "libc.so.6");
	symbols_free(sy);
	program_end(&p);
}

static void knows_one_frame_without_a_reader(void **state)
{
	struct program p = run_deep(*state, "-O2", NULL);
	struct snapshot s = snapshot_of(p.pid, SYS_read);
	static struct frame f[FRAMES_MAX + 1];
	struct symbols *sy = NULL;

	assert_int_equal(symbols_new(NULL, "/nonexistent/reader", &sy), 0);
	assert_int_equal(follow(sy, p.pid, &s, f), 1);
	assert_string_equal(f[0].module, "libc.so.6");
	assert_true(f[0].offset > 0);
	symbols_free(sy);
	program_end(&p);
}

/* ---- code made at run time: no file, frame pointers */

static const char jit_program[] =
	"#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n#include <sys/mman.h>\n"
	"#define KEEP __attribute__((noinline, noclone))\n"
	"volatile int own;\n"
	"KEEP int leak_here(int fd) { char c; return (int)read(fd, &c, 1) + own; }\n"
	"int main(void) {\n"
	"	/* push rbp; mov rbp,rsp; sub rsp,32; call rsi; leave; ret */\n"
	"	static const char code[] = \"\\x55\\x48\\x89\\xe5\\x48\\x83\\xec\\x20\\xff\\xd6\\xc9\\xc3\";\n"
	"	int ends[2];\n"
	"	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,\n"
	"		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
	"	if (pipe(ends)) return 1;\n"
	"	memcpy(p, code, sizeof(code));\n"
	"	printf(\"0\\n\"); fflush(stdout);\n"
	"	return ((int (*)(int, int (*)(int)))(void *)p)(ends[0], leak_here) + own;\n"
	"}\n";

static void follows_code_that_no_file_holds(void **state)
{
	static const char *const chain[] = { "read", "leak_here", "main", "_start", NULL };
	const struct place_for_files *d = *state;
	static struct frame f[FRAMES_MAX + 1];
	struct symbols *sy = new_symbols();
	char path[128];
	const char *const argv[] = { path, NULL };
	struct snapshot s;
	struct program p;

	(void)snprintf(path, sizeof(path), "%s/jit.c", d->path);
	write_file(path, jit_program, sizeof(jit_program) - 1);
	(void)snprintf(path, sizeof(path), "%s/jit", d->path);
	sh("gcc -O2 -fomit-frame-pointer -o %s %s.c", path, path);
	p = program_start(argv);
	s = snapshot_of(p.pid, SYS_read);
	expect_chain(f, follow(sy, p.pid, &s, f), chain);
	assert_string_equal(f[2].module, "[anon]");
	symbols_free(sy);
	program_end(&p);
}

/* ---- Go */

static const char go_main[] = "package main\n"
			      "\n"
			      "import (\n"
			      "	\"fmt\"\n"
			      "	\"os\"\n"
			      "	\"syscall\"\n"
			      ")\n"
			      "\n"
			      "//go:noinline\n"
			      "func borrowAndForget(fd int, n int) int {\n"
			      "	var room [400]byte\n"
			      "	got, _ := syscall.Read(fd, room[:])\n"
			      "	return got + int(room[n%400])\n"
			      "}\n"
			      "\n"
			      "func main() {\n"
			      "	var ends [2]int\n"
			      "	_ = syscall.Pipe(ends[:])\n"
			      "	fmt.Println(0)\n"
			      "	os.Exit(borrowAndForget(ends[0], os.Getpid()))\n"
			      "}\n";

static void follows_go(void **state)
{
	static const char *const flags[] = { "", "-ldflags='-s -w'",
					     "-buildmode=pie -ldflags='-s -w'" };
	/* syscall.Read is inlined. */
	static const char *const chain[] = { "runtime/internal/syscall.Syscall6",
					     "syscall.RawSyscall6",
					     "syscall.Syscall",
					     "syscall.read",
					     "main.borrowAndForget",
					     "main.main",
					     "runtime.main",
					     NULL };
	const struct place_for_files *d = *state;
	static struct frame f[FRAMES_MAX + 1];
	char path[128];
	const char *const argv[] = { path, NULL };

	(void)snprintf(path, sizeof(path), "%s/main.go", d->path);
	write_file(path, go_main, sizeof(go_main) - 1);
	(void)snprintf(path, sizeof(path), "%s/leak", d->path);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct symbols *sy = new_symbols();
		struct snapshot s;
		struct program p;

		sh("cd %s && GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOCACHE=%s/cache "
		   "go build %s -o leak main.go",
		   d->path, d->path, flags[i]);
		p = program_start(argv);
		s = snapshot_of(p.pid, SYS_read);
		expect_chain(f, follow(sy, p.pid, &s, f), chain);
		symbols_free(sy);
		program_end(&p);
	}
}

/* ---- python, and a driver as it is installed */

static const char python_program[] =
	"import socket, struct, threading\n"
	"import psycopg2\n"
	"listener = socket.create_server(('127.0.0.1', 0))\n"
	"def message(kind, body):\n"
	"    return kind + struct.pack('>I', len(body) + 4) + body\n"
	"def serve():\n"
	"    peer, _ = listener.accept()\n"
	"    peer.recv(4096)\n"
	"    said = message(b'R', bytes(4))\n"
	"    for name, value in ((b'server_version', b'15.0'), (b'client_encoding', b'UTF8'),\n"
	"                        (b'DateStyle', b'ISO, MDY'), (b'integer_datetimes', b'on'),\n"
	"                        (b'standard_conforming_strings', b'on')):\n"
	"        said += message(b'S', name + b'\\0' + value + b'\\0')\n"
	"    peer.sendall(said + message(b'K', bytes(8)) + message(b'Z', b'I'))\n"
	"    threading.Event().wait()\n"
	"threading.Thread(target=serve, daemon=True).start()\n"
	"c = psycopg2.connect(host='127.0.0.1', port=listener.getsockname()[1], user='u',\n"
	"                     dbname='d', sslmode='disable', gssencmode='disable')\n"
	"print(0, flush=True)\n"
	"c.cursor().execute('SELECT 1')\n";

static void follows_python_and_libpq(void **state)
{
	/* PQexec() goes on to what waits without coming back: it has no frame. */
	static const char *const chain[] = {
		"__poll", "PQgetResult", "_pq_execute_sync", "_PyEval_EvalFrame", "Py_RunMain",
		"_start", NULL
	};
	const struct place_for_files *d = *state;
	struct symbols *sy = new_symbols();
	static struct frame f[FRAMES_MAX + 1];
	char path[128];
	const char *const argv[] = { "/usr/bin/python3", path, NULL };
	struct snapshot s;
	struct program p;
	size_t n, of_driver = 0;

	(void)snprintf(path, sizeof(path), "%s/leak.py", d->path);
	write_file(path, python_program, sizeof(python_program) - 1);
	p = program_start(argv);
	s = snapshot_of(p.pid, SYS_poll);
	n = follow(sy, p.pid, &s, f);
	expect_chain(f, n, chain);
	for (size_t i = 0; i < n; i++)
		of_driver += !strncmp(f[i].module, "_psycopg.", 9);
	assert_true(of_driver >= 2);
	symbols_free(sy);
	program_end(&p);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(follows_c_of_every_make),
		WITH_DIRECTORY(follows_through_a_signal),
		WITH_DIRECTORY(follows_a_call_without_return),
		WITH_DIRECTORY(ends_where_the_copy_ends),
		WITH_DIRECTORY(knows_one_frame_without_a_reader),
		WITH_DIRECTORY(follows_code_that_no_file_holds),
		WITH_DIRECTORY(follows_go),
		WITH_DIRECTORY(follows_python_and_libpq),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
