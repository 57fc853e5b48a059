// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "culprits.h"
#include "edge.h"
#include "events.h"
#include "journal.h"
#include "judge.h"
#include "kernel.h"
#include "lib/cleanup.h"
#include "lib/freezer.h"
#include "libraries.h"
#include "lib/proc.h"
#include "pool.h"

#define RING 8192 /* records, as many as RING_BYTES holds of the short ones */

/* ---- events */

union record {
	struct rec_hdr hdr;
	struct rec_startup startup;
	struct rec_closed closed;
};

struct events {
	record_fn record;
	void *arg;
};

static struct events edge;
static union record ring[RING];
static size_t ring_count;

bool edge_submit(const struct rec_hdr *rec)
{
	if (ring_count == RING)
		return false;
	memcpy(&ring[ring_count++], rec, rec->len);
	return true;
}

bool edge_has_records(void)
{
	return ring_count;
}

EDGE(int, events_open, struct events **ret, const struct events_options *opt, record_fn record,
     void *arg)
{
	(void)opt;
	edge = (struct events){ record, arg };
	ring_count = 0;
	*ret = &edge;
	return 0;
}

EDGE(void, events_close, struct events *e)
{
	(void)e;
}

EDGE(int, events_drain, struct events *e)
{
	size_t n = ring_count;

	for (size_t i = 0; i < n; i++)
		e->record(&ring[i].hdr, ring[i].hdr.len, e->arg);
	ring_count = 0;
	return (int)n;
}

EDGE(void, events_set_clock, struct events *e)
{
	(void)e;
}

EDGE(uint32_t, events_high, const struct events *e)
{
	(void)e;
	return kernel_high();
}

/* One that was not written since it was read says nothing new. */
EDGE(bool, events_slot, const struct events *e, uint32_t index, struct slot *ret)
{
	struct sock *s = kernel_sock(index);

	(void)e;
	if (!s->written)
		return false;
	*ret = s->slot;
	s->written = false;
	return true;
}

EDGE(enum statement_known, events_statement, const struct events *e, uint32_t index, uint32_t gen,
     enum statement_which which, struct statement_text *ret)
{
	(void)e;
	(void)index;
	(void)gen;
	(void)which;
	(void)ret;
	return STATEMENT_NONE;
}

EDGE(bool, events_is_last, const struct events *e, uint32_t index)
{
	(void)e;
	(void)index;
	return false;
}

/* Nobody asks who sent it: that is other processes' files. */
EDGE(int, culprits_new, const struct events *e, struct culprits **ret)
{
	(void)e;
	*ret = NULL;
	return 0;
}

EDGE(void, culprits_free, struct culprits *c)
{
	(void)c;
}

EDGE(void, culprits_want, struct culprits *c, struct finding *f)
{
	(void)c;
	(void)f;
}

EDGE(void, culprits_step, struct culprits *c, struct detect *d, const struct levels *l)
{
	(void)c;
	(void)d;
	(void)l;
}

EDGE(int, events_fd, const struct events *e)
{
	(void)e;
	return -1;
}

EDGE(int, libraries_new, struct events *e, bool all, struct libraries **ret)
{
	(void)e;
	(void)all;
	*ret = NULL;
	return 0;
}

EDGE(void, libraries_free, struct libraries *l)
{
	(void)l;
}

EDGE(void, libraries_step, struct libraries *l, const struct conns *t, uint64_t now_ns)
{
	(void)l;
	(void)t;
	(void)now_ns;
}

EDGE(void, events_look_over, struct events *e)
{
	(void)e;
}

EDGE(int, events_ask_unix, const struct events *e, uint64_t cookie, struct unix_question *ret)
{
	(void)e;
	(void)cookie;
	(void)ret;
	return -EOPNOTSUPP;
}

EDGE(int, events_adopt, struct events *e)
{
	(void)e;
	return 0;
}

static void tell_holder(const struct sock *s, const struct process *p, holder_fn fn, void *arg)
{
	struct holder h = {
		.cookie = s->slot.cookie,
		.tgid = p->pid,
		.fd = 5,
		.start_ticks = p->start_ticks,
		.uid = 1000,
		.netns = s->slot.netns,
	};

	memcpy(h.comm, p->comm, sizeof(h.comm));
	fn(&h, arg);
}

EDGE(int, events_holders, struct events *e, uint64_t cookie, holder_fn fn, void *arg)
{
	(void)e;
	socks_for_each(s)
	{
		if (s->slot.phase == PHASE_FREE || (cookie && s->slot.cookie != cookie))
			continue;
		tell_holder(s, s->owner, fn, arg);
		if (s->also)
			tell_holder(s, s->also, fn, arg);
	}
	return 0;
}

EDGE(int, events_queues, struct events *e, queues_fn fn, void *arg)
{
	struct queues q;

	(void)e;
	socks_for_each(s)
	{
		if ((!s->unread && !s->unacked) || s->slot.phase < PHASE_AUTH ||
		    elapsed_ns(s->slot.last_ns, sim_now_ns) < NS_PER_S)
			continue;
		kernel_queues(s, &q);
		fn(&q, arg);
	}
	return 0;
}

EDGE(uint32_t, events_turns, struct events *e, uint32_t index, uint32_t gen)
{
	const struct sock *s = kernel_sock(index);

	(void)e;
	if (s->slot.gen != gen || !s->in_turn_ns)
		return 0;
	return (uint32_t)(elapsed_ns(s->in_turn_ns, sim_now_ns) / (100 * NS_PER_MS));
}

/* No evidence is taken. */
EDGE(uint32_t, events_sender, const struct events *e, uint32_t index)
{
	(void)e;
	(void)index;
	return 0;
}

EDGE(bool, events_snapshot, const struct events *e, uint32_t index, uint32_t gen, enum deed deed,
     struct stack_snapshot *ret)
{
	(void)e;
	(void)index;
	(void)gen;
	(void)deed;
	(void)ret;
	return false;
}

EDGE(void, events_watch_turns, struct events *e, bool watch)
{
	(void)e;
	(void)watch;
}

EDGE(bool, events_is_probing, const struct events *e)
{
	(void)e;
	return false;
}

EDGE(bool, events_await_probes, struct events *e, int ms)
{
	(void)e;
	(void)ms;
	return true;
}

EDGE(uint64_t, clock_cpu_ns, void)
{
	return 0;
}

/* ---- what is asked of one socket, of one process, of the clock */

EDGE(int, sockdiag_ask, const struct sock_name *name, struct sock_facts *ret)
{
	struct sock *s = kernel_find(name->cookie);
	struct queues q;

	if (!s)
		return -ENOENT;
	kernel_queues(s, &q);
	*ret = (struct sock_facts){
		.tcp_state = s->tcp_state,
		.unread = q.unread,
		.unacked = q.unacked,
		.bytes_received = s->slot.rx_bytes,
		.bytes_acked = s->slot.tx_bytes,
		.retransmits = q.retransmits,
	};
	return 0;
}

EDGE(bool, freezer_has, uint32_t pid)
{
	const struct process *p = kernel_process(pid);

	return p && p->frozen_ns && p->by_cgroup;
}

EDGE(int, proc_stat, uint32_t pid, struct proc_stat *ret)
{
	const struct process *p = kernel_process(pid);

	if (!p)
		return -ESRCH;
	*ret = (struct proc_stat){
		.state = p->frozen_ns && !p->by_cgroup ? 'T' : 'S',
		.ppid = 1,
		.start_ticks = p->start_ticks,
	};
	memcpy(ret->comm, p->comm, sizeof(ret->comm));
	return 0;
}

EDGE(void, proc_cgroup, uint32_t pid, char *out, size_t out_size)
{
	(void)pid;
	(void)snprintf(out, out_size, "%s", "/service");
}

EDGE(void, proc_exe, uint32_t pid, char *out, size_t out_size)
{
	(void)pid;
	(void)snprintf(out, out_size, "%s", "/usr/bin/service");
}

EDGE(uint64_t, clock_now_ns, void)
{
	return sim_now_ns;
}

/* ---- the journal */

static char journal; /* there is one; that is all that is asked of it */

EDGE(int, journal_open, const char *dir, struct journal **ret)
{
	(void)dir;
	*ret = (struct journal *)&journal;
	return 0;
}

EDGE(void, journal_close, struct journal *j)
{
	(void)j;
}

EDGE(void, journal_begin, struct journal *j)
{
	(void)j;
}

EDGE(int, journal_end, struct journal *j)
{
	(void)j;
	return 0;
}

EDGE(int, journal_unresolved, struct journal *j, void (*fn)(json_t *repair, void *arg), void *arg)
{
	(void)j;
	(void)fn;
	(void)arg;
	return 0;
}

EDGE(int, journal_settle, struct journal *j, const char *repair_id, enum outcome outcome,
     const char *note)
{
	(void)j;
	(void)repair_id;
	(void)outcome;
	(void)note;
	return 0;
}

EDGE(int, journal_finding, struct journal *j, const struct finding *f)
{
	(void)j;
	judge_finding(f);
	return 0;
}

EDGE(int, journal_refusal, struct journal *j, const struct repair *r)
{
	(void)j;
	(void)r;
	return 0;
}

EDGE(int, journal_intent, struct journal *j, const struct repair *r)
{
	(void)j;
	return judge_intent(r);
}

EDGE(int, journal_outcome, struct journal *j, const struct repair *r)
{
	(void)j;
	(void)r;
	return 0;
}

/* ---- a repair, carried out on the model */

/* As the child would find it, holding the owner still: whether nothing moved. */
static enum outcome act(const struct repair *r)
{
	const struct conn *c = &r->finding.conn;
	struct sock *s = kernel_find(c->cookie);

	if (!s || !s->link)
		return OUTCOME_GONE;
	pool_show(s->link);
	if (s->slot.rx_bytes != c->rx_bytes || s->slot.tx_bytes != c->tx_bytes || s->unread ||
	    s->tcp_state != c->tcp_state)
		return OUTCOME_CHANGED;
	if (strcmp(r->verdict.action, "defuse") == 0) {
		kernel_count(s, 1, 60, 120);
		kernel_rest(s, 'E', sim_now_ns, sim_now_ns, s->slot.txn_ns);
	} else {
		pool_lose(s->link, false);
	}
	return OUTCOME_DONE;
}

EDGE(int, repair_run, struct repair *r, const struct repair_world *w, uint64_t now_ns)
{
	int err;

	r->at_ns = now_ns;
	err = w->intent(r, w->arg);
	if (err)
		return err;
	r->outcome = act(r);
	r->helped = r->outcome == OUTCOME_DONE;
	(void)w->outcome(r, w->arg);
	return 0;
}
