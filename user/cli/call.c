// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/call.h"
#include "control.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Nobody is there to answer, as opposed to somebody who fails to. */
static bool is_absence(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -ECONNREFUSED || err == -EACCES;
}

static enum exit_code read_error(json_t *reply, json_t **ret)
{
	json_t *parameters = json_object_get(reply, "parameters");
	const char *message = json_string_value(json_object_get(parameters, "message"));
	json_int_t code = json_integer_value(json_object_get(parameters, "exit"));

	(void)log_err(0, "%s", message ? message : "the daemon refused to answer");
	*ret = json_incref(parameters);
	return code > EXIT_OK && code <= EXIT_REFUSED ? (enum exit_code)code : EXIT_FAIL;
}

static enum exit_code read_reply(json_t *reply, json_t **ret)
{
	json_t *doc = json_object_get(reply, "parameters");

	if (json_object_get(reply, "error"))
		return read_error(reply, ret);
	if (!json_is_object(doc)) {
		(void)log_err(0, "the daemon's answer cannot be read");
		return EXIT_FAIL;
	}
	*ret = json_incref(doc);
	return EXIT_OK;
}

static enum exit_code remote_call(struct remote *r, const char *method, json_t *params, json_t **ret)
{
	json_t *reply = NULL;
	enum exit_code code;
	int n = remote_send(r, method, params, false);

	if (n == 0)
		n = remote_receive(r, &reply);
	if (n == -EAGAIN)
		(void)log_err(0, "the daemon does not answer");
	else if (n == 0)
		(void)log_err(0, "the daemon hung up (too many clients, or it is ending)");
	else if (n < 0)
		(void)log_err(n, "cannot ask the daemon");
	if (n <= 0)
		return EXIT_FAIL;
	code = read_reply(reply, ret);
	json_decref(reply);
	return code;
}

bool call_is_pending(json_t *doc)
{
	json_t *row = json_array_get(json_object_get(doc, "show"), 0);

	return json_is_true(json_object_get(row, "stack_pending"));
}

static enum exit_code remote_call_whole(struct remote *r, const char *method, json_t *params,
					json_t **ret)
{
	const struct timespec pause = { .tv_nsec = PENDING_NS };
	enum exit_code code = remote_call(r, method, params, ret);

	for (int i = 0; i < PENDING_TRIES && code == EXIT_OK && call_is_pending(*ret); i++) {
		json_decref(*ret);
		*ret = NULL;
		(void)nanosleep(&pause, NULL);
		code = remote_call(r, method, params, ret);
	}
	return code;
}

static enum exit_code ask_anybody(const struct cli *c, const char *method, json_t *params,
				  json_t **ret)
{
	struct remote r;
	enum exit_code code;
	int err = remote_open(&r, c->run_dir);

	if (is_absence(err)) {
		if (geteuid() == 0)
			return local_call(c, method, params, ret);
		(void)log_err(err, "no daemon answers in %s, and only root can look without one",
			      c->run_dir);
		return EXIT_NO_DAEMON;
	}
	if (err < 0) {
		(void)log_err(err, "cannot reach the daemon in %s", c->run_dir);
		return EXIT_FAIL;
	}
	code = remote_call_whole(&r, method, params, ret);
	remote_close(&r);
	return code;
}

enum exit_code call(const struct cli *c, const char *method, json_t *params, json_t **ret)
{
	enum exit_code code = ask_anybody(c, method, params, ret);

	json_decref(params);
	return code;
}
