// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unread: the answer came, and the client stopped reading it.
 *
 * Rows that were never closed, a stream that was paused and forgotten, a thread that
 * died between two reads.  The connection is lost to its pool; when the answer is larger
 * than the receive buffer, the server's statement hangs as well, with its locks and its
 * snapshot.  Evidence is the receive queue: it has some of an answer in it, it did not
 * shrink for the grace, and no byte moved.
 *
 * Not this, and how it is told apart (conn_answer_is_unread()):
 *   - a slow consumer: each read makes the queue smaller, and the time begins anew.  Between
 *     two reads lies what its library holds in memory: a reader of one row of 60 bytes a
 *     second comes back every 68 s (4 KiB, Go) to 273 s (16 KiB, libpq).  Hence the grace.
 *   - a statement that runs and has said something already: only a server that can send
 *     no more, because the receive window is closed, waits for its client.
 *   - LISTEN, notices, changed parameters: a server may say these at any time, and nobody has
 *     to read them.  With nothing asked, only what came before the last ready mark counts.
 *   - replication, by the start-up packet or the command; where that was not seen, it may be.
 *   - encrypted and adopted connections, where an answer cannot be told from a notice.
 *   - a server that said goodbye: that is close-wait.  A process that cannot run.
 * How it can be wrong: a client that rests longer than the grace in the middle of an answer,
 * on purpose (a pager, a report that waits for its printer).
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

/* For how long the queue has not shrunk though the owner could run. */
static uint64_t lain_ns(const struct conn *c, uint64_t now_ns)
{
	uint64_t ns = elapsed_ns(c->view.unread_ns, now_ns);

	return ns > c->paused_ns ? ns - c->paused_ns : 0;
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)p;
	(void)conf;
	if (!conn_answer_is_unread(c) || c->paused || lain_ns(c, now_ns) < base->grace_ns)
		return false;
	ret->since_ns = c->view.unread_ns;
	ret->confidence = c->said == ACTIVITY_BUSY ? 1.0 : 0.9;
	(void)snprintf(ret->why, sizeof(ret->why), "%u %s of an answer unread for %.1f s%s",
		       c->view.unread, conn_is_unix(c) ? "pieces" : "bytes",
		       ns_to_s(lain_ns(c, now_ns)),
		       c->said == ACTIVITY_BUSY ? ", the server waits to send more" : "");
	return true;
}

/* The wire may have heard more than the kernel kept: what did not fit comes again. */
static bool agrees(const struct conn *c, const struct sock_facts *facts)
{
	return facts->tcp_state == c->tcp_state && facts->unread == c->view.unread &&
	       facts->unacked == 0 && facts->bytes_received <= c->rx_bytes &&
	       facts->bytes_acked == c->tx_bytes;
}

static const struct detector unread = {
	.name = "unread",
	.summary = "an answer came and the client stopped reading it",
	.grace_ns = 300 * NS_PER_S,
	.check = check,
	.agrees = agrees,
};
REGISTER(detector, unread);
