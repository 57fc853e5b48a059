// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files and readers that mean ill: whatever they are, there is an answer within the
 * deadline, it names module and offset, and no process is left behind.
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
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "program_kit.h"
#include "resolve_kit.h"

#define IN_TIME_NS (4 * NS_PER_S)
#define AT_ONCE_NS (NS_PER_S / 2)

/*
 * Whether it took less than it may, on a machine that has nothing else to do; on one that
 * has, what twenty empty programs take there is added.
 */
static bool took_less(uint64_t ns, uint64_t limit_ns)
{
	uint64_t start_ns = clock_now_ns();

	if (ns < limit_ns)
		return true;
	sh("true");
	return ns < limit_ns + 20 * (clock_now_ns() - start_ns);
}

static struct symbols *new_symbols(const char *reader)
{
	struct symbols *s = NULL;

	assert_int_equal(symbols_new(NULL, reader, &s), 0);
	return s;
}

/* Maps the file and asks for what is at `at` in it. */
static struct frame ask(struct symbols *s, const char *path, uint64_t at, uint64_t *ret_ns)
{
	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct frame f[2];
	uint64_t start_ns = clock_now_ns(), address;
	char *map = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
	const char *name = strrchr(path, '/') + 1;

	assert_ptr_not_equal(map, MAP_FAILED);
	address = (uintptr_t)map + at;
	memset(f, 0xa5, sizeof(f));
	assert_int_equal(resolve(s, (uint32_t)getpid(), &address, 1, f), 1);
	*ret_ns = clock_now_ns() - start_ns;
	assert_int_equal(munmap(map, 1 << 20), 0);
	assert_string_equal(f[0].module, name);
	assert_non_null(memchr(f[0].function, '\0', sizeof(f[0].function)));
	assert_non_null(memchr(f[0].file, '\0', sizeof(f[0].file)));
	expect_no_child();
	return f[0];
}

struct sample {
	char path[128];
	uint8_t bytes[1 << 18];
	size_t size;
	uint64_t at; /* of gadget() in the file */
};

static struct sample sample;

static void make_sample(const struct place_for_files *d, const char *flags)
{
	_fclose_ FILE *f = NULL;
	Elf64_Ehdr h;

	sh("cd %s && printf 'int gadget(int x) { return x * 3; }\\nint main(void) { return "
	   "gadget(1); }\\n' >gadget.c && gcc -g %s -o gadget gadget.c && "
	   "nm gadget | awk '$3 == \"gadget\" { print $1 }' >at",
	   d->path, flags);
	(void)snprintf(sample.path, sizeof(sample.path), "%s/at", d->path);
	f = fopen(sample.path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%" SCNx64, &sample.at), 1);
	(void)fclose(f);
	(void)snprintf(sample.path, sizeof(sample.path), "%s/gadget", d->path);
	f = fopen(sample.path, "r");
	assert_non_null(f);
	sample.size = fread(sample.bytes, 1, sizeof(sample.bytes), f);
	assert_true(sample.size > 1000 && sample.size < sizeof(sample.bytes));
	memcpy(&h, sample.bytes, sizeof(h));
	assert_int_equal(h.e_type, ET_DYN);
	assert_true(sample.at < sample.size);
}

static struct frame ask_about(struct symbols *s, const struct sample *x, size_t size,
			      uint64_t *ret_ns)
{
	/* A new file each time, for the other is remembered. */
	(void)unlink(x->path);
	write_file(x->path, x->bytes, size);
	return ask(s, x->path, x->at, ret_ns);
}

static void survives_files_cut_short(void **state)
{
	struct symbols *s = new_symbols(reader_path());
	unsigned int named = 0;
	struct frame f;
	uint64_t ns;

	make_sample(*state, "");
	f = ask(s, sample.path, sample.at, &ns);
	assert_string_equal(f.function, "gadget");
	for (size_t size = 0; size < sample.size; size += size < 128 ? 8 : sample.size / 60) {
		f = ask_about(s, &sample, size, &ns);
		assert_true(took_less(ns, IN_TIME_NS));
		named += f.function[0] != '\0';
		assert_true(!f.function[0] || !strcmp(f.function, "gadget"));
	}
	/* Symbols stand near the end. */
	assert_true(named < 30);
	symbols_free(s);
}

/* Each word of the file's and the sections' headers set to what it cannot be. */
static void survives_absurd_headers(void **state)
{
	static const uint64_t absurd[] = { 0, 1, UINT64_MAX, 1ULL << 40, 1ULL << 63, 0xffffffff };
	struct symbols *s = new_symbols(reader_path());
	static struct sample bent;
	Elf64_Ehdr h;
	uint64_t ns;

	make_sample(*state, "-gz");
	memcpy(&h, sample.bytes, sizeof(h));
	for (unsigned int i = 0; i < 130; i++) {
		size_t sections = (size_t)h.e_shnum * h.e_shentsize;
		size_t word = i < 8 ? 16 + 6 * i : h.e_shoff + (i * 7919 % (sections / 8)) * 8;

		bent = sample;
		memcpy(bent.bytes + word, &absurd[i % ARRAY_SIZE(absurd)], i < 8 ? 4 : 8);
		(void)ask_about(s, &bent, bent.size, &ns);
		assert_true(took_less(ns, IN_TIME_NS));
	}
	symbols_free(s);
}

/* Bytes anywhere behind the code: debug information, symbols, compressed data. */
static void survives_noise(void **state)
{
	struct symbols *s = new_symbols(reader_path());
	static struct sample bent;
	unsigned int noise = 12345;
	uint64_t ns;

	make_sample(*state, "");
	for (unsigned int i = 0; i < 130; i++) {
		bent = sample;
		for (unsigned int k = 0; k < 40; k++) {
			noise = noise * 1103515245 + 12345;
			bent.bytes[0x3000 + noise % (bent.size - 0x3000)] = (uint8_t)(noise >> 16);
		}
		(void)ask_about(s, &bent, bent.size, &ns);
		assert_true(took_less(ns, IN_TIME_NS));
	}
	symbols_free(s);
}

/*
 * 300,000 functions, each inside the one before: reading them goes as deep.  The
 * reader falls; the next question about the file is answered without one.
 */
static void survives_a_bomb(void **state)
{
	static const char bomb[] =
		".text\n.globl gadget\n.type gadget, @function\ngadget: nop\n nop\n nop\n ret\n"
		"end: .size gadget, .-gadget\n"
		".section .debug_abbrev,\"\",@progbits\n"
		".uleb128 1,0x11\n.byte 1\n.uleb128 0x11,1,0x12,7,0,0\n"
		".uleb128 2,0x2e\n.byte 1\n.uleb128 0x11,1,0x12,7,0,0\n.byte 0\n"
		".section .debug_info,\"\",@progbits\n"
		"a: .long c-b\nb: .short 4\n.long 0\n.byte 8\n.uleb128 1\n.quad gadget\n.quad 4\n"
		".rept 300000\n.uleb128 2\n.quad gadget\n.quad 4\n.endr\n"
		".fill 300001,1,0\nc:\n";
	const struct place_for_files *d = *state;
	struct symbols *s = new_symbols(reader_path());
	char path[128], source[128];
	struct frame f;
	uint64_t ns;

	(void)snprintf(source, sizeof(source), "%s/bomb.s", d->path);
	(void)snprintf(path, sizeof(path), "%s/bomb", d->path);
	write_file(source, bomb, sizeof(bomb) - 1);
	sh("gcc -nostdlib -shared -Wl,-z,noseparate-code -o %s %s", path, source);
	sh("nm %s | awk '$3 == \"gadget\" { print $1 }' >%s/at", path, d->path);
	(void)snprintf(source, sizeof(source), "%s/at", d->path);

	_fclose_ FILE *at = fopen(source, "r");
	uint64_t offset;

	assert_non_null(at);
	assert_int_equal(fscanf(at, "%" SCNx64, &offset), 1);
	f = ask(s, path, offset, &ns);
	assert_true(took_less(ns, IN_TIME_NS));
	assert_true(f.offset > 0);
	(void)ask(s, path, offset, &ns);
	assert_true(took_less(ns, AT_ONCE_NS));
	symbols_free(s);
}

/* A compressed section that claims to be a terabyte. */
static void survives_a_claim_of_size(void **state)
{
	struct symbols *s = new_symbols(reader_path());
	unsigned int bent = 0;
	struct frame f;
	uint64_t ns;
	Elf64_Ehdr h;

	make_sample(*state, "-gz=zlib");
	memcpy(&h, sample.bytes, sizeof(h));
	for (unsigned int i = 0; i < h.e_shnum; i++) {
		Elf64_Chdr *c;
		Elf64_Shdr sec;

		memcpy(&sec, sample.bytes + h.e_shoff + i * sizeof(sec), sizeof(sec));
		if (!(sec.sh_flags & SHF_COMPRESSED))
			continue;
		c = (Elf64_Chdr *)(sample.bytes + sec.sh_offset);
		memcpy(&c->ch_size, &(uint64_t){ 1ULL << 40 }, sizeof(c->ch_size));
		bent++;
	}
	if (!bent)
		skip();
	f = ask_about(s, &sample, sample.size, &ns);
	assert_true(took_less(ns, IN_TIME_NS));
	assert_true(!f.function[0] || !strcmp(f.function, "gadget"));
	symbols_free(s);
}

/* ---- readers */

static struct frame ask_by(const struct place_for_files *d, const char *script, uint64_t *ret_ns)
{
	char reader[128];
	struct symbols *s;
	struct frame f;

	(void)snprintf(reader, sizeof(reader), "%s/reader", d->path);
	write_file(reader, script, strlen(script));
	assert_int_equal(chmod(reader, 0755), 0);
	s = new_symbols(reader);
	f = ask(s, sample.path, sample.at, ret_ns);
	symbols_free(s);
	return f;
}

static void ends_a_reader_that_hangs(void **state)
{
	static const char script[] = "#!/bin/sh\necho $$ >%s/pid\nexec sleep 1000\n";
	const struct place_for_files *d = *state;
	char text[256];
	struct frame f;
	uint64_t ns;

	make_sample(d, "");
	(void)snprintf(text, sizeof(text), script, d->path);
	f = ask_by(d, text, &ns);
	assert_true(ns >= 3 * NS_PER_S && took_less(ns, IN_TIME_NS));
	assert_string_equal(f.function, "");
	assert_int_equal(f.offset, sample.at);
	/* By its number: there is none of that number any more. */
	sh("test -s %s/pid && ! kill -0 $(cat %s/pid) 2>%s/said", d->path, d->path, d->path);
}

static void doubts_what_a_reader_says(void **state)
{
	static const char *const scripts[] = {
		"#!/bin/sh\nhead -c 100000 /dev/urandom\nexec sleep 1000\n",
		"#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\nexec sleep 1000\n",
		"#!/bin/sh\nexit 1\n",
		"#!/bin/sh\nhead -c 100 /dev/zero\n",
		"not a program",
	};
	struct frame f;
	uint64_t ns;

	make_sample(*state, "");
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		f = ask_by(*state, scripts[i], &ns);
		assert_true(took_less(ns, 2 * NS_PER_S));
		assert_string_equal(f.function, "");
		assert_int_equal(f.offset, sample.at);
	}
}

static void does_without_a_reader(void **state)
{
	struct symbols *s = new_symbols("/nonexistent/plimsoll-symbols");
	struct frame f;
	uint64_t ns;

	make_sample(*state, "");
	f = ask(s, sample.path, sample.at, &ns);
	assert_true(took_less(ns, AT_ONCE_NS));
	assert_string_equal(f.function, "");
	assert_int_equal(f.offset, sample.at);
	symbols_free(s);
}

/* No more than four at a time; the fifth look-up does without; all can be given up. */
static void bounds_its_readers(void **state)
{
	const struct place_for_files *d = *state;
	struct lookup *l[5] = { 0 };
	uint64_t start_ns = clock_now_ns();
	char reader[128];
	struct symbols *s;

	(void)snprintf(reader, sizeof(reader), "%s/reader", d->path);
	write_file(reader, "#!/bin/sh\nexec sleep 1000\n", 27);
	assert_int_equal(chmod(reader, 0755), 0);
	s = new_symbols(reader);
	for (size_t i = 0; i < ARRAY_SIZE(l); i++) {
		assert_int_equal(symbols_start(s, (uint32_t)getpid(), NULL, 0, &l[i]), 0);
		assert_int_equal(lookup_fd(l[i]) >= 0, i < 4);
		assert_int_equal(lookup_step(l[i]), i == 4);
	}
	assert_string_equal(lookup_language(l[4]), "");
	for (size_t i = 0; i < ARRAY_SIZE(l); i++)
		lookup_free(l[i]);
	assert_true(took_less(clock_now_ns() - start_ns, AT_ONCE_NS * 2));
	expect_no_child();
	symbols_free(s);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(survives_files_cut_short),
		WITH_DIRECTORY(survives_absurd_headers),
		WITH_DIRECTORY(survives_noise),
		WITH_DIRECTORY(survives_a_bomb),
		WITH_DIRECTORY(survives_a_claim_of_size),
		WITH_DIRECTORY(ends_a_reader_that_hangs),
		WITH_DIRECTORY(doubts_what_a_reader_says),
		WITH_DIRECTORY(does_without_a_reader),
		WITH_DIRECTORY(bounds_its_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
