// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads requests one at a time and none while an answer is still on its way:
 * a client that does not read its answers holds up nobody but itself.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/client.h"
#include "lib/cleanup.h"

#define LARGE_ANSWER (256UL << 10)

static bool has_request(const struct client *cl)
{
	return memchr(cl->in, '\0', cl->in_len) != NULL;
}

static bool has_output(const struct client *cl)
{
	return cl->out_sent < cl->out_len;
}

/* Deeper than any request need be, and deep enough to hurt a recursive reader. */
static bool is_too_deep(const char *text, size_t len)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (depth > CLIENT_DEPTH_MAX)
			return true;
	}
	return false;
}

static int append(struct client *cl, const char *bytes, size_t size)
{
	char *grown;

	if (cl->out_sent) {
		cl->out_len -= cl->out_sent;
		memmove(cl->out, cl->out + cl->out_sent, cl->out_len);
		cl->out_sent = 0;
	}
	grown = realloc(cl->out, cl->out_len + size);
	if (!grown)
		return -ENOMEM;
	cl->out = grown;
	memcpy(cl->out + cl->out_len, bytes, size);
	cl->out_len += size;
	return 0;
}

static int queue(struct client *cl, json_t *reply)
{
	_free_ char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	return text ? append(cl, text, strlen(text) + 1) : -ENOMEM;
}

/* Each piece is a document; of all but the first the head, of all but the last the end is left. */
static int queue_piece(struct client *cl, json_t *reply, bool first)
{
	_free_ char *text = json_dumps(reply, JSON_COMPACT);
	char *from = text;
	size_t len;

	if (!text)
		return -ENOMEM;
	len = strlen(text) + 1;
	if (!first) {
		from = strchr(text, '[');
		/* An answer that was begun cannot become a refusal. */
		if (!from || json_object_get(reply, "error"))
			return -EIO;
		if (from[1] == ']')
			from++;
		else
			*from = ',';
	}
	if (cl->place)
		len -= sizeof("]}}");
	return append(cl, from, len - (size_t)(from - text));
}

/* 0 or -errno; what cannot be sent now stays queued. */
static int flush(struct client *cl)
{
	while (has_output(cl)) {
		ssize_t n = send(cl->fd, cl->out + cl->out_sent, cl->out_len - cl->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		cl->out_sent += (size_t)n;
		cl->moved = true;
	}
	free(TAKE(cl->out));
	/* A look at all connections took hundred times as much: it is not kept for the next. */
	if (cl->out_len > LARGE_ANSWER)
		(void)malloc_trim(0);
	cl->out_len = 0;
	cl->out_sent = 0;
	return 0;
}

/* The message is malformed: say why, then hang up. */
static int reject(struct client *cl, const char *why)
{
	json_t *reply = json_pack("{s:s, s:{s:s, s:i}}", "error", CONTROL_INTERFACE ".BadMessage",
				  "parameters", "message", why, "exit", EXIT_USAGE);
	int err = queue(cl, reply);

	json_decref(reply);
	cl->closing = true;
	cl->in_len = 0;
	return err;
}

/* Asks for the next piece of what is being answered, or for the first. */
static int ask_next(struct client *cl)
{
	bool first = !cl->place;
	json_t *reply = NULL;
	int err = 0;

	control_request(cl->control, cl, cl->asked, &reply);
	if (reply)
		err = queue_piece(cl, reply, first);
	json_decref(reply);
	if (!cl->place) {
		json_decref(cl->asked);
		cl->asked = NULL;
	}
	return err;
}

static int answer(struct client *cl, const char *text, size_t len)
{
	json_t *request;

	if (is_too_deep(text, len))
		return reject(cl, "the request is nested too deeply");
	request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(request)) {
		json_decref(request);
		return reject(cl, "the request is not a JSON object");
	}
	cl->asked = request;
	return ask_next(cl);
}

/* Answers the first whole request of the buffer, if there is one. */
static int take_request(struct client *cl)
{
	const char *end = memchr(cl->in, '\0', cl->in_len);
	size_t used;
	int err;

	if (!end)
		return cl->in_len == sizeof(cl->in) ? reject(cl, "the request is too long") : 0;
	used = (size_t)(end - cl->in) + 1;
	cl->moved = true;
	err = answer(cl, cl->in, used - 1);
	if (cl->closing)
		return err;
	cl->in_len -= used;
	memmove(cl->in, cl->in + used, cl->in_len);
	return err;
}

static int fill(struct client *cl)
{
	ssize_t n;

	if (cl->in_len == sizeof(cl->in))
		return 0;
	n = recv(cl->fd, cl->in + cl->in_len, sizeof(cl->in) - cl->in_len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	cl->eof = n == 0;
	cl->in_len += (size_t)n;
	return 0;
}

/* A watcher's bound is how far it is behind, not how long. */
static int arm_deadline(struct client *cl)
{
	bool owes = !cl->watching && (has_output(cl) || cl->asked || cl->in_len > 0);
	bool runs = sd_event_source_get_enabled(cl->deadline, NULL) > 0;
	int r;

	if (!owes)
		return sd_event_source_set_enabled(cl->deadline, SD_EVENT_OFF);
	if (runs && !cl->moved)
		return 0;
	cl->moved = false;
	r = sd_event_source_set_time_relative(cl->deadline, CLIENT_TIMEOUT_US);
	return r < 0 ? r : sd_event_source_set_enabled(cl->deadline, SD_EVENT_ONESHOT);
}

/*
 * What to wait for.  A request that is already here must not wait for more
 * bytes; being writable is true at once and lets others have their turn first.
 */
static int arm(struct client *cl)
{
	bool busy = has_output(cl) || cl->asked || has_request(cl);
	uint32_t events = busy ? EPOLLOUT : 0;
	int r;

	if (!cl->eof && !cl->closing && (!busy || cl->watching))
		events |= EPOLLIN;
	r = sd_event_source_set_io_events(cl->io, events);
	return r < 0 ? r : arm_deadline(cl);
}

static int turn(struct client *cl, uint32_t events)
{
	int err = 0;

	if (events & EPOLLIN)
		err = fill(cl);
	if (!err && cl->watching && cl->in_len > 0)
		return -EPROTO;
	if (!err && !has_output(cl) && !cl->closing)
		err = cl->asked ? ask_next(cl) : take_request(cl);
	if (!err)
		err = flush(cl);
	return err ? err : arm(cl);
}

/* Nothing more can come of it. */
static bool is_over(const struct client *cl)
{
	if (has_output(cl) || cl->asked)
		return false;
	return cl->closing || (cl->eof && !cl->watching && !has_request(cl));
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct client *cl = arg;
	int err;

	(void)s;
	(void)fd;
	if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)) {
		control_drop(cl->control, cl, false);
		return 0;
	}
	err = turn(cl, events);
	if (err < 0 || is_over(cl))
		control_drop(cl->control, cl, err == -EPROTO || cl->closing);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *arg)
{
	struct client *cl = arg;

	(void)s;
	(void)usec;
	control_drop(cl->control, cl, true);
	return 0;
}

bool client_push(struct client *cl, const char *message, size_t size)
{
	if (cl->out_len - cl->out_sent + size > CLIENT_WATCH_MAX)
		return false;
	return append(cl, message, size) == 0 && flush(cl) == 0 && arm(cl) >= 0;
}

void client_free(struct client *cl)
{
	if (!cl)
		return;
	(void)sd_event_source_disable_unref(cl->io);
	(void)sd_event_source_disable_unref(cl->deadline);
	if (cl->fd >= 0)
		(void)close(cl->fd);
	json_decref(cl->asked);
	free(cl->out);
	free(cl);
}

/* Clients come after the kernel's records and the tick. */
static int add_sources(struct client *cl, sd_event *loop)
{
	int r = sd_event_add_io(loop, &cl->io, cl->fd, EPOLLIN, on_io, cl);

	if (r >= 0)
		r = sd_event_source_set_priority(cl->io, SD_EVENT_PRIORITY_NORMAL + 10);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &cl->deadline, CLOCK_MONOTONIC,
					       CLIENT_TIMEOUT_US, 0, on_deadline, cl);
	return r < 0 ? r : sd_event_source_set_enabled(cl->deadline, SD_EVENT_OFF);
}

int client_new(struct client **ret, struct control *c, sd_event *loop, int fd,
	       const struct caller *who)
{
	struct client *cl = calloc(1, sizeof(*cl));
	int r;

	if (!cl) {
		(void)close(fd);
		return -ENOMEM;
	}
	cl->control = c;
	cl->who = *who;
	cl->fd = fd;
	r = add_sources(cl, loop);
	if (r < 0) {
		client_free(cl);
		return r;
	}
	*ret = cl;
	return 0;
}
