/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the kernel about one TCP socket, and destroying one, by netlink
 * (sock_diag).  Always with the socket's cookie: another socket that took the
 * same addresses is never meant.
 */
#ifndef PLIMSOLL_SOCKDIAG_H
#define PLIMSOLL_SOCKDIAG_H

#include <stdint.h>

#include "lib/addr.h"

struct sock_name {
	struct addr local, remote;
	uint64_t cookie;
	uint32_t netns;		/* inode of its network namespace */
	uint32_t pid;		/* any process that lives in it */
};

struct sock_facts {
	uint8_t tcp_state;
	uint32_t unread;	/* bytes the owner has not read */
	uint32_t unacked;	/* bytes the other end has not acknowledged, sent or not */
	uint64_t bytes_received, bytes_acked;
	uint32_t retransmits;	/* of the same bytes, in a row; or probes without an answer */
};

/* 0, -ENOENT: no such socket (any more), or another -errno. */
int sockdiag_ask(const struct sock_name *name, struct sock_facts *ret);

/* Ends the connection: both ends see it reset.  0, -ENOENT, -EOPNOTSUPP, or another -errno. */
int sockdiag_destroy(const struct sock_name *name);

#endif
