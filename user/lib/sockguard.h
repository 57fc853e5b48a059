/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeping a socket from its owner for a moment, so that it stays kept if we die.
 *
 * The kernel's own switch for it is TCP_REPAIR (3.5): while it is on, a read fails
 * with EPERM and a write with EINVAL, for everybody who has the socket open; what
 * the peer sends is still taken in and acknowledged.  It belongs to the socket, not
 * to us: an owner that wakes after our death finds a connection that is broken, and
 * never an answer that is not its own.
 */
#ifndef PLIMSOLL_SOCKGUARD_H
#define PLIMSOLL_SOCKGUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sockguard {
	int sock;
	int pipe[2];		/* through which bytes are taken out while it is on */
	int reuse, nodelay;	/* the owner's settings, to be left as they were */
};

/*
 * Makes ready; touches nothing of the socket's but tries whether the switch may be
 * turned.  0 or -errno.  sockguard_done() frees what was made, whatever happened.
 */
int sockguard_init(struct sockguard *g, int sock);
void sockguard_done(struct sockguard *g);

/*
 * Sends `data` and guards the socket before the first byte leaves.  0, or -errno:
 * nothing was sent, except with -EMSGSIZE, when a part may have been.
 */
int sockguard_send(struct sockguard *g, const void *data, size_t size);

/* Takes up to `size` received bytes out of the guarded socket; as recv(MSG_DONTWAIT). */
ssize_t sockguard_take(struct sockguard *g, void *buf, size_t size);

/* Gives the socket back to its owner as it was. */
int sockguard_off(struct sockguard *g);

/* Ends the connection, then gives the socket back: its owner finds it closed. */
int sockguard_cut(int sock);

bool sockguard_is_on(int sock);

#endif
