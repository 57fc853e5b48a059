// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who cannot run.
 *
 * Nobody is looked at but the owners of connections that are silent for long enough to
 * become findings soon: each second where one is in use, every ten where none is.
 * Between two looks a process may have been stopped at any moment, so a time between
 * two looks that began or ended in a stop counts as one altogether; and of a process that
 * is first seen stopped nobody knows since when: all of the silence is laid to the stop.
 * Both make us later than need be, never wrong.
 *
 * That Java collects is told by two looks, so until there were two, and while a second one
 * is long overdue, a silence of Java's says nothing: pauses_is_undecided().
 *
 * Measured: a look takes some 47 us, so to look at idle ones takes 0.1 % of a core at most,
 * and 0.2 % where dozens of transactions lie silent; with more candidates than that each
 * waits longer for its turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/freezer.h"
#include "lib/jvm.h"
#include "lib/proc.h"
#include "pauses.h"

#define PROCESSES     1024	/* watched at once; of others every silence counts */
#define LOOKS_PER_S   40	/* for those in use; others get the half that is left */
#define STEP_NS	      NS_PER_S
#define STEP_LEAST_NS (100 * NS_PER_MS)
#define IDLE_EVERY_NS (10 * NS_PER_S)
#define LOOK_AT_JAVA  20	/* what a look at all threads counts for */
#define OVERDUE_NS    (2 * STEP_NS)

enum want { WANT_NOT, WANT_IDLE, WANT_IN_USE };

struct process {
	uint32_t pid, start_ticks;	/* pid 0: a free entry */
	enum want want;
	uint64_t looked_ns;	/* 0: never */
	uint64_t from_ns;	/* of the last look: it could not run since then */
	bool paused;
	bool counts;		/* the last look has something to say to its connections */
	uint64_t cpu_ticks;
	struct jvm_times times;	/* of its threads, as of the last look */
	bool has_times;
	bool is_java;		/* and has a connection in use */
	bool undecided;		/* it did something, and nobody knows whether that was to collect */
};

struct pauses {
	struct process table[PROCESSES];
	struct index by_pid;
	uint32_t next[WANT_IN_USE + 1];	/* whose turn it is, of each want */
	uint32_t paused;
	uint64_t stepped_ns;
};

int pauses_new(struct pauses **ret)
{
	struct pauses *p = calloc(1, sizeof(*p));

	if (!p || index_init(&p->by_pid, PROCESSES) < 0) {
		free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void pauses_free(struct pauses *p)
{
	if (!p)
		return;
	index_done(&p->by_pid);
	free(p);
}

static bool is_there(uint32_t pid, uint32_t start_ticks, struct proc_stat *ret)
{
	return !proc_stat(pid, ret) && (!start_ticks || ret->start_ticks == start_ticks);
}

static bool is_stopped(uint32_t pid, const struct proc_stat *st)
{
	return st->state == 'T' || st->state == 't' || freezer_has(pid);
}

bool pauses_is_stopped(uint32_t pid, uint32_t start_ticks)
{
	struct proc_stat st;

	return is_there(pid, start_ticks, &st) && is_stopped(pid, &st);
}

static bool same_process(const void *table, uint32_t n, const void *key)
{
	const struct process *a = &((const struct process *)table)[n];
	const struct conn *c = key;

	return a->pid == c->pid && a->start_ticks == c->start_ticks;
}

static uint64_t hash_pid(const struct pauses *p, uint32_t pid)
{
	return (pid ^ p->by_pid.seed) * 0x9e3779b97f4a7c15ULL;
}

static struct process *find(struct pauses *p, const struct conn *c)
{
	uint32_t n = index_find(&p->by_pid, hash_pid(p, c->pid), same_process, p->table, c);

	return n == INDEX_NONE ? NULL : &p->table[n];
}

static struct process *add(struct pauses *p, const struct conn *c)
{
	for (uint32_t n = 0; n < PROCESSES; n++) {
		if (p->table[n].pid)
			continue;
		p->table[n] = (struct process){ .pid = c->pid, .start_ticks = c->start_ticks };
		index_put(&p->by_pid, hash_pid(p, c->pid), n);
		return &p->table[n];
	}
	return NULL;
}

static enum want want_for(const struct conn *c, uint64_t least_ns, uint64_t now_ns)
{
	uint64_t quiet_ns = conn_quiet_ns(c, now_ns);

	if (!c->pid || !conn_is_listed(c) || quiet_ns < least_ns)
		return WANT_NOT;
	if (c->activity != ACTIVITY_IDLE && c->activity != ACTIVITY_UNKNOWN)
		return WANT_IN_USE;
	/* Nothing is said in a hurry of those, nor of one whose state is not known. */
	return quiet_ns < 2 * least_ns ? WANT_NOT : WANT_IDLE;
}

/* Whom to look at. */
static void gather(struct pauses *p, struct conns *t, uint64_t least_ns, uint64_t now_ns)
{
	for (uint32_t n = 0; n < PROCESSES; n++)
		p->table[n].want = WANT_NOT;
	conns_for_each(t, c) {
		enum want want = want_for(c, least_ns, now_ns);
		struct process *owner = want || p->paused ? find(p, c) : NULL;

		if (!owner && want)
			owner = add(p, c);
		/* One that is stopped is watched until it is not, for all its connections. */
		if (owner && owner->paused)
			want = WANT_IN_USE;
		if (owner && want > owner->want)
			owner->want = want;
	}
}

static void drop(struct pauses *p, struct process *owner)
{
	p->paused -= owner->paused;
	index_remove(&p->by_pid, hash_pid(p, owner->pid), (uint32_t)(owner - p->table));
	*owner = (struct process){ 0 };
}

/*
 * Whether all that Java did since the last look was a collection.  Its threads, of which
 * there may be hundreds, are looked at only where it did something at all, and a
 * connection waits in the middle of it.
 */
static bool is_collecting(struct process *owner, const struct proc_stat *st, uint64_t now_ns)
{
	uint64_t since_ns = elapsed_ns(owner->looked_ns, now_ns);
	bool moved = !owner->looked_ns || st->cpu_ticks != owner->cpu_ticks;
	struct jvm_times before = owner->times;
	bool had_times = owner->has_times;

	owner->cpu_ticks = st->cpu_ticks;
	owner->is_java = owner->want == WANT_IN_USE && strcmp(st->comm, "java") == 0;
	owner->has_times = moved && owner->is_java && !jvm_times(owner->pid, &owner->times);
	owner->undecided = owner->has_times && !had_times;
	return had_times && owner->has_times && jvm_is_collecting(&before, &owner->times, since_ns);
}

static bool cannot_run(struct process *owner, uint64_t now_ns)
{
	struct proc_stat st;

	if (!is_there(owner->pid, owner->start_ticks, &st))
		return false;
	return is_stopped(owner->pid, &st) || is_collecting(owner, &st, now_ns);
}

static void look(struct pauses *p, struct process *owner, uint64_t now_ns)
{
	bool paused = cannot_run(owner, now_ns);

	owner->counts = paused || owner->paused;
	owner->from_ns = owner->counts ? owner->looked_ns : now_ns;
	p->paused += paused;
	p->paused -= owner->paused;
	owner->paused = paused;
	owner->looked_ns = now_ns;
}

static bool is_due(const struct process *owner, uint64_t step_ns, uint64_t now_ns)
{
	uint64_t every_ns = owner->want == WANT_IDLE ? IDLE_EVERY_NS : step_ns;

	return !owner->looked_ns || elapsed_ns(owner->looked_ns, now_ns) >= every_ns;
}

/* Those of one want, in turns, until `most` looks are spent.  Returns how many were. */
static uint64_t look_at(struct pauses *p, enum want want, uint64_t most, uint64_t step_ns,
			uint64_t now_ns)
{
	uint32_t first = p->next[want];
	uint64_t looks = 0;

	for (uint32_t i = 0; i < PROCESSES && looks < most; i++) {
		struct process *owner = &p->table[(first + i) % PROCESSES];

		if (!owner->pid || owner->want != want || !is_due(owner, step_ns, now_ns))
			continue;
		look(p, owner, now_ns);
		looks += owner->has_times ? LOOK_AT_JAVA : 1;
		p->next[want] = (uint32_t)(owner - p->table) + 1;
	}
	return looks;
}

/* True when somebody cannot run, or could not. */
static bool look_at_some(struct pauses *p, uint64_t step_ns, uint64_t now_ns)
{
	uint64_t most = LOOKS_PER_S * step_ns / NS_PER_S, looks;
	bool counts = false;

	for (uint32_t n = 0; n < PROCESSES; n++) {
		p->table[n].counts = false;
		if (p->table[n].pid && !p->table[n].want)
			drop(p, &p->table[n]);
	}
	looks = look_at(p, WANT_IN_USE, most, step_ns, now_ns);
	if (looks < most / 2)
		(void)look_at(p, WANT_IDLE, most / 2 - looks, step_ns, now_ns);
	for (uint32_t n = 0; n < PROCESSES; n++)
		counts |= p->table[n].counts;
	return counts;
}

bool pauses_is_undecided(struct pauses *p, const struct conn *c, uint64_t now_ns)
{
	const struct process *owner = c->pid ? find(p, c) : NULL;

	if (!owner || owner->want != WANT_IN_USE)
		return false;
	return !owner->looked_ns || owner->paused || owner->undecided ||
	       (owner->is_java && elapsed_ns(owner->looked_ns, now_ns) > OVERDUE_NS);
}

static void apply(struct pauses *p, struct conns *t, uint64_t now_ns)
{
	conns_for_each(t, c) {
		const struct process *owner = c->pid ? find(p, c) : NULL;

		if (owner && owner->counts)
			conn_apply_pause(c, owner->from_ns, owner->paused, now_ns);
		else if (!owner && c->paused)	/* it has another owner now */
			conn_apply_pause(c, now_ns, false, now_ns);
	}
}

void pauses_step(struct pauses *p, struct conns *t, uint64_t grace_ns, uint64_t now_ns)
{
	uint64_t step_ns = grace_ns / 8 < STEP_NS ? grace_ns / 8 : STEP_NS;
	bool was_paused = p->paused > 0;

	if (step_ns < STEP_LEAST_NS)
		step_ns = STEP_LEAST_NS;
	if (p->stepped_ns && elapsed_ns(p->stepped_ns, now_ns) < step_ns)
		return;
	p->stepped_ns = now_ns;
	gather(p, t, grace_ns / 8, now_ns);
	if (look_at_some(p, step_ns, now_ns) || was_paused)
		apply(p, t, now_ns);
}
