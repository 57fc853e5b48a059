// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <time.h>

#include "lib/clock.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(uint64_t mono_ns)
{
	return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC) + mono_ns;
}

const char *clock_format(uint64_t wall_ns, char text[static CLOCK_TEXT_LEN])
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)snprintf(text, CLOCK_TEXT_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		       (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		       (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		       (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
		       (unsigned)(wall_ns / NS_PER_MS % 1000));
	return text;
}
