// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/epoll.h>

#include "drive.h"
#include "lib/clock.h"

#define TICK_US	    100000ULL
#define TICK_MAX_US 400000ULL	/* late enough to find within a second of the grace */
#define SHARE	    300		/* of the time: what looking may take is a 300th */
#define ACCURACY_US 10000ULL

static int on_records(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s;
	(void)fd;
	(void)events;
	(void)engine_drain(arg);
	return 0;
}

/* Where a look at all takes long, there are fewer of them, but not while somebody waits. */
static uint64_t pause_us(const struct engine *e, uint64_t took_ns)
{
	uint64_t us = took_ns / NS_PER_US * SHARE;

	findings_for_each(&e->detect, f)
		if (f->state == FINDING_SUSPECT)
			us = TICK_US;
	if (us < TICK_US)
		return TICK_US;
	return us < TICK_MAX_US ? us : TICK_MAX_US;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct engine *e = arg;
	uint64_t since_ns = clock_now_ns();
	int r;

	(void)usec;
	(void)engine_drain(e);
	engine_tick(e, since_ns);
	r = sd_event_source_set_time_relative(s, pause_us(e, elapsed_ns(since_ns, clock_now_ns())));
	return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int drive_engine(sd_event *loop, struct engine *e)
{
	int r = sd_event_add_io(loop, NULL, engine_ring_fd(e), EPOLLIN, on_records, e);

	if (r < 0)
		return r;
	r = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, TICK_US, ACCURACY_US, on_tick,
				       e);
	return r < 0 ? r : 0;
}
