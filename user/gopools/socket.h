/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a driver's connection to its socket, whatever the driver: by the types that
 * Go's runtime keeps for reflection, which no strip takes away.
 */
#ifndef PLIMSOLL_GOPOOLS_SOCKET_H
#define PLIMSOLL_GOPOOLS_SOCKET_H

#include "gopools/memory.h"
#include "lib/addr.h"

enum go_socket {
	GO_SOCKET_UNKNOWN,
	GO_SOCKET_TCP,
	GO_SOCKET_OTHER, /* a Unix socket: none that we track */
};

/*
 * The ends of the socket behind the driver.Conn whose interface stands at `at`; `minor`
 * is the version of Go.  The addresses are set only where the answer is GO_SOCKET_TCP.
 */
enum go_socket go_socket_find(const struct go_memory *m, uint32_t minor, uint64_t at,
			      struct addr *ret_local, struct addr *ret_remote);

#endif
