// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * destroy: has the kernel end the socket, by its cookie.  For when nobody answers:
 * both ends see a reset.
 */
#include "lib/sockdiag.h"
#include "repair.h"

static enum reason suits(const struct conn *c)
{
	if (conn_is_unix(c))
		return REASON_UNIX_SOCKET;
	return c->protocol ? REASON_RULE : REASON_WRONG_PROTOCOL;
}

static int perform(struct operation *op)
{
	struct sock_name name = {
		.local = op->conn.local,
		.remote = op->conn.remote,
		.cookie = op->conn.cookie,
		.netns = op->conn.netns,
		.pid = op->conn.pid,
	};

	return operation_step(op, "destroy", sockdiag_destroy(&name), "");
}

static bool took_effect(const struct slot *now)
{
	return now->tcp_state != 1 && now->tcp_state != 8;	/* ESTABLISHED, CLOSE_WAIT */
}

static const struct action destroy = {
	.face = { .name = "destroy", .suits = suits },
	.harm = 3,
	.summary = "have the kernel end the socket; both ends see a reset",
	.to_client = "its next use of the connection fails with ECONNABORTED; a thread that waits in "
		     "a read returns at once",
	.to_server = "the session and its locks, as soon as the reset reaches it; it logs a lost "
		     "connection",
	.undo = "cannot be undone: the client has to connect anew",
	.perform = perform,
	.took_effect = took_effect,
};
REGISTER(action, destroy);
