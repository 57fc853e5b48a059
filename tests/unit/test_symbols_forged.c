// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks, and call frame information, that mean ill: there is an answer within the
 * deadline, its first frame is right, and no process is left behind.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "stack_kit.h"

#define IN_TIME_NS (4 * NS_PER_S)
#define AT_ONCE_NS (NS_PER_S / 2)

static struct symbols *new_symbols(const char *reader)
{
	struct symbols *s = NULL;

	assert_int_equal(symbols_new(NULL, reader, &s), 0);
	return s;
}

static struct frame frames[FRAMES_MAX + 1];

static size_t ask(struct symbols *sy, pid_t pid, const struct snapshot *s, uint64_t *ret_ns)
{
	uint64_t start_ns = clock_now_ns();
	size_t n = follow(sy, pid, s, frames);

	*ret_ns = clock_now_ns() - start_ns;
	assert_true(n >= 1 && n <= STACK_FRAMES_MAX);
	assert_true(*ret_ns < IN_TIME_NS);
	return n;
}

/* Waits in the system call itself, so that what follows is the program's own. */
static const char program[] =
	"#include <stdio.h>\n"
	"#include <sys/syscall.h>\n"
	"#define KEEP __attribute__((noinline, noclone))\n"
	"volatile int own;\n"
	"KEEP long stop(void) {\n"
	"	long r;\n"
	"	__asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"((long)SYS_pause) : \"rcx\", \"r11\", \"memory\");\n"
	"	return r + own;\n"
	"}\n"
	"KEEP int leak_here(void) { int a = own; return (int)stop() + a; }\n"
	"int main(void) { printf(\"0\\n\"); fflush(stdout); return leak_here() + own; }\n";

static struct {
	char path[128];
	uint8_t bytes[1 << 16];
	size_t size;
} binary;

static void make_binary(const struct place_for_files *d)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/stop.c", d->path);
	write_file(path, program, sizeof(program) - 1);
	(void)snprintf(binary.path, sizeof(binary.path), "%s/stop", d->path);
	sh("gcc -O2 -fomit-frame-pointer -o %s %s", binary.path, path);

	_fclose_ FILE *f = fopen(binary.path, "r");

	assert_non_null(f);
	binary.size = fread(binary.bytes, 1, sizeof(binary.bytes), f);
	assert_true(binary.size > 1000 && binary.size < sizeof(binary.bytes));
}

static Elf64_Shdr section(const char *name)
{
	Elf64_Ehdr h;
	Elf64_Shdr s, names;

	memcpy(&h, binary.bytes, sizeof(h));
	memcpy(&names, binary.bytes + h.e_shoff + h.e_shstrndx * sizeof(s), sizeof(s));
	for (unsigned int i = 0; i < h.e_shnum; i++) {
		memcpy(&s, binary.bytes + h.e_shoff + i * sizeof(s), sizeof(s));
		if (!strcmp((char *)binary.bytes + names.sh_offset + s.sh_name, name))
			return s;
	}
	fail_msg("no section %s", name);
	return s;
}

/* Runs what is in binary.bytes, and its stack; the number of frames. */
static size_t run_and_ask(struct symbols *sy)
{
	const char *const argv[] = { binary.path, NULL };
	struct snapshot s;
	struct program p;
	uint64_t ns;
	size_t n;

	(void)unlink(binary.path);
	write_file(binary.path, binary.bytes, binary.size);
	sh("chmod 755 %s", binary.path);
	p = program_start(argv);
	s = snapshot_of(p.pid, SYS_pause);
	n = ask(sy, p.pid, &s, &ns);
	program_end(&p);
	expect_no_child();
	assert_string_equal(frames[0].module, "stop");
	return n;
}

static bool has(size_t n, const char *function)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(frames[i].function, function))
			return true;
	return false;
}

static void survives_bent_frame_information(void **state)
{
	static const char *const names[] = { ".eh_frame", ".eh_frame_hdr" };
	struct symbols *sy = new_symbols(reader_path());
	static uint8_t whole[sizeof(binary.bytes)];
	unsigned int noise = 4711;

	make_binary(*state);
	memcpy(whole, binary.bytes, sizeof(whole));
	assert_true(has(run_and_ask(sy), "main"));
	for (unsigned int i = 0; i < 60; i++) {
		Elf64_Shdr s = section(names[i % 2]);

		/* Noise, then zeros and ones from some point on. */
		for (size_t k = 0; k < s.sh_size; k++) {
			noise = noise * 1103515245 + 12345;
			if (i < 30 && noise >> 28 == 0)
				binary.bytes[s.sh_offset + k] = (uint8_t)(noise >> 16);
			if (i >= 30 && k >= s.sh_size * (i - 30) / 30)
				binary.bytes[s.sh_offset + k] = i % 4 < 2 ? 0 : 0xff;
		}
		(void)run_and_ask(sy);
		assert_string_equal(frames[0].function, "stop");
		memcpy(binary.bytes, whole, sizeof(whole));
	}
	symbols_free(sy);
}

/* The file shrank after it was mapped: what is missing is not there for the reader either. */
static void survives_a_file_cut_short(void **state)
{
	struct symbols *sy = new_symbols(reader_path());
	static struct snapshot s;
	unsigned int followed = 0;
	Elf64_Shdr text;
	uint64_t ns;
	char *map;

	make_binary(*state);
	text = section(".text");

	_close_ int fd = open(binary.path, O_RDONLY | O_CLOEXEC);

	map = mmap(NULL, binary.size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	s.len = sizeof(s.bytes);
	s.registers.sp = 1 << 20;
	s.registers.ip = (uintptr_t)map + text.sh_offset;
	for (size_t k = 0; k < s.len; k += 8)
		memcpy(s.bytes + k, &(uint64_t){ s.registers.ip + 1 }, 8);
	for (size_t size = binary.size; size > 16; size = size * 15 / 16 - 1) {
		assert_int_equal(truncate(binary.path, (off_t)size), 0);
		followed += ask(sy, getpid(), &s, &ns) > 1;
		assert_string_equal(frames[0].module, "stop");
	}
	/* Its sections are named at its end, its frames are found without. */
	assert_in_range(followed, 1, 60);
	assert_int_equal(munmap(map, binary.size), 0);
	symbols_free(sy);
}

/* ---- rules that lead nowhere */

/* `rule` stands for a frame in whose function the thread waits. */
static size_t ask_with_rule(const struct place_for_files *d, struct symbols *sy, const char *rule)
{
	static const char *const argv[] = { binary.path, NULL };
	char source[2048];
	struct program p;
	struct snapshot s;
	uint64_t ns;
	size_t n;

	(void)snprintf(binary.path, sizeof(binary.path), "%s/stop.s", d->path);
	(void)snprintf(source, sizeof(source),
		       ".globl _start\n.type _start,@function\n_start:\n.cfi_startproc\n%s\n"
		       "push $0x0a30\nmov $1,%%eax\nmov $1,%%edi\nmov %%rsp,%%rsi\nmov $2,%%edx\n"
		       "syscall\nlea back(%%rip),%%rax\n"
		       ".rept 1100\npush %%rax\n.endr\nmov %%rsp,%%rbx\n"
		       "mov $34,%%eax\nsyscall\nback: nop\nnop\n.cfi_endproc\n"
		       ".size _start,.-_start\n",
		       rule);
	write_file(binary.path, source, strlen(source));
	sh("cd %s && gcc -nostdlib -static-pie -o stop stop.s", d->path);
	(void)snprintf(binary.path, sizeof(binary.path), "%s/stop", d->path);
	p = program_start(argv);
	s = snapshot_of(p.pid, SYS_pause);
	n = ask(sy, p.pid, &s, &ns);
	program_end(&p);
	assert_true(ns < AT_ONCE_NS * 2);
	assert_string_equal(frames[0].function, "_start");
	return n;
}

static void goes_round_no_loops(void **state)
{
	static const struct {
		const char *rule;
		size_t frames;
	} rules[] = {
		/* Each frame is the next eight bytes: as many as there may be. */
		{ ".cfi_def_cfa rsp,8", STACK_FRAMES_MAX },
		/* The same frame again: it does not go up. */
		{ ".cfi_def_cfa rsp,0\n.cfi_offset rip,0", 1 },
		{ ".cfi_def_cfa rbx,8", 2 },
		{ ".cfi_def_cfa rsp,-64\n.cfi_offset rip,64", 1 },
		/* Out of the copy, and around the end of memory. */
		{ ".cfi_def_cfa rsp,8192", 2 },
		{ ".cfi_def_cfa rsp,8200", 1 },
		{ ".cfi_def_cfa rsp,0x7fffffff", 1 },
		/* An expression that jumps to itself; one that never stops to push. */
		{ ".cfi_escape 0x0f,3,0x2f,0xfd,0xff", 1 },
		{ ".cfi_escape 0x0f,20,0x77,0,0x12,0x12,0x12,0x12,0x12,0x12,0x12,0x12,0x12,0x12,"
		  "0x12,0x12,0x12,0x12,0x12,0x12,0x12,0x12",
		  1 },
		/* One that takes more than there is, one that says nothing. */
		{ ".cfi_escape 0x0f,1,0x22", 1 },
		{ ".cfi_escape 0x0f,0", 1 },
		/* Nobody called it. */
		{ ".cfi_undefined rip", 1 },
	};
	struct symbols *sy = new_symbols(reader_path());

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		print_message("# %.60s\n", rules[i].rule);
		assert_int_equal(ask_with_rule(*state, sy, rules[i].rule), rules[i].frames);
	}
	symbols_free(sy);
}

/* ---- copies and registers of noise */

static void survives_noise(void **state)
{
	struct symbols *sy = new_symbols(reader_path());
	uint64_t ip = (uintptr_t)goes_round_no_loops;
	unsigned int noise = 815;
	uint64_t ns;

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		static struct snapshot s;
		uint64_t *registers = (uint64_t *)&s.registers;

		s.len = i % 4 ? sizeof(s.bytes) - i * 3 : i;
		for (size_t k = 0; k < sizeof(s.bytes); k++) {
			noise = noise * 1103515245 + 12345;
			s.bytes[k] = (uint8_t)(noise >> 16);
			((uint8_t *)registers)[k % sizeof(s.registers)] = (uint8_t)(noise >> 20);
		}
		/* Every word leads into our own code, at odd places. */
		for (size_t k = 0; i % 3 && k + 8 <= sizeof(s.bytes); k += 8)
			memcpy(s.bytes + k, &(uint64_t){ ip + s.bytes[k] * 16 }, 8);
		if (i % 5)
			s.registers.ip = ip;
		if (i % 7 == 0)
			s.registers.sp = UINT64_MAX - i;
		if (i % 2)
			s.registers.bp = s.registers.sp + 16;
		(void)ask(sy, getpid(), &s, &ns);
		assert_string_equal(frames[0].module, i % 5 ? "test_symbols_forged" : "[unmapped]");
	}
	symbols_free(sy);
}

/* ---- readers */

static void survives_readers(void **state)
{
	static const char *const scripts[] = {
		"#!/bin/sh\nhead -c 100000 /dev/urandom\nexec sleep 1000\n",
		"#!/bin/sh\nyes\n",
		"#!/bin/sh\nprintf 'abc'\n",
		"#!/bin/sh\nexit 1\n",
		"#!/bin/sh\nhead -c 8 /dev/zero\n",
		"#!/bin/sh\nexec sleep 1000\n",
	};
	const struct place_for_files *d = *state;
	struct snapshot s = { .registers.ip = (uintptr_t)goes_round_no_loops };
	char reader[128];
	uint64_t ns;

	(void)snprintf(reader, sizeof(reader), "%s/reader", d->path);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct symbols *sy;

		write_file(reader, scripts[i], strlen(scripts[i]));
		sh("chmod 755 %s", reader);
		sy = new_symbols(reader);
		s.len = sizeof(s.bytes);
		(void)ask(sy, getpid(), &s, &ns);
		assert_int_equal(ns >= 3 * NS_PER_S, !strcmp(scripts[i], scripts[5]));
		assert_string_equal(frames[0].function, "");
		expect_no_child();
		symbols_free(sy);
	}
}

/* One that stops in a file's frame information is not led there again for a while. */
static void leaves_alone_what_stopped_the_reader(void **state)
{
	const struct place_for_files *d = *state;
	struct snapshot s = { .registers.ip = (uintptr_t)goes_round_no_loops };
	struct symbols *sy;
	char reader[128], script[512], bytes[64] = "";
	uint64_t ns;

	s.len = sizeof(s.bytes);
	for (size_t i = 0; i < 8; i++)
		(void)sprintf(bytes + strlen(bytes), "\\%03o",
			      (unsigned int)(s.registers.ip >> 8 * i & 0xff));
	(void)snprintf(reader, sizeof(reader), "%s/reader", d->path);
	/* Says which files it got beside itself, and the first frame. */
	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\nls -l /proc/$$/fd | grep -c test_symbols_forged >>%s/files\n"
		       "printf '%s'\n",
		       d->path, bytes);
	write_file(reader, script, strlen(script));
	sh("chmod 755 %s", reader);
	sy = new_symbols(reader);
	(void)ask(sy, getpid(), &s, &ns);
	(void)ask(sy, getpid(), &s, &ns);
	/* Of each look-up the first run alone could get it: the name is not to be had either. */
	sh("test \"$(head -n 1 %s/files)\" = 1 && test \"$(tail -n 1 %s/files)\" = 0", d->path,
	   d->path);
	symbols_free(sy);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(survives_bent_frame_information),
		WITH_DIRECTORY(survives_a_file_cut_short),
		WITH_DIRECTORY(goes_round_no_loops),
		cmocka_unit_test(survives_noise),
		WITH_DIRECTORY(survives_readers),
		WITH_DIRECTORY(leaves_alone_what_stopped_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
