// SPDX-License-Identifier: GPL-2.0-or-later
/* Who cannot run: told by looks at a process that calls itself Java, and at its threads. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"
#include "lib/clock.h"
#include "lib/proc.h"
#include "pauses.h"

#define GRACE_NS (8 * NS_PER_S)
#define STEP_NS	 NS_PER_S
#define NOW	 (1000 * NS_PER_S)

static struct conns conns;
static struct pauses *pauses;
static pid_t child;

static void *collect(void *arg)
{
	(void)arg;
	(void)prctl(PR_SET_NAME, "GC Thread#0");
	for (;;)
		;
	return NULL;
}

/* One that sleeps, or whose only thread that runs is a collector's, until it is told. */
static void java(bool collects)
{
	int said[2];
	char byte;

	assert_int_equal(pipe(said), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		pthread_t thread;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "java");
		if (collects)
			(void)pthread_create(&thread, NULL, collect, NULL);
		(void)!write(said[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(said[0], &byte, 1), 1);
	(void)close(said[0]);
	(void)close(said[1]);
}

static struct conn *add_conn(char status)
{
	struct proc_stat st;
	struct slot s = {
		.gen = 1, .cookie = 100, .phase = PHASE_READY, .protocol = WIRE_POSTGRESQL,
		.status = (uint8_t)status, .tcp_state = 1, .tgid = (uint32_t)child,
		.rport = 5432, .lport = 40000, .last_ns = NOW - 2 * NS_PER_S,
	};

	assert_int_equal(proc_stat((uint32_t)child, &st), 0);
	s.start_ticks = st.start_ticks;
	return conns_apply_slot(&conns, 0, &s);
}

/* The clock of the looks is the test's; that of the child's threads goes on by itself. */
static void let_it_run(void)
{
	(void)usleep(1200 * 1000);
}

static void look(uint64_t seconds)
{
	pauses_step(pauses, &conns, GRACE_NS, NOW + seconds * NS_PER_S);
}

static bool undecided(const struct conn *c, uint64_t seconds)
{
	return pauses_is_undecided(pauses, c, NOW + seconds * NS_PER_S);
}

static int setup(void **state)
{
	(void)state;
	return conns_init(&conns, 4, "0000") || pauses_new(&pauses);
}

static int teardown(void **state)
{
	(void)state;
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	conns_done(&conns);
	pauses_free(pauses);
	return 0;
}

static void a_collection_is_known_by_the_second_look(void **state)
{
	struct conn *c;

	(void)state;
	java(true);
	c = add_conn('T');
	look(0);
	assert_false(c->paused);
	assert_true(undecided(c, 0));	/* late as the first look may come */
	let_it_run();
	look(1);
	assert_true(c->paused);
	assert_true(undecided(c, 1));
	assert_int_equal(conn_quiet_ns(c, NOW + STEP_NS), 2 * NS_PER_S);
}

static void one_that_does_nothing_leaks(void **state)
{
	struct conn *c;

	(void)state;
	java(false);
	c = add_conn('T');
	look(0);
	assert_true(undecided(c, 0));
	look(1);
	assert_false(undecided(c, 1));
	assert_false(c->paused);
	assert_int_equal(conn_quiet_ns(c, NOW + STEP_NS), 3 * NS_PER_S);
	/* What was known long ago is not known now. */
	assert_false(undecided(c, 3));
	assert_true(undecided(c, 4));
}

static void what_is_idle_waits_for_nobody(void **state)
{
	struct conn *c;

	(void)state;
	java(true);
	c = add_conn('I');
	look(0);
	assert_false(undecided(c, 0));
	assert_false(undecided(c, 60));
}

static void one_that_is_stopped_is_paused_at_once(void **state)
{
	struct conn *c;

	(void)state;
	java(false);
	assert_int_equal(kill(child, SIGSTOP), 0);
	assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
	c = add_conn('T');
	look(0);
	assert_true(c->paused);
	assert_true(pauses_is_stopped(c->pid, c->start_ticks));
	assert_true(undecided(c, 0));
	assert_int_equal(kill(child, SIGCONT), 0);
	look(1);
	assert_false(c->paused);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_collection_is_known_by_the_second_look),
		TEST(one_that_does_nothing_leaks),
		TEST(what_is_idle_waits_for_nobody),
		TEST(one_that_is_stopped_is_paused_at_once),
	};

	return cmocka_run_group_tests_name("pauses", tests, NULL, NULL);
}
