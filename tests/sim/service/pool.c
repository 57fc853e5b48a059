// SPDX-License-Identifier: GPL-2.0-or-later
/* What every pool does: dial, lend, take back, retire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "family/house.h"
#include "judge.h"
#include "look.h"
#include "traffic.h"

#define DIAL_TIMEOUT_NS (10 * NS_PER_S)
#define RETRY_NS	(2 * NS_PER_S)
#define SETTLES_NS	(2 * NS_PER_S) /* so soon it shows what a connection was dialled for */

/* ---- connections */

/* All that is lent, so that a look need not seek it. */
static struct link *lent[KERNEL_SOCKS];
static size_t lent_count;

static void enlist(struct link *l)
{
	if (l->lent_at)
		return;
	lent[lent_count++] = l;
	l->lent_at = lent_count;
}

static void delist(struct link *l)
{
	struct link *last = lent_count ? lent[lent_count - 1] : NULL;

	if (!l->lent_at)
		return;
	lent[l->lent_at - 1] = last;
	last->lent_at = l->lent_at;
	l->lent_at = 0;
	lent_count--;
}

void pools_show(void)
{
	for (size_t i = 0; i < lent_count; i++)
		pool_show(lent[i]);
}

static struct link *free_link(struct client_pool *p)
{
	for (size_t i = 0; i < POOL_LINKS; i++)
		if (p->links[i].state == LINK_NONE)
			return &p->links[i];
	return NULL;
}

static void forget(struct link *l)
{
	struct client_pool *p = l->pool;

	if (l->leak && l->leak->cookie)
		judge_over(l->leak);
	p->dialling -= l->state == LINK_DIALLING && !l->wanted;
	delist(l);
	for (uint32_t i = 0; i < p->idle_count; i++) {
		if (p->idle[i] != l)
			continue;
		memmove(&p->idle[i], &p->idle[i + 1], (--p->idle_count - i) * sizeof(p->idle[0]));
		break;
	}
	*l = (struct link){ .pool = p, .gen = l->gen + 1 };
	p->open--;
}

void pool_drop(struct link *l)
{
	kernel_close(l->sock, false);
	forget(l);
}

static void want_again(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (p->runs && p->gen == gen)
		pool_want(p);
}

/* It fails; whoever waited for it tries again. */
static void fail_dial(struct link *l)
{
	struct client_pool *p = l->pool;
	bool wanted = l->wanted;

	pool_drop(l);
	if (wanted)
		happen_at(sim_now_ns + RETRY_NS, want_again, p, p->gen);
}

void pool_lose(struct link *l, bool later)
{
	if (l->state == LINK_DIALLING) {
		fail_dial(l);
		return;
	}
	if (later && l->state == LINK_FREE) {
		l->dead = true;
		return;
	}
	kernel_close(l->sock, true);
	forget(l);
}

static void put_idle(struct link *l)
{
	struct client_pool *p = l->pool;

	delist(l);
	l->state = LINK_FREE;
	l->used_ns = sim_now_ns;
	p->idle[p->idle_count++] = l;
}

static void on_let_in(void *who, uint64_t gen)
{
	struct link *l = who;
	struct job job;

	if (l->gen != gen)
		return;
	if (l->pool->endpoint->cut_ns || l->pool->endpoint->refuses_until_ns > sim_now_ns) {
		fail_dial(l);
		return;
	}
	kernel_let_in(l->sock, &l->pool->words);
	l->opened_ns = l->used_ns = l->pinged_ns = sim_now_ns;
	if (!l->wanted)
		l->pool->dialling--;
	if (l->forgotten) {
		l->state = LINK_LEAKED;
		return;
	}
	if (!l->wanted) {
		put_idle(l);
		if (l->pool->fills_through)
			house_fill(l->pool);
		return;
	}
	job = l->pool->work ? l->pool->work(l->pool) : traffic_job();
	pool_lend(l, &job);
}

static void on_timeout(void *who, uint64_t gen)
{
	struct link *l = who;

	if (l->gen == gen)
		fail_dial(l);
}

static void on_answered(void *who, uint64_t gen)
{
	struct link *l = who;
	struct endpoint *e = l->pool->endpoint;
	uint64_t auth_ns = chance_between(1, 30) * NS_PER_MS + 4 * NS_PER_US * e->rtt_us;

	if (l->gen != gen)
		return;
	if (e->cut_ns) {
		happen_at(sim_now_ns + DIAL_TIMEOUT_NS, on_timeout, l, gen);
		return;
	}
	if (e->refuses_until_ns > sim_now_ns) {
		fail_dial(l);
		return;
	}
	kernel_greet(l->sock, &l->pool->words);
	happen_at(sim_now_ns + auth_ns, on_let_in, l, gen);
}

/* The thread that dials: its number in its process. */
static uint32_t dialler(struct client_pool *p)
{
	return (uint32_t)(p->threads ? chance_below(p->threads) : 100 + p->dials % 100000);
}

/* One more is open; whether that is more than in the last minute, or two. */
static bool is_most(struct client_pool *p)
{
	uint64_t minute = sim_now_ns / MINUTE;
	bool most;

	if (minute != p->minute) {
		p->most[1] = minute == p->minute + 1 ? p->most[0] : p->open - 1;
		p->most[0] = 0;
		p->minute = minute;
	}
	most = p->open > p->most[0] && p->open > p->most[1];
	if (p->open > p->most[0])
		p->most[0] = p->open;
	return most;
}

/*
 * From outside a dial says that what lies idle is not free, unless it may have other reasons:
 * a thread that has none of its own yet, one that ended a moment ago.
 */
static bool is_telling(struct client_pool *p, uint32_t thread)
{
	uint32_t bit = thread < 32 ? 1U << thread : 0;
	bool known = p->dialled & bit, most = is_most(p);

	p->dialled |= bit;
	return known && most;
}

static void on_retire(void *who, uint64_t serial)
{
	struct link *l = who;

	if (l->state != LINK_FREE || l->serial != serial || !l->pool->runs)
		return;
	pool_drop(l);
	house_fill(l->pool);
}

void pools_unseen(void)
{
	for (size_t n = 0; n < pools_count(); n++)
		pools_get(n)->dialled = 0;
}

struct link *pool_dial(struct client_pool *p, bool wanted)
{
	struct link *l = free_link(p);
	uint64_t spread_ns = chance_below(p->lifetime_spread_ns + 1);
	uint32_t thread = dialler(p);

	if (!l)
		return NULL;
	*l = (struct link){
		.pool = p,
		.gen = l->gen + 1,
		.wanted = wanted,
		.dialled_ns = sim_now_ns,
	};
	l->sock = kernel_connect(p->process, p->process->pid + thread, p->endpoint, l);
	if (!l->sock)
		return NULL;
	l->state = LINK_DIALLING;
	l->retire_ns = p->lifetime_ns ? sim_now_ns + p->lifetime_ns - spread_ns : UINT64_MAX;
	l->serial = ++p->dials;
	if (p->retires_by_timer)
		happen_at(l->retire_ns, on_retire, l, l->serial);
	p->open++;
	l->telling = is_telling(p, thread);
	if (p->leak)
		look_closely(sim_now_ns, sim_now_ns + SETTLES_NS);
	p->dialling += !wanted;
	happen_at(sim_now_ns + NS_PER_US * p->endpoint->rtt_us, on_answered, l, l->gen);
	return l;
}

/* ---- lending */

static bool is_expired(const struct link *l)
{
	return sim_now_ns >= l->retire_ns;
}

static uint64_t held_up_until(const struct link *l)
{
	if (l->pool->process->frozen_ns)
		return l->pool->process->thaw_ns;
	return l->pool->endpoint->cut_ns ? l->pool->endpoint->heal_ns : 0;
}

static void on_end(void *who, uint64_t gen)
{
	struct link *l = who;
	uint64_t later_ns = held_up_until(l);

	if (l->gen != gen || l->state != LINK_LENT)
		return;
	if (later_ns || sim_now_ns < l->ends_ns)
		happen_at(later_ns ? later_ns + NS_PER_MS : l->ends_ns, on_end, l, gen);
	else
		pool_give(l);
}

void pool_lend(struct link *l, const struct job *job)
{
	enlist(l);
	l->state = LINK_LENT;
	l->job = *job;
	l->counted = l->resumes_ns = 0;
	l->used_ns = sim_now_ns;
	l->began_ns = sim_now_ns + job->waits_ns;
	l->ends_ns = l->began_ns + job->lasts_ns;
	if (l->pool->checks)
		kernel_count(l->sock, 1, 20, 40);
	happen_at(l->ends_ns, on_end, l, ++l->gen);
}

void pool_give(struct link *l)
{
	struct client_pool *p = l->pool;
	struct job job;

	pool_show(l);
	kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
	if (p->loses > 0 && chance(p->loses)) {
		pool_lost(l);
	} else if (is_expired(l)) {
		pool_drop(l);
	} else if (p->waiting) {
		p->waiting--;
		job = p->work ? p->work(p) : traffic_job();
		pool_lend(l, &job);
		return;
	} else if (p->idle_count >= p->max_idle) {
		pool_drop(l);
	} else {
		put_idle(l);
		return;
	}
	if (p->waiting) {
		p->waiting--;
		pool_want(p);
	}
}

static struct link *take(struct client_pool *p)
{
	while (p->idle_count) {
		size_t n = p->fifo ? 0 : p->idle_count - 1;
		struct link *l;

		if (p->any)
			n = chance_below(p->idle_count);
		l = p->idle[n];
		if (!l->dead && !is_expired(l)) {
			memmove(&p->idle[n], &p->idle[n + 1],
				(--p->idle_count - n) * sizeof(p->idle[0]));
			return l;
		}
		pool_drop(l);
	}
	return NULL;
}

void pool_want(struct client_pool *p)
{
	struct link *l = p->runs ? take(p) : NULL;
	struct job job;

	if (l) {
		job = p->work ? p->work(p) : traffic_job();
		pool_lend(l, &job);
	} else if (p->runs && p->open < p->max_open) {
		(void)pool_dial(p, true);
	} else if (p->waiting < p->workers) {
		p->waiting++;
	}
}

void pool_leak(struct link *l)
{
	pool_show(l);
	delist(l);
	l->state = LINK_LEAKED;
	l->gen++;
}

/* ---- what is seen of it */

/* What was asked at `since_ns` does not reach the server. */
static void wait_for_answer(struct link *l, uint64_t since_ns)
{
	l->sock->unacked = 120;
	l->sock->retransmits = network_retransmits(sim_now_ns - since_ns);
}

/* The next request after that of `at_ns`; at its end the job has something to ask, too. */
static uint64_t next_ask_ns(const struct link *l, uint64_t at_ns)
{
	at_ns += l->job.rhythm.period_ns;
	return at_ns < l->ends_ns ? at_ns : l->ends_ns;
}

/* Where a job is in its rhythm, as far as its client and the net let it go on. */
void pool_show(struct link *l)
{
	const struct rhythm *r = &l->job.rhythm;
	uint64_t frozen_ns = l->pool->process->frozen_ns, cut_ns = l->pool->endpoint->cut_ns;
	uint64_t until_ns = frozen_ns ? frozen_ns : sim_now_ns, n, at_ns, done;
	bool busy;

	if (l->state != LINK_LENT || sim_now_ns < l->resumes_ns)
		return;
	until_ns = cut_ns && cut_ns < until_ns ? cut_ns : until_ns;
	if (until_ns < l->began_ns) {
		if (cut_ns && !frozen_ns && l->began_ns < sim_now_ns)
			wait_for_answer(l, l->began_ns);
		return;
	}
	n = (until_ns - l->began_ns) / r->period_ns;
	at_ns = l->began_ns + n * r->period_ns;
	busy = until_ns - at_ns < r->busy_ns && (cut_ns || sim_now_ns - at_ns < r->busy_ns);
	done = n + !busy;
	if (done > l->counted) {
		kernel_count(l->sock, done - l->counted, 120, 600);
		l->counted = done;
	}
	l->sock->unread = frozen_ns && !busy && at_ns + r->busy_ns > frozen_ns ? 600 : 0;
	if (busy) {
		kernel_busy(l->sock, at_ns);
		if (r->trickle && !cut_ns && !frozen_ns)
			kernel_trickle(l->sock, r->trickle,
				       sim_now_ns - chance_below(NS_PER_S / 4));
	} else if (r->stays_in_txn) {
		kernel_rest(l->sock, 'T', at_ns, at_ns + r->busy_ns, l->began_ns);
	} else if (until_ns - at_ns < r->busy_ns + r->hold_ns) {
		kernel_rest(l->sock, 'T', at_ns, at_ns + r->busy_ns, at_ns);
	} else {
		kernel_rest(l->sock, 'I', at_ns, at_ns + r->busy_ns + r->hold_ns, 0);
	}
	if (cut_ns && !busy && !frozen_ns && next_ask_ns(l, at_ns) < sim_now_ns)
		wait_for_answer(l, next_ask_ns(l, at_ns));
}

/* ---- what happens to all that is under way */

static void shift(struct link *l, uint64_t by_ns)
{
	if (l->state != LINK_LENT)
		return;
	l->began_ns += by_ns;
	l->ends_ns += by_ns;
}

static void on_thaw(void *who, uint64_t pid)
{
	struct process *owner = who;
	uint64_t by_ns = elapsed_ns(owner->frozen_ns, sim_now_ns);

	if (!owner->runs || owner->pid != pid || !owner->frozen_ns)
		return;
	owner->frozen_sum_ns += by_ns;
	owner->frozen_ns = 0;
	for (size_t n = 0; n < pools_count(); n++) {
		struct client_pool *p = pools_get(n);

		for (size_t i = 0; p->process == owner && i < POOL_LINKS; i++)
			shift(&p->links[i], by_ns);
	}
}

void pool_freeze(struct client_pool *p, uint64_t for_ns)
{
	if (!p->runs || p->process->frozen_ns || p->endpoint->cut_ns)
		return;
	for (size_t i = 0; i < POOL_LINKS; i++)
		pool_show(&p->links[i]);
	kernel_freeze(p->process, sim_now_ns + for_ns);
	happen_at(sim_now_ns + for_ns, on_thaw, p->process, p->process->pid);
}

/*
 * When what was asked in a cut, and got no answer, was asked.  0: nothing was, or the answer
 * was on its way.
 */
static uint64_t asked_in_vain_ns(const struct link *l, uint64_t cut_ns)
{
	const struct rhythm *r = &l->job.rhythm;
	uint64_t n, at_ns;

	if (l->began_ns >= cut_ns)
		return l->began_ns < sim_now_ns ? l->began_ns : 0;
	n = (cut_ns - l->began_ns) / r->period_ns;
	at_ns = l->began_ns + n * r->period_ns;
	if (cut_ns - at_ns < r->busy_ns)
		return 0;
	at_ns = next_ask_ns(l, at_ns);
	return at_ns < sim_now_ns ? at_ns : 0;
}

static bool was_under_way(const struct link *l, uint64_t cut_ns)
{
	return l->began_ns < cut_ns &&
	       (cut_ns - l->began_ns) % l->job.rhythm.period_ns < l->job.rhythm.busy_ns;
}

/* Its bytes get through when they are sent again; until then they lie there. */
static void resume(struct link *l, uint64_t cut_ns)
{
	uint64_t asked_ns;

	if (l->state != LINK_LENT)
		return;
	asked_ns = asked_in_vain_ns(l, cut_ns);
	l->resumes_ns = asked_ns ? network_resent_ns(asked_ns, sim_now_ns) : 0;
	if (asked_ns) {
		wait_for_answer(l, asked_ns);
		shift(l, l->resumes_ns - asked_ns);
	} else if (was_under_way(l, cut_ns)) {
		shift(l, elapsed_ns(cut_ns, sim_now_ns));
	}
}

static void on_heal(void *who, uint64_t tag)
{
	struct endpoint *e = who;
	uint64_t cut_ns = e->cut_ns;

	(void)tag;
	e->cut_ns = 0;
	judge_overcame(e, sim_now_ns + 2 * MINUTE);
	for (size_t n = 0; n < pools_count(); n++) {
		struct client_pool *p = pools_get(n);

		for (size_t i = 0; p->endpoint == e && i < POOL_LINKS; i++)
			resume(&p->links[i], cut_ns);
	}
}

void pool_breaks_off(struct client_pool *p, const struct endpoint *e)
{
	if (p->endpoint == e && p->leak)
		p->leak->hidden = true;
}

void pools_cut(struct endpoint *e, uint64_t until_ns)
{
	if (e->cut_ns)
		return;
	pools_show();
	e->cut_ns = sim_now_ns;
	e->heal_ns = until_ns;
	for (size_t n = 0; n < pools_count(); n++)
		pool_breaks_off(pools_get(n), e);
	happen_at(until_ns, on_heal, e, 0);
}
