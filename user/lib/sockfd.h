/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a socket about itself through a duplicate of its owner's descriptor, where
 * the kernel has no sock_diag for TCP (module tcp_diag: not in every small system).
 */
#ifndef PLIMSOLL_SOCKFD_H
#define PLIMSOLL_SOCKFD_H

#include "lib/sockdiag.h"

/*
 * As sockdiag_ask().  Looks through all that `name->pid` has open: for the few that
 * are under suspicion.  0, -ENOENT, -EPERM, or another -errno.
 */
int sockfd_ask(const struct sock_name *name, struct sock_facts *ret);

#endif
