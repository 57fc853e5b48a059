/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pieces of the bench: workloads, observers, and what both need. */
#ifndef PLIMSOLL_BENCH_H
#define PLIMSOLL_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Runs in a process of its own. */
struct workload {
	const char *name;
	void (*open)(void);	/* before each window */
	void (*step)(void);	/* one operation */
	/* Where others do the work (`step` then only waits): how much was done, ever. */
	uint64_t (*done)(void);
};

/* NULL: there is no such workload. */
const struct workload *workload_find(const char *name);

/* Call before the worker is begun. */
void workload_prepare(void);

/*
 * Something that observes, as a switch: on, it costs all that it ever costs; off, nothing
 * of it is attached and nothing of it runs.  `directory` is for its files.
 */
struct observer {
	const char *name;
	pid_t pid;
	int line;	/* to its process */
};

void observer_start(struct observer *o, const char *name, const char *directory);

/*
 * On, or off again; returns when it is.  After the latter, how many answers it heard in
 * between: one that heard none has cost nothing either.
 */
uint64_t observer_turn(struct observer *o);

void die(const char *what) __attribute__((noreturn));
void pause_ms(long ms);
pid_t child(void);	/* fork(), and gone when we are */

#endif
