// SPDX-License-Identifier: GPL-2.0-or-later
/* Stop and Resume: whether any repair may be begun. */
#include <string.h>

#include "ask/question.h"

static enum exit_code change(const struct inquiry *q, bool stopped, json_t **ret)
{
	static const char *const names[] = { NULL };
	int err;

	if (ask_only(q, names, ret) != EXIT_OK)
		return EXIT_USAGE;
	err = engine_set_stopped(q->e, stopped);
	if (err < 0)
		return ask_fail(ret, EXIT_FAIL, "the STOP file cannot be %s: %s",
				stopped ? "made" : "removed", strerror(-err));
	return ask_done(stopped ? "stop" : "resume", json_pack("[{s:b}]", "stopped", stopped), ret);
}

static enum exit_code answer_stop(const struct inquiry *q, json_t **ret)
{
	return change(q, true, ret);
}

static enum exit_code answer_resume(const struct inquiry *q, json_t **ret)
{
	return change(q, false, ret);
}

static const struct question stop = { "Stop", MAY(ROLE_ALL), answer_stop };
REGISTER(question, stop);
static const struct question resume = { "Resume", MAY(ROLE_ALL), answer_resume };
REGISTER(question, resume);
