/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sql.DB as it stands in a process's memory: how full it is, and what lies idle in it. */
#ifndef PLIMSOLL_GOPOOLS_HANDLE_H
#define PLIMSOLL_GOPOOLS_HANDLE_H

#include "gopools/layout.h"
#include "gopools/socket.h"

#define HANDLE_FREE_MAX 512 /* idle connections of one pool; more is not known */

enum handle_state {
	HANDLE_UNREAD,
	HANDLE_READ,
	HANDLE_UNSTEADY, /* it changed under our eyes each time */
	HANDLE_CLOSED,
	HANDLE_WRONG, /* what is there is no sql.DB, or none that can be */
};

/* A connection that lies idle in it. */
struct handle_conn {
	uint64_t at;	     /* its driverConn */
	uint64_t created[2]; /* as Go keeps an instant: a driverConn's place may serve another */
	struct addr local, remote;
	uint8_t socket; /* enum go_socket */
};

struct handle_reading {
	uint8_t state;	   /* enum handle_state; the rest only when read */
	uint32_t open;	   /* connections, those being opened among them */
	uint32_t max_open; /* 0: unlimited */
	int64_t max_idle;  /* as set: 0 the default, negative none */
	int64_t max_lifetime_ns, max_idle_ns;
	uint64_t wait_count, wait_ns;
	uint64_t closed_count; /* connections it closed */
	uint64_t free_at;      /* where the list of the idle lies */
	uint32_t free_count;
	struct handle_conn free[HANDLE_FREE_MAX];
};

/*
 * Reads the sql.DB at `address`.  `r` holds what was last read of it (or zeroes): what
 * has not changed is not looked up again.  Does not allocate.
 */
void handle_read(const struct go_memory *m, const struct go_layout *l, uint64_t address,
		 struct handle_reading *r);

#endif
