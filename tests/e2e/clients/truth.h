/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same as truth.py, for the programs in C: these have no pool.  Who includes this
 * defines what its driver does, and a table of modes that has COMMON_MODES.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A connection, or the end of the program; one statement and all of its answer; its number. */
static void *dial(void);
static void ask(void *db, const char *sql);
static unsigned long backend(void *db);

static double grace_s;

static void nap(double s)
{
	struct timespec t = { (time_t)s, (long)((s - (time_t)s) * 1e9) };

	while (nanosleep(&t, &t) < 0)
		;
}

static void leaked(const char *kind, void *db)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	printf("{\"kind\": \"%s\", \"backend\": %lu, \"at\": %.3f}\n", kind, backend(db),
	       t.tv_sec + t.tv_nsec / 1e9);
}

/* ---- that leak */

static void unused(void)
{
	for (int i = 0; i < 10; i++) {
		leaked("unused", dial());
		nap(0.4);
	}
}

static void opened(void)
{
	for (int i = 0; i < 12; i++) {
		void *db = dial();

		ask(db, "select 1");
		leaked("held", db);
		nap(0.4);
	}
}

/* ---- that do not */

static void busy(void)
{
	void *db = dial();

	for (;;) {
		ask(db, "begin");
		ask(db, "select count(*) from account");
		ask(db, "commit");
		nap(0.02);
	}
}

static void steps(void)
{
	void *db = dial();

	for (;;) {
		ask(db, "begin");
		for (int i = 0; i < 12; i++) {
			ask(db, "select 1");
			nap(grace_s * 0.4);
		}
		ask(db, "commit");
	}
}

struct mode {
	const char *name;
	void (*run)(void);
};

#define COMMON_MODES { "unused", unused }, { "opened", opened }, { "busy", busy }, { "steps", steps }

static int truth(int argc, char **argv, const struct mode *modes, size_t count)
{
	if (argc != 2 || !getenv("TRUTH_GRACE"))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	grace_s = atof(getenv("TRUTH_GRACE"));
	printf("{}\n");
	(void)getchar();
	for (size_t i = 0; i < count; i++)
		if (!strcmp(modes[i].name, argv[1])) {
			modes[i].run();
			for (;;)
				(void)pause();
		}
	return 2;
}

#endif
