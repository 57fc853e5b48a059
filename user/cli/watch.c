// SPDX-License-Identifier: GPL-2.0-or-later
/* watch: one JSON object a line, each as soon as it is known. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "cli/call.h"
#include "control.h"
#include "drive.h"
#include "lib/clock.h"
#include "lib/log.h"

struct watch {
	sd_event *loop;
	struct remote remote;
	enum exit_code code;
};

static int end(struct watch *w, enum exit_code code)
{
	w->code = code;
	return sd_event_exit(w->loop, 0);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *arg)
{
	(void)s;
	(void)info;
	return end(arg, EXIT_OK);
}

static int on_over(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	return end(arg, EXIT_OK);
}

/* A loop that ends on SIGINT, SIGTERM, or when the time is over. */
static int prepare(struct watch *w, const struct cli *c)
{
	sigset_t set;
	int r = sd_event_new(&w->loop);

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if (r >= 0)
		r = sd_event_add_signal(w->loop, NULL, SIGINT, on_signal, w);
	if (r >= 0)
		r = sd_event_add_signal(w->loop, NULL, SIGTERM, on_signal, w);
	if (r >= 0 && c->has_for)
		r = sd_event_add_time_relative(w->loop, NULL, CLOCK_MONOTONIC,
					       c->for_ns / NS_PER_US, 1, on_over, w);
	return r < 0 ? log_err(r, "cannot watch") : 0;
}

static void print_line(json_t *o)
{
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
}

/* --- the daemon's stream -------------------------------------------------- */

static int refuse(struct watch *w, json_t *message)
{
	json_t *parameters = json_object_get(message, "parameters");
	const char *why = json_string_value(json_object_get(parameters, "message"));

	(void)log_err(0, "%s", why ? why : "the daemon's stream cannot be read");
	return end(w, EXIT_FAIL);
}

static int on_message(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct watch *w = arg;
	json_t *message = NULL;
	int n = remote_receive(&w->remote, &message);

	(void)s;
	(void)fd;
	(void)events;
	if (n <= 0) {
		(void)log_err(n, "the daemon ended the stream");
		return end(w, EXIT_FAIL);
	}
	for (; message; message = remote_take(&w->remote)) {
		json_t *o = json_object_get(message, "parameters");

		if (!json_is_object(o) || json_object_get(message, "error"))
			n = refuse(w, message);
		else
			print_line(o);
		json_decref(message);
	}
	return n < 0 ? n : 0;
}

static enum exit_code watch_remote(struct watch *w)
{
	json_t *params = json_object();
	int r = remote_send(&w->remote, "Watch", params, true);

	json_decref(params);
	if (r >= 0)
		r = sd_event_add_io(w->loop, NULL, w->remote.fd, EPOLLIN, on_message, w);
	if (r >= 0)
		r = sd_event_loop(w->loop);
	if (r < 0)
		(void)log_err(r, "cannot watch");
	return r < 0 ? EXIT_FAIL : w->code;
}

/* --- our own -------------------------------------------------------------- */

static void on_notice(enum notice what, const void *record, void *arg)
{
	const struct engine *e = arg;
	json_t *o = ask_notice(what, record, e->now_ns);

	if (o)
		print_line(o);
	json_decref(o);
}

static enum exit_code watch_local(struct watch *w)
{
	static struct engine e;
	enum exit_code code = local_open(NULL, &e);
	int r;

	if (code != EXIT_OK)
		return code;
	(void)log_warn(0, "no daemon is running: watching by itself");
	e.notice = on_notice;
	e.notice_arg = &e;
	r = drive_engine(w->loop, &e);
	if (r >= 0)
		r = sd_event_loop(w->loop);
	if (r < 0)
		(void)log_err(r, "cannot watch");
	engine_close(&e);
	return r < 0 ? EXIT_FAIL : w->code;
}

enum exit_code run_watch(const struct cli *c)
{
	struct watch w = {};
	enum exit_code code = EXIT_FAIL;
	int err;

	if (prepare(&w, c) < 0)
		return EXIT_FAIL;
	err = remote_open(&w.remote, c->run_dir);
	if (err == 0) {
		code = watch_remote(&w);
		remote_close(&w.remote);
	} else if (geteuid() == 0) {
		code = watch_local(&w);
	} else {
		code = EXIT_NO_DAEMON;
		(void)log_err(err, "no daemon answers in %s, and only root can look without one",
			      c->run_dir);
	}
	(void)sd_event_unref(w.loop);
	return code;
}
