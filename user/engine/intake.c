// SPDX-License-Identifier: GPL-2.0-or-later
/* Event -> conn: slots, records, who holds what, and what lies in queues. */
#include "engine/internal.h"
#include "events.h"
#include "gopools.h"
#include "lib/clock.h"
#include "libraries.h"

#define HOLDERS_EVERY_NS (25 * NS_PER_S)	/* who holds what: within twice the grace of `shared` */
#define HOLDERS_SOON_NS	 NS_PER_S		/* when somebody's holders are not known */
#define HOLDERS_ASAP_NS	 (100 * NS_PER_MS)	/* when a finding waits for it */
#define QUEUES_EVERY_NS	 NS_PER_S		/* what lies in queues, where that is quickly seen, */
#define QUEUES_SHARE	 2500			/* and else such a part of the time at most, */
#define QUEUES_SHARE_FOUND 500			/* or this while something lies there */

/*
 * Between two looks: names, since only few could wait for the next; and the level of the
 * pool, since a pool that runs full must not.
 */
void engine_on_record(const struct rec_hdr *rec, size_t len, void *arg)
{
	bool opened = rec->type == REC_STARTUP || rec->type == REC_OPAQUE ||
		      rec->type == REC_PATH || rec->type == REC_DATABASE;
	struct engine *e = arg;
	struct conn *c;
	struct slot s;

	if (rec->type == REC_GO_HANDLE && len >= sizeof(struct rec_go_handle) && e->gopools)
		gopools_found(e->gopools, (const struct rec_go_handle *)rec);
	if (opened && events_slot(e->events, rec->slot, &s))
		(void)conns_apply_slot(&e->conns, rec->slot, &s);
	c = conns_find_cookie(&e->conns, rec->cookie);
	if (c && rec->type == REC_CLOSED)
		levels_closed(&e->levels, c);
	conns_apply_record(&e->conns, rec, len);
	if (rec->type == REC_OPAQUE && e->libraries)	/* its first statement is not far */
		libraries_step(e->libraries, &e->conns, clock_now_ns());
	if (c && opened)
		levels_opened(&e->levels, c, rec->ts_ns, clock_now_ns());
}

static void on_holder(const struct holder *h, void *arg)
{
	struct engine *e = arg;

	conns_apply_holder(&e->conns, h);
}

void engine_read_slots(struct engine *e)
{
	uint32_t high = events_high(e->events);
	struct slot s;

	for (uint32_t i = 0; i < high; i++)
		if (events_slot(e->events, i, &s))
			(void)conns_apply_slot(&e->conns, i, &s);
	conns_guess_protocols(&e->conns);
}

void engine_count_holders(struct engine *e)
{
	e->holders_ns = e->now_ns;
	conns_holders_begin(&e->conns);
	(void)events_holders(e->events, 0, on_holder, e);
	conns_holders_end(&e->conns);
}

/* Soon when somebody's are not known, at once when he is under suspicion. */
void engine_count_holders_when_due(struct engine *e)
{
	uint64_t every_ns = HOLDERS_EVERY_NS;

	conns_for_each(&e->conns, c)
		if (conn_is_listed(c) && c->holders == HOLDERS_UNKNOWN)
			every_ns = HOLDERS_SOON_NS;
	findings_for_each(&e->detect, f)
		if (f->conn.holders == HOLDERS_UNKNOWN)
			every_ns = HOLDERS_ASAP_NS;
	if (elapsed_ns(e->holders_ns, e->now_ns) >= every_ns)
		engine_count_holders(e);
}

static void on_queues(const struct queues *q, void *arg)
{
	struct engine *e = arg;

	conns_apply_queues(&e->conns, q, e->now_ns);
}

/* Rarely where it takes long, but soon again when it found something. */
void engine_walk_queues_when_due(struct engine *e)
{
	uint64_t since_ns, pause_ns;

	if (e->now_ns < e->queues_ns)
		return;
	since_ns = clock_cpu_ns();
	conns_queues_begin(&e->conns, e->now_ns);
	if (!events_queues(e->events, on_queues, e))
		conns_queues_end(&e->conns);
	pause_ns = elapsed_ns(since_ns, clock_cpu_ns()) *
		   (e->conns.viewed ? QUEUES_SHARE_FOUND : QUEUES_SHARE);
	e->queues_ns = e->now_ns + (pause_ns > QUEUES_EVERY_NS ? pause_ns : QUEUES_EVERY_NS);
}
