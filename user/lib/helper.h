/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of ours that does one thing in a process of its own: it gets a request
 * on standard input, answers on standard output, and is ended when that takes long.
 */
#ifndef PLIMSOLL_HELPER_H
#define PLIMSOLL_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPER_REQUEST_MAX 65536 /* what a pipe takes with nobody reading */

struct helper {
	pid_t pid;
	int out; /* what it says; never blocks */
};

/*
 * Starts the program at `path`, with no argument and no environment.  `prepare` runs
 * in the new process before: it arranges the descriptors from 3 on and returns the first
 * number that is to be closed, or -errno.  What blocks there blocks nobody else.
 * 0 or -errno; that the program is missing shows only in its silence.
 */
int helper_start(const char *path, const void *request, size_t size, int (*prepare)(void *arg),
		 void *arg, struct helper *ret);

/* Ends it.  False when it does not go at once (it waits for a disk): helper_gone() then. */
bool helper_stop(struct helper *h);
bool helper_gone(pid_t pid);

/* How long it was ready to run and had no processor, as far as is known. */
uint64_t helper_starved_ns(const struct helper *h);

/* Path of the program `name` beside our own; 0, -ENOENT or -ENAMETOOLONG. */
int helper_beside_us(const char *name, char *out, size_t out_size);

#endif
