// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's socket, seen from the client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/call.h"
#include "control.h"
#include "lib/cleanup.h"

#define TIMEOUT_S  30
#define ANSWER_MAX (1UL << 30)

int remote_open(struct remote *r, const char *run_dir)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(where.sun_path, sizeof(where.sun_path), "%s/%s", run_dir, CONTROL_SOCKET);

	if (n < 0 || (size_t)n >= sizeof(where.sun_path))
		return -ENAMETOOLONG;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&where, sizeof(where)) < 0)
		return -errno;
	*r = (struct remote){ .fd = TAKE_FD(fd) };
	return 0;
}

void remote_close(struct remote *r)
{
	(void)close(r->fd);
	free(r->in);
}

static int send_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

int remote_send(struct remote *r, const char *method, json_t *params, bool more)
{
	_free_ char *name = NULL, *text = NULL;
	json_t *request;

	if (asprintf(&name, CONTROL_INTERFACE ".%s", method) < 0)
		return -ENOMEM;
	request = json_pack("{s:s, s:O, s:b}", "method", name, "parameters", params, "more", more);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	return text ? send_all(r->fd, text, strlen(text) + 1) : -ENOMEM;
}

static int grow(struct remote *r)
{
	size_t size = r->in_size ? r->in_size * 2 : 1 << 16;
	char *in;

	if (r->in_len < r->in_size)
		return 0;
	if (size > ANSWER_MAX)
		return -EMSGSIZE;
	in = realloc(r->in, size);
	if (!in)
		return -ENOMEM;
	r->in = in;
	r->in_size = size;
	return 0;
}

json_t *remote_take(struct remote *r)
{
	char *end = r->in_len ? memchr(r->in, '\0', r->in_len) : NULL;
	json_t *message;

	if (!end)
		return NULL;
	message = json_loadb(r->in, (size_t)(end - r->in), 0, NULL);
	r->in_len -= (size_t)(end - r->in) + 1;
	memmove(r->in, end + 1, r->in_len);
	return message ? message : json_null();
}

int remote_receive(struct remote *r, json_t **ret)
{
	json_t *message = remote_take(r);

	while (!message) {
		ssize_t n;
		int err = grow(r);

		if (err < 0)
			return err;
		n = recv(r->fd, r->in + r->in_len, r->in_size - r->in_len, 0);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r->in_len += (size_t)n;
		/* Only what is new can hold the end. */
		if (memchr(r->in + r->in_len - n, '\0', (size_t)n))
			message = remote_take(r);
	}
	*ret = message;
	return 1;
}
