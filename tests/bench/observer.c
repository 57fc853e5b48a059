// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What observes, as a switch.
 *
 * The daemon itself takes a second to start; over so long the machine changes its pace
 * by more than we cost.  So each tier has a process that runs the daemon's own engine on
 * the daemon's own event loop, loaded once.  On: its programs are attached and the loop
 * runs, with its drains and ticks.  Off: no program is attached and no loop runs.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "drive.h"
#include "events/internal.h"
#include "lib/log.h"

static int on_order(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)events;
	(void)arg;
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static void answer(int line, uint64_t heard)
{
	if (write(line, &heard, sizeof(heard)) != sizeof(heard))
		die("answer");
}

static uint64_t heard(const struct events *e)
{
	uint64_t n = 0;
	struct slot s;

	for (uint32_t i = 0; i < events_high(e); i++)
		if (events_slot(e, i, &s))
			n += s.queries;
	return n;
}

/* Every program that meets TCP; the one on sends is with Unix sockets', but off has none. */
static void attach(struct events *e)
{
	struct unix_bpf *u = e->local;

	if (plimsoll_bpf__attach(e->bpf))
		die("attach");
	if (u && bpf_program__autoload(u->progs.on_any_send))
		u->links.on_any_send = bpf_program__attach(u->progs.on_any_send);
}

static void detach(struct events *e)
{
	plimsoll_bpf__detach(e->bpf);
	if (e->local) {
		bpf_link__destroy(e->local->links.on_any_send);
		e->local->links.on_any_send = NULL;
	}
}

/* On, until the next order comes. */
static void observe(struct engine *e, int line)
{
	sd_event *loop = NULL;

	attach(e->events);
	if (sd_event_new(&loop) < 0 || drive_engine(loop, e) < 0 ||
	    sd_event_add_io(loop, NULL, line, EPOLLIN, on_order, NULL) < 0)
		die("observe");
	answer(line, 0);
	if (sd_event_loop(loop) < 0)
		die("observe");
	sd_event_unref(loop);
	detach(e->events);
}

static void open_engine(struct engine *e, const char *tier, const char *directory)
{
	char state[4096], config[4096];
	FILE *f;

	(void)snprintf(state, sizeof(state), "%s/%s", directory, tier);
	(void)snprintf(config, sizeof(config), "%s/%s.yaml", directory, tier);
	f = fopen(config, "w");
	if (!f || fprintf(f, "evidence: %s\n", tier) < 0 || fclose(f) || mkdir(state, 0700))
		die(state);
	if (engine_open(e, &(struct engine_options){ config, state, -1 }) < 0)
		exit(1);
}

/* The process of one tier: each byte from `line` turns it over, and is answered. */
static void serve_tier(const char *tier, const char *directory, int line)
{
	static struct engine engine;
	char order;

	log_setup("bench", LOG_LEVEL_WARN);
	open_engine(&engine, tier, directory);
	detach(engine.events);
	answer(line, 0);
	while (read(line, &order, 1) == 1) {
		uint64_t before = heard(engine.events);

		observe(&engine, line);
		if (read(line, &order, 1) != 1)
			break;
		answer(line, heard(engine.events) - before);
	}
	_exit(0);
}

/* A peer: reads the same state the usual way, ten times a second. */
static void serve_ss(int line)
{
	char *argv[] = { "sh", "-c", "while :; do ss -tni >/dev/null; sleep 0.1; done", NULL };
	char order;
	bool on = false;
	pid_t pid = 0;

	answer(line, 0);
	while (read(line, &order, 1) == 1) {
		if (on) {
			(void)kill(-pid, SIGKILL);
		} else {
			pid = child();
			if (pid == 0) {
				(void)setpgid(0, 0);
				execvp(argv[0], argv);
				_exit(127);
			}
			(void)setpgid(pid, pid);
		}
		on = !on;
		answer(line, 0);
	}
	_exit(0);
}

void observer_start(struct observer *o, const char *name, const char *directory)
{
	int line[2];
	uint64_t ready;

	*o = (struct observer){ .name = name, .line = -1 };
	if (!strcmp(name, "again"))	/* no observer once more: shows the noise */
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
		die("socketpair");
	o->pid = child();
	if (o->pid == 0) {
		close(line[0]);
		if (!strcmp(name, "ss"))
			serve_ss(line[1]);
		serve_tier(name, directory, line[1]);
	}
	close(line[1]);
	o->line = line[0];
	if (read(o->line, &ready, sizeof(ready)) != sizeof(ready))
		die(name);
}

uint64_t observer_turn(struct observer *o)
{
	uint64_t n = 0;

	if (o->line >= 0 &&
	    (write(o->line, "", 1) != 1 || read(o->line, &n, sizeof(n)) != sizeof(n)))
		die(o->name);
	return n;
}
