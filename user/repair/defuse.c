// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * defuse: puts the forgotten transaction into the failed state, in place.
 *
 * Sends one statement that cannot succeed (PostgreSQL then gives up all that the
 * transaction held) and reads the answer away, to its ReadyForQuery, while the
 * owner is held still.  Never a ROLLBACK: after that the client's COMMIT would
 * succeed on nothing.  After this its COMMIT reports a rollback, and any other
 * statement fails with 25P02, so nobody can believe that lost work was kept.
 *
 * Inside a savepoint only the inner part fails: what the outer transaction holds
 * stays held, and the finding comes back.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/sockguard.h"
#include "repair.h"

/* Names itself in the server's log: ERROR: savepoint "..." does not exist. */
#define STATEMENT "ROLLBACK TO SAVEPOINT \"plimsoll: transaction left open, ended\""
#define ANSWER_MAX 4096

static enum reason suits(const struct conn *c)
{
	if (conn_is_unix(c))
		return REASON_UNIX_SOCKET;
	if (c->tls || c->gss)
		return REASON_ENCRYPTED;
	if (!c->protocol || c->protocol->wire != WIRE_POSTGRESQL)
		return REASON_WRONG_PROTOCOL;
	if (c->activity == ACTIVITY_FAILED_TXN)
		return REASON_ALREADY_FAILED;
	if (c->view.unread || c->view.unacked)
		return REASON_WRONG_STATE;
	return c->activity == ACTIVITY_IDLE_IN_TXN ? REASON_RULE : REASON_WRONG_STATE;
}

static int send_statement(struct operation *op, struct sockguard *g)
{
	static const char query[] = "Q\0\0\0\0" STATEMENT;
	char packet[sizeof(query)];
	uint32_t size = sizeof(packet) - 1;	/* all but the type */

	memcpy(packet, query, sizeof(packet));
	packet[3] = (char)(size >> 8);
	packet[4] = (char)size;
	/* Said before it is done: if we die in between, the connection is cut, not trusted. */
	(void)operation_step(op, "send", 0, STATEMENT);
	return sockguard_send(g, packet, sizeof(packet));
}

/* Whether `buf` holds the whole answer: an error, then ReadyForQuery in the failed state. */
static int judge(const uint8_t *buf, size_t len)
{
	size_t at = 0;
	bool error = false;

	while (at + 5 <= len) {
		size_t size = (size_t)buf[at + 1] << 24 | (size_t)buf[at + 2] << 16 |
			      (size_t)buf[at + 3] << 8 | buf[at + 4];

		if (size < 4 || size > ANSWER_MAX)
			return -EPROTO;
		if (at + 1 + size > len)
			return -EAGAIN;
		if (buf[at] == 'Z')
			return at + 1 + size == len && error && buf[at + 5] == 'E' ? 0 : -EPROTO;
		error |= buf[at] == 'E';
		at += 1 + size;
	}
	return -EAGAIN;
}

static int read_answer(const struct operation *op, struct sockguard *g)
{
	uint8_t buf[ANSWER_MAX];
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = op->sock, .events = POLLIN };
		uint64_t left_ns = elapsed_ns(clock_now_ns(), op->deadline_ns);
		ssize_t n;
		int r;

		if (left_ns == 0 || len == sizeof(buf))
			return -ETIMEDOUT;
		(void)poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1);
		n = sockguard_take(g, buf + len, sizeof(buf) - len);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
		r = judge(buf, len);
		if (r != -EAGAIN)
			return r;
	}
}

static int converse(struct operation *op, struct sockguard *g)
{
	int err = send_statement(op, g);

	if (err && err != -EMSGSIZE)
		return err;	/* not a byte went out */
	if (!err)
		err = operation_step(op, "answer", read_answer(op, g), "");
	if (!err)
		return sockguard_off(g);
	(void)operation_step(op, "cut", sockguard_cut(op->sock),
			     "the answer was not the one expected");
	return err;
}

/*
 * From the first byte sent there are two ends: the whole answer read, or the
 * connection cut.  A client must never meet an answer that is not its own, so the
 * socket is guarded in between: if all of us die there, it is broken to the client.
 */
static int perform(struct operation *op)
{
	struct sockguard g;
	int err = sockguard_init(&g, op->sock);

	err = err ? operation_step(op, "guard", err, "") : converse(op, &g);
	sockguard_done(&g);
	return err;
}

static bool took_effect(const struct slot *now)
{
	return now->status == 'E' && now->pending == 0 && !(now->flags & SLOT_BUSY);
}

static const struct action defuse = {
	.face = { .name = "defuse", .suits = suits },
	.harm = 1,
	.summary = "put the open transaction into the failed state, keep the connection",
	.to_client = "about a millisecond's pause; its next statement fails with 25P02, its COMMIT "
		     "reports ROLLBACK, and after its ROLLBACK the connection works as before",
	.to_server = "row locks, snapshot and everything else that the transaction held, at once",
	.undo = "the transaction's work is lost, as it would be at any rollback; nothing else is",
	.perform = perform,
	.took_effect = took_effect,
};
REGISTER(action, defuse);
