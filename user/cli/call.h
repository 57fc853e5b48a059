/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Getting an answer: from the daemon, or by ourselves when there is none. */
#ifndef PLIMSOLL_CLI_CALL_H
#define PLIMSOLL_CLI_CALL_H

#include "cli.h"

/*
 * The document of `method`, or after a sentence on stderr the exit code; then
 * *ret is NULL or the error's parameters ("repair").  Takes `params`.
 */
enum exit_code call(const struct cli *c, const char *method, json_t *params, json_t **ret);

/* Whether a document says that more of it will be known if it is asked for again soon. */
bool call_is_pending(json_t *doc);

#define PENDING_TRIES 35	/* in all as long as a look-up may take */
#define PENDING_NS    (100 * NS_PER_MS)

/* Verbs that are more than a question. */
enum exit_code run_watch(const struct cli *c);

/* A connection to the daemon. */
struct remote {
	int fd;
	char *in;
	size_t in_len, in_size;
};

/* 0 or -errno: -ENOENT and -ECONNREFUSED mean that there is no daemon. */
int remote_open(struct remote *r, const char *run_dir);
void remote_close(struct remote *r);
int remote_send(struct remote *r, const char *method, json_t *params, bool more);

/* One message: 1 and it, 0 when the daemon hung up, or -errno. */
int remote_receive(struct remote *r, json_t **ret);

/* A message that has been received already, or NULL. */
json_t *remote_take(struct remote *r);

/* Answers without a daemon, as root.  The same returns as call(). */
enum exit_code local_call(const struct cli *c, const char *method, json_t *params, json_t **ret);

/* Opens an engine of our own, without a journal when `state_dir` is NULL; logged. */
enum exit_code local_open(const char *state_dir, struct engine *e);

#endif
