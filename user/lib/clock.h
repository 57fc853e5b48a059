/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time.  Inside, all time is nanoseconds of CLOCK_MONOTONIC, and no stage reads
 * a clock: `now_ns` is an argument.  Wall time exists only on the way out.
 */
#ifndef PLIMSOLL_CLOCK_H
#define PLIMSOLL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL

/*
 * The only way to subtract two times.  A stamp taken on another CPU can be a
 * hair after our `now`; that is no time at all, not six centuries.
 */
static inline uint64_t elapsed_ns(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

static inline double ns_to_s(uint64_t ns)
{
	return (double)ns / (double)NS_PER_S;
}

uint64_t clock_now_ns(void);

/* How long this thread has run. */
uint64_t clock_cpu_ns(void);

/* Wall time, in ns since 1970, of the monotonic instant `mono_ns`. */
uint64_t clock_wall_ns(uint64_t mono_ns);

/* RFC 3339 in UTC with milliseconds, of a wall time in ns. */
#define CLOCK_TEXT_LEN 32
const char *clock_format(uint64_t wall_ns, char text[static CLOCK_TEXT_LEN]);

#endif
