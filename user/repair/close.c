// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * close: says the protocol's own goodbye on the client's behalf, then shuts the
 * connection down.  The server ends the session as if the client had closed it,
 * without an error in its log.  Encrypted or compressed: only the shutdown.
 *
 * Not where something lies in a queue: behind an answer that nobody reads, or bytes that do
 * not arrive, neither goodbye nor shutdown reaches the server.  Where it closed first,
 * nobody is left to say goodbye to.
 */
#include <errno.h>
#include <sys/socket.h>

#include "repair.h"

static enum reason suits(const struct conn *c)
{
	if (conn_is_unix(c))
		return REASON_UNIX_SOCKET;
	if (!c->protocol)
		return REASON_WRONG_PROTOCOL;
	if (c->tcp_state != TCP_STATE_CLOSE_WAIT && (c->view.unread || c->view.unacked))
		return REASON_WRONG_STATE;
	return REASON_RULE;
}

static int say_goodbye(struct operation *op)
{
	const struct protocol *p = op->conn.protocol;
	ssize_t n;

	if (conn_is_opaque(&op->conn) || op->conn.tcp_state == TCP_STATE_CLOSE_WAIT)
		return 0;
	n = send(op->sock, p->goodbye, p->goodbye_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return operation_step(op, "goodbye", n < 0 ? -errno : 0, p->goodbye_name);
}

/* A goodbye that cannot be said is no reason to leave the session open. */
static int perform(struct operation *op)
{
	(void)say_goodbye(op);
	return operation_step(op, "shutdown", shutdown(op->sock, SHUT_RDWR) ? -errno : 0, "");
}

static bool took_effect(const struct slot *now)
{
	return now->tcp_state != 1 && now->tcp_state != 8;	/* ESTABLISHED, CLOSE_WAIT */
}

static const struct action close_action = {
	.face = { .name = "close", .suits = suits },
	.harm = 2,
	.summary = "end the session with the protocol's own goodbye, then shut the socket down",
	.to_client = "its next use of the connection fails as after a server's restart; a thread "
		     "that waits in a read returns at once",
	.to_server = "the session, its locks and its place among max_connections, without an error "
		     "in the log",
	.undo = "cannot be undone: the client has to connect anew",
	.perform = perform,
	.took_effect = took_effect,
};
REGISTER(action, close_action);
