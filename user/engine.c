// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One turn of the whole path is engine_tick(): read it first.  What it does at each stage
 * is in engine/: intake.c (event -> conn), suspect.c (detect), act.c (policy -> repair).
 */
#include "borrowers.h"
#include "culprits.h"
#include "engine/internal.h"
#include "events.h"
#include "gopools.h"
#include "lib/clock.h"
#include "libraries.h"
#include "pauses.h"

#define CLOCK_EVERY_NS	 (5 * NS_PER_S)	/* how far jiffies may drift: microseconds */
#define VERDICT_EVERY_NS NS_PER_S	/* on a finding that may still be mended */

/*
 * A verdict looks at the owner in /proc, and of findings there may be thousands.  What is
 * only observed stays so until the rules change.
 */
static bool verdict_is_due(const struct engine *e, const struct finding *f)
{
	/* A repair forks, and the kernel may keep it from that for as long. */
	if (e->events && events_is_probing(e->events))
		return false;
	if (!f->decided_ns || f->decided_version != e->config.policy.version)
		return true;
	return e->config.policy.mode == MODE_FIX &&
	       elapsed_ns(f->decided_ns, e->now_ns) >= VERDICT_EVERY_NS;
}

/* detect -> policy -> repair */
static void judge(struct engine *e)
{
	detect_run(&e->detect, &e->config.detect, &e->conns, &e->levels, e->now_ns,
		   engine_on_finding, e);
	findings_for_each(&e->detect, f) {
		if (e->culprits)
			culprits_want(e->culprits, f);
		if (f->state == FINDING_SUSPECT && !f->checked)
			engine_check_suspect(e, f);
		else if (f->state == FINDING_CONFIRMED && verdict_is_due(e, f))
			engine_decide(e, f);
	}
}

void engine_tick(struct engine *e, uint64_t now_ns)
{
	e->now_ns = now_ns;
	if (elapsed_ns(e->clock_ns, now_ns) >= CLOCK_EVERY_NS) {
		e->clock_ns = now_ns;
		events_set_clock(e->events);
	}
	events_look_over(e->events);
	engine_read_slots(e);
	engine_walk_queues_when_due(e);
	engine_count_holders_when_due(e);
	turns_step(&e->turns, e->events, &e->conns, now_ns);
	borrowers_step(e->events, &e->conns);
	if (e->pauses)
		pauses_step(e->pauses, &e->conns,
			    detect_conf_least_grace_ns(&e->config.detect), now_ns);
	conns_judge_stages(&e->conns, now_ns);
	gopools_step(e->gopools, now_ns);
	gopools_tell(e->gopools, &e->levels);
	levels_update(&e->levels, &e->conns, now_ns);
	if (e->libraries)
		libraries_step(e->libraries, &e->conns, now_ns);
	if (e->culprits)
		culprits_step(e->culprits, &e->detect, &e->levels);
	if (e->journal)
		journal_begin(e->journal);
	judge(e);
	if (e->journal)
		(void)journal_end(e->journal);
}

int engine_ring_fd(const struct engine *e)
{
	return events_fd(e->events);
}

int engine_drain(struct engine *e)
{
	return events_drain(e->events);
}

void engine_tell(struct engine *e, enum notice what, const void *record)
{
	if (e->notice)
		e->notice(what, record, e->notice_arg);
}

void engine_on_shift(const struct pool *p, unsigned int from, uint64_t fact_ns, void *arg)
{
	const struct gear_change change = { p, from, fact_ns, clock_now_ns() };

	engine_tell(arg, NOTICE_GEAR, &change);
}

void engine_on_finding(const struct finding *f, void *arg)
{
	struct engine *e = arg;

	if (e->journal)
		(void)journal_finding(e->journal, f);
	engine_tell(e, NOTICE_FINDING, f);
}
