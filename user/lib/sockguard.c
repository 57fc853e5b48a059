// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/sockguard.h"

static int set(int sock, int level, int option, int value)
{
	return setsockopt(sock, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int get(int sock, int level, int option, int *ret)
{
	socklen_t size = sizeof(*ret);

	return getsockopt(sock, level, option, ret, &size) ? -errno : 0;
}

/* The kernel forgets SO_REUSEADDR on the way. */
int sockguard_off(struct sockguard *g)
{
	int r = set(g->sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);

	if (g->reuse)
		(void)set(g->sock, SOL_SOCKET, SO_REUSEADDR, g->reuse);
	return r;
}

int sockguard_init(struct sockguard *g, int sock)
{
	int r;

	*g = (struct sockguard){ .sock = sock, .pipe = { -1, -1 } };
	r = get(sock, SOL_SOCKET, SO_REUSEADDR, &g->reuse);
	if (!r)
		r = get(sock, IPPROTO_TCP, TCP_NODELAY, &g->nodelay);
	if (!r && pipe2(g->pipe, O_CLOEXEC | O_NONBLOCK))
		r = -errno;
	if (!r)
		r = set(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	return r ? r : sockguard_off(g);
}

void sockguard_done(struct sockguard *g)
{
	cleanup_close(&g->pipe[0]);
	cleanup_close(&g->pipe[1]);
}

/*
 * Nothing can be written while it is on, so the bytes are queued and held back
 * (MSG_MORE), the switch is turned, and only then are they let go.
 */
int sockguard_send(struct sockguard *g, const void *data, size_t size)
{
	ssize_t n = send(g->sock, data, size, MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
	int r;

	if (n < 0)
		return -errno;
	r = set(g->sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	if (!r)
		r = set(g->sock, IPPROTO_TCP, TCP_NODELAY, 1);
	if (!g->nodelay)
		(void)set(g->sock, IPPROTO_TCP, TCP_NODELAY, 0);
	return r || n != (ssize_t)size ? -EMSGSIZE : 0;
}

/*
 * Reading fails as it does for the owner; splicing is not shut.  It would wait where
 * the owner's descriptor does, whatever its flags, so it is only done when there is
 * something: nobody else can take it.
 */
ssize_t sockguard_take(struct sockguard *g, void *buf, size_t size)
{
	struct pollfd p = { .fd = g->sock, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = splice(g->sock, NULL, g->pipe[1], NULL, size, SPLICE_F_NONBLOCK);
	return n > 0 ? read(g->pipe[0], buf, (size_t)n) : n;
}

int sockguard_cut(int sock)
{
	int r = shutdown(sock, SHUT_RDWR) ? -errno : 0;

	if (sockguard_is_on(sock))
		(void)set(sock, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
	return r;
}

bool sockguard_is_on(int sock)
{
	int on = 0;

	return !get(sock, IPPROTO_TCP, TCP_REPAIR, &on) && on;
}
