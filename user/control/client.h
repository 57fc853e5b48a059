/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One client of the control socket: its bytes in, its bytes out, its deadline. */
#ifndef PLIMSOLL_CONTROL_CLIENT_H
#define PLIMSOLL_CONTROL_CLIENT_H

#include "control.h"

#define CLIENT_DEPTH_MAX   32
#define CLIENT_WATCH_MAX   (4 << 20)	/* bytes a slow watcher may be behind */
#define CLIENT_TIMEOUT_US  (10 * 1000000ULL)

struct client {
	struct client *next, **link;	/* in the control's list */
	struct control *control;
	struct caller who;
	int fd;
	sd_event_source *io, *deadline;
	bool watching, closing, eof;
	bool moved;	/* something was finished: the deadline begins anew */

	char in[CONTROL_REQUEST_MAX];
	size_t in_len;
	char *out;
	size_t out_len, out_sent;
	json_t *asked;	/* what is answered a piece at a time; NULL: nothing */
	size_t place;	/* where its next piece begins; 0: there is none */
};

/* Takes `fd` over, also when it fails.  0 or -errno. */
int client_new(struct client **ret, struct control *c, sd_event *loop, int fd,
	       const struct caller *who);
void client_free(struct client *cl);

/*
 * Queues one message for a watcher, with its end.  False: it is too far behind
 * and must go.
 */
bool client_push(struct client *cl, const char *message, size_t size);

/*
 * Answers one request; `reply` then holds a message, or NULL for none.  Where it is a piece only
 * the client's place tells where the next begins, and the same request asks for that.
 */
void control_request(struct control *c, struct client *cl, json_t *request, json_t **reply);

/* A client ends itself: `bad` counts it as dropped. */
void control_drop(struct control *c, struct client *cl, bool bad);

#endif
