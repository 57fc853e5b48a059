/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions and orders, answered as JSON documents.  The control socket asks
 * them for its clients, the CLI asks them directly when there is no daemon: one
 * door, so both give the same answer.
 */
#ifndef PLIMSOLL_ASK_H
#define PLIMSOLL_ASK_H

#include <jansson.h>
#include <sys/types.h>

#include "engine.h"

#define PLIMSOLL_VERSION "0.1"

enum role { ROLE_NONE, ROLE_OWN, ROLE_READ, ROLE_ALL };

struct caller {
	enum role role;
	uid_t uid;
};

/* Exit codes of the CLI; an error answer carries the one it means. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAIL = 1,
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,
	EXIT_PERMISSION = 4,
	EXIT_NO_DAEMON = 5,
	EXIT_REFUSED = 7,
};

/*
 * Answers `method` ("Conns", "Pools", "Leaks", "Show", "Fix", "Journal",
 * "Status", "Doctor", "Stop", "Resume") with `params` (an object, may be NULL).
 * Returns EXIT_OK and a new document in *ret, or another exit code and in *ret
 * an object {"message": "one sentence"} (with "repair" when a fix was refused).
 */
enum exit_code ask(struct engine *e, const struct caller *who, const char *method, json_t *params,
		   json_t **ret);

/*
 * The same a piece at a time, where an answer may have thousands of rows: those from *place on
 * (0 at first), each piece as things are then.  *place: where to go on, 0 after the last.
 */
enum exit_code ask_piece(struct engine *e, const struct caller *who, const char *method,
			 json_t *params, size_t *place, json_t **ret);

bool ask_knows(const char *method);

/* What engine_open() and its like returned, as an exit code. */
enum exit_code ask_exit_code(int err);

/* What a watcher is told: the finding, repair or gear, with "type" and "at".  NULL: no memory. */
json_t *ask_notice(enum notice what, const void *record, uint64_t now_ns);

#endif
