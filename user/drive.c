// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/epoll.h>

#include "drive.h"
#include "lib/clock.h"

#define TICK_US	    100000ULL
#define ACCURACY_US 10000ULL

static int on_records(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s;
	(void)fd;
	(void)events;
	(void)engine_drain(arg);
	return 0;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct engine *e = arg;
	int r;

	(void)usec;
	(void)engine_drain(e);
	engine_tick(e, clock_now_ns());
	r = sd_event_source_set_time_relative(s, TICK_US);
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
