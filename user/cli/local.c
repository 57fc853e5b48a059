// SPDX-License-Identifier: GPL-2.0-or-later
/* Without a daemon: the same engine, for the length of one command. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/call.h"
#include "drive.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LOOK_NS NS_PER_S

enum exit_code local_open(const char *state_dir, struct engine *e)
{
	struct engine_options opt = { .state_dir = state_dir, .mode = MODE_OBSERVE };

	return ask_exit_code(engine_open(e, &opt));
}

static int on_over(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec;
	(void)arg;
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

/* Two looks make a suspicion a finding, so the first is at once. */
static int look(struct engine *e, uint64_t for_ns)
{
	sd_event *loop = NULL;
	int r = sd_event_new(&loop);

	(void)engine_drain(e);
	engine_tick(e, clock_now_ns());
	if (r >= 0)
		r = drive_engine(loop, e);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, for_ns / NS_PER_US, 1,
					       on_over, NULL);
	if (r >= 0)
		r = sd_event_loop(loop);
	(void)sd_event_unref(loop);
	return r < 0 ? r : 0;
}

static enum exit_code ask_engine(struct engine *e, const char *method, json_t *params, json_t **ret)
{
	const struct caller root = { .role = ROLE_ALL };
	enum exit_code code = ask(e, &root, method, params, ret);

	if (code != EXIT_OK)
		(void)log_err(0, "%s", json_string_value(json_object_get(*ret, "message")));
	return code;
}

static enum exit_code look_and_ask(const struct cli *c, const char *method, json_t *params,
				   json_t **ret)
{
	static struct engine e;
	uint64_t for_ns = c->has_for ? c->for_ns : LOOK_NS;
	enum exit_code code = local_open(strcmp(method, "Fix") == 0 ? c->state_dir : NULL, &e);
	int err;

	if (code != EXIT_OK)
		return code;
	err = look(&e, for_ns);
	(void)log_warn(0, "no daemon is running: looked for %.1f s by itself", ns_to_s(for_ns));
	code = err < 0 ? (enum exit_code)EXIT_FAIL : ask_engine(&e, method, params, ret);
	for (int i = 0; i < PENDING_TRIES && code == EXIT_OK && call_is_pending(*ret); i++) {
		json_decref(*ret);
		*ret = NULL;
		err = look(&e, PENDING_NS);
		code = err < 0 ? (enum exit_code)EXIT_FAIL : ask_engine(&e, method, params, ret);
	}
	if (err < 0)
		(void)log_err(err, "cannot look");
	engine_close(&e);
	return code;
}

static enum exit_code read_journal(const struct cli *c, json_t **ret)
{
	uint64_t now_ns = clock_wall_ns(clock_now_ns());
	struct journal *j = NULL;
	json_t *rows;
	int err = journal_open_readonly(c->state_dir, &j);

	if (err == -ENOENT) {
		(void)log_err(0, "there is no journal in %s", c->state_dir);
		return EXIT_NOTHING;
	}
	if (err < 0)
		return ask_exit_code(err);
	rows = journal_read(j, c->has_since && c->since_ns < now_ns ? now_ns - c->since_ns : 0);
	journal_close(j);
	*ret = rows ? json_pack("{s:i, s:o}", "schema", 1, "journal", rows) : NULL;
	return *ret ? EXIT_OK : EXIT_FAIL;
}

/* The STOP file alone; the next daemon will heed it. */
static enum exit_code change_stop(const struct cli *c, const char *method, json_t **ret)
{
	bool stop = strcmp(method, "Stop") == 0;
	struct engine e = { .state_dir = c->state_dir };
	int err = 0;

	/* It may be wanted before the first daemon ever ran here. */
	if (stop && mkdir(c->state_dir, 0700) < 0 && errno != EEXIST)
		err = -errno;
	if (!err)
		err = engine_set_stopped(&e, stop);
	if (err < 0) {
		(void)log_err(err, "cannot change the STOP file in %s", c->state_dir);
		return EXIT_FAIL;
	}
	(void)log_warn(0, "no daemon is running: the STOP file in %s was %s", c->state_dir,
		       stop ? "made" : "removed");
	*ret = json_pack("{s:i, s:[{s:b}]}", "schema", 1, stop ? "stop" : "resume", "stopped", stop);
	return *ret ? EXIT_OK : EXIT_FAIL;
}

enum exit_code local_call(const struct cli *c, const char *method, json_t *params, json_t **ret)
{
	if (strcmp(method, "Status") == 0) {
		(void)log_err(0, "plimsolld is not running: nobody answers in %s", c->run_dir);
		return EXIT_NO_DAEMON;
	}
	if (strcmp(method, "Journal") == 0)
		return read_journal(c, ret);
	if (strcmp(method, "Stop") == 0 || strcmp(method, "Resume") == 0)
		return change_stop(c, method, ret);
	return look_and_ask(c, method, params, ret);
}
