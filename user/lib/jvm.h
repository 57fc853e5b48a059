/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a Java process does nothing but collect garbage, by its threads' times. */
#ifndef PLIMSOLL_JVM_H
#define PLIMSOLL_JVM_H

#include <stdbool.h>
#include <stdint.h>

struct jvm_times {
	/* Of threads that run while all others are held: ran, or waited for a processor. */
	uint64_t collecting_ns;
	/* Of those of the application, and any we do not know: ran. */
	uint64_t working_ns;
};

/* Sums over all threads.  0, or -ESRCH when there is no such process. */
int jvm_times(uint32_t pid, struct jvm_times *ret);

/* Adds one thread, by its name. */
void jvm_count(struct jvm_times *t, const char *thread, uint64_t ran_ns, uint64_t waited_ns);

/*
 * Whether at least half of the `ns` between two readings went by in collections that let
 * hardly anybody else run.  Java that waits does not collect, and a collection beside
 * running threads is none that stops them.
 */
bool jvm_is_collecting(const struct jvm_times *before, const struct jvm_times *after, uint64_t ns);

#endif
