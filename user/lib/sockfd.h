/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A socket of another process through a duplicate of its descriptor: to act on it, or to
 * ask it about itself where the kernel has no sock_diag for TCP (module tcp_diag: not in
 * every small system).
 */
#ifndef PLIMSOLL_SOCKFD_H
#define PLIMSOLL_SOCKFD_H

#include "lib/sockdiag.h"

/*
 * A duplicate, the caller's to close, of descriptor `fd` of the process that `pidfd`
 * stands for, if that is the socket with this cookie.  -ENOENT: it is not, or not open;
 * -EPERM, or another -errno.
 */
int sockfd_duplicate(int pidfd, int fd, uint64_t cookie);

/*
 * As sockdiag_ask().  Looks through all that `name->pid` has open: for the few that
 * are under suspicion.  0, -ENOENT, -EPERM, or another -errno.
 */
int sockfd_ask(const struct sock_name *name, struct sock_facts *ret);

#endif
