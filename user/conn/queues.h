/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a connection's queues, between conn.c and queues.c. */
#ifndef PLIMSOLL_CONN_QUEUES_H
#define PLIMSOLL_CONN_QUEUES_H

#include "conn.h"

/* The slot is read again: what was seen of the queues is over if the connection moved. */
void conn_queues_moved(struct conns *t, struct conn *c, const struct slot *s);

/* Its activity, by what the wire says and what lies in its queues. */
void conn_queues_settle(struct conn *c);

#endif
