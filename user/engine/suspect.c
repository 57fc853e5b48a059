// SPDX-License-Identifier: GPL-2.0-or-later
/* A finding's second source: what the kernel's own socket says, and what was last asked on it. */
#include <string.h>

#include "engine/internal.h"
#include "events.h"
#include "lib/sockdiag.h"
#include "pauses.h"

static struct sock_name name_of(const struct conn *c)
{
	return (struct sock_name){
		.local = c->local,
		.remote = c->remote,
		.cookie = c->cookie,
		.netns = c->netns,
		.pid = c->pid,
	};
}

static const char *const known_words[] = {
	[STATEMENT_UNSEEN] = "prepared earlier, its text is not known",
	[STATEMENT_CALL] = "a function called by its number, no statement",
};

void engine_shape(const struct engine *e, const struct conn *c, enum statement_which which,
		  struct shape *ret)
{
	struct statement_text raw;
	enum statement_known known;

	*ret = (struct shape){ 0 };
	if (!e->events || !c->protocol)
		return;
	if (!c->txn_ns && !c->tls &&
	    (which != STATEMENT_LAST || !events_is_last(e->events, c->slot)))
		return;
	known = events_statement(e->events, c->slot, c->gen, which, &raw);
	ret->note = known_words[known];
	if (known != STATEMENT_TEXT)
		return;
	(void)sql_redact(c->protocol->dialect, raw.bytes, raw.len, raw.cut, ret->sql,
			 sizeof(ret->sql));
	if (!raw.cut)	/* where it is cut, what looks like its end is not */
		(void)sql_trace_id(raw.bytes, raw.len, ret->trace_id);
	explicit_bzero(&raw, sizeof(raw));
}

/* A Unix socket counts no bytes; that both its queues are empty is what it can say. */
static int ask_socket(const struct engine *e, const struct conn *c, struct sock_facts *ret)
{
	struct sock_name name = name_of(c);
	struct unix_question q;
	int r;

	if (!conn_is_unix(c))
		return sockdiag_ask(&name, ret);
	r = events_ask_unix(e->events, c->cookie, &q);
	if (r)
		return r;
	*ret = (struct sock_facts){
		.tcp_state = q.server_gone ? TCP_STATE_CLOSE_WAIT : TCP_STATE_ESTABLISHED,
		.unread = q.unread,
		.unacked = q.unacked,
		.bytes_received = c->rx_bytes,
		.bytes_acked = c->tx_bytes,
	};
	return 0;
}

/*
 * The second source: what the kernel's socket says of itself must agree with what
 * the wire told us, to the byte.  Only then may a suspicion be confirmed.
 */
void engine_check_suspect(const struct engine *e, struct finding *f)
{
	struct sock_facts facts;
	int r;

	/* Its silence may be no fault of its: it stays a suspect until that is known. */
	if (f->conn.pid && pauses_is_stopped(f->conn.pid, f->conn.start_ticks))
		return;
	if (e->pauses && pauses_is_undecided(e->pauses, &f->conn, e->now_ns))
		return;
	r = ask_socket(e, &f->conn, &facts);
	f->checked = !r && finding_is_borne_out(f, &facts);
	f->denied = !f->checked;
	engine_shape(e, &f->conn, STATEMENT_LAST, &f->shape);
}
