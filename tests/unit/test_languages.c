// SPDX-License-Identifier: GPL-2.0-or-later
/* What the owners of pools are written in: looked up once each, step by step. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "culprits/languages.h"
#include "lib/clock.h"
#include "lib/proc.h"
#include "program_kit.h"

#define POOLS	    1100	/* more owners than are remembered */
#define PROCESSES   1024	/* as culprits/languages.c remembers */
#define PATIENCE_NS (10 * NS_PER_S)

struct world {
	struct place_for_files *files;
	struct symbols *symbols;
	struct languages *languages;
	struct pool pools[POOLS];
	struct levels levels;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || make_directory((void **)&w->files) ||
	    symbols_new(NULL, "/nonexistent", &w->symbols) < 0 ||
	    languages_new(w->symbols, &w->languages) < 0)
		return -1;
	w->levels.pools = w->pools;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	languages_free(w->languages);
	symbols_free(w->symbols);
	(void)remove_directory((void **)&w->files);
	free(w);
	return 0;
}

/* A shell that runs under this name, and stands still. */
static struct program run_as(struct world *w, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", w->files->path, name);
	sh("cp /bin/sh %s", path);
	return program_start((const char *const[]){ path, "-c", "echo 0; kill -STOP $$", NULL });
}

static uint32_t start_ticks(pid_t pid)
{
	struct proc_stat st;

	assert_int_equal(proc_stat((uint32_t)pid, &st), 0);
	return st.start_ticks;
}

static void own(struct world *w, uint32_t pid, uint32_t ticks)
{
	w->pools[w->levels.count++] = (struct pool){ .pid = pid, .start_ticks = ticks };
}

/* Turns until it is known of the last owner, or for as long as that may take. */
static const char *language(struct world *w, uint32_t pid, uint32_t ticks)
{
	uint64_t since_ns = clock_now_ns();

	while (!languages_of(w->languages, pid, ticks)[0] &&
	       elapsed_ns(since_ns, clock_now_ns()) < PATIENCE_NS)
		languages_step(w->languages, &w->levels);
	return languages_of(w->languages, pid, ticks);
}

static void owners_of_pools_are_looked_at(void **state)
{
	struct world *w = *state;
	struct program node = run_as(w, "node"), java = run_as(w, "java");
	uint32_t a = start_ticks(node.pid), b = start_ticks(java.pid);

	assert_string_equal(languages_of(w->languages, (uint32_t)node.pid, a), "");
	own(w, (uint32_t)node.pid, a);
	own(w, (uint32_t)java.pid, b);
	assert_string_equal(language(w, (uint32_t)node.pid, a), "node");
	assert_string_equal(language(w, (uint32_t)java.pid, b), "jvm");
	/* The same number at another time is another process. */
	assert_string_equal(languages_of(w->languages, (uint32_t)node.pid, a + 1), "");
	program_end(&node);
	program_end(&java);
}

/* Once each: what it became known as stays, whoever has the number later on. */
static void what_is_known_is_not_asked_again(void **state)
{
	struct world *w = *state;
	struct program node = run_as(w, "node");
	uint32_t pid = (uint32_t)node.pid, ticks = start_ticks(node.pid);

	own(w, pid, ticks);
	assert_string_equal(language(w, pid, ticks), "node");
	program_end(&node);
	for (int i = 0; i < 100; i++)
		languages_step(w->languages, &w->levels);
	assert_string_equal(languages_of(w->languages, pid, ticks), "node");
}

/* Of those that have gone, the ones without a pool make room. */
static void who_has_no_pool_any_more_makes_room(void **state)
{
	struct world *w = *state;
	struct program node = run_as(w, "node"), java = run_as(w, "java");
	uint32_t a = start_ticks(node.pid), b = start_ticks(java.pid);

	own(w, (uint32_t)node.pid, a);
	assert_string_equal(language(w, (uint32_t)node.pid, a), "node");
	/* As many as there is room for, none of which there is: and one too many. */
	for (uint32_t i = 1; i < PROCESSES; i++)
		own(w, (1U << 22) + i, 1);
	languages_step(w->languages, &w->levels);
	own(w, (uint32_t)java.pid, b);
	for (int i = 0; i < 100; i++)
		languages_step(w->languages, &w->levels);
	assert_string_equal(languages_of(w->languages, (uint32_t)java.pid, b), "");
	assert_string_equal(languages_of(w->languages, (uint32_t)node.pid, a), "node");
	/* The strangers' pools are gone. */
	w->levels.count = 1;
	languages_step(w->languages, &w->levels);
	languages_step(w->languages, &w->levels);
	own(w, (uint32_t)java.pid, b);
	assert_string_equal(language(w, (uint32_t)java.pid, b), "jvm");
	assert_string_equal(languages_of(w->languages, (uint32_t)node.pid, a), "node");
	program_end(&node);
	program_end(&java);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(owners_of_pools_are_looked_at),
		TEST(what_is_known_is_not_asked_again),
		TEST(who_has_no_pool_any_more_makes_room),
	};

	return cmocka_run_group_tests_name("languages", tests, NULL, NULL);
}
