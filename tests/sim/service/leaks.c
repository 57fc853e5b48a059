// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What programs do wrong, one function a kind.  Each picks a connection, or a pool, where
 * this can happen and be seen; when there is none it tries again later.
 */
#include <stddef.h>

#include "judge.h"
#include "leaks.h"
#include "lib/cleanup.h"
#include "look.h"
#include "named.h"
#include "traffic.h"

#define TRIES		200
#define KERNEL_GIVES_UP (924 * NS_PER_S) /* after fifteen retransmissions */
#define LAG_NS		(250 * NS_PER_MS) /* from wanting one to dialling it */
#define MOST_FORGOTTEN	40
#define EVIDENT		5 /* connections lost one after another before a pattern must be seen */

struct leak_kind {
	const char *name;
	double often; /* against --per-day */
	bool (*begin)(const char *kind);
};

static bool is_fit(const struct client_pool *p)
{
	return p->runs && !p->words.tls && !p->process->frozen_ns && !p->endpoint->cut_ns &&
	       p->endpoint->refuses_until_ns < sim_now_ns && !p->leak && !p->work;
}

/* Somebody has it in hands, and its conversation can be followed. */
static bool is_at_work(const struct link *l)
{
	return l->state == LINK_LENT && !l->leak && !l->sock->unacked &&
	       l->resumes_ns < sim_now_ns &&
	       l->sock->slot.phase == PHASE_READY && !l->sock->lost_ns && l->sock->named;
}

static struct link *pick(void)
{
	for (int i = 0; i < TRIES; i++) {
		struct client_pool *p = pools_any();
		struct link *l = &p->links[chance_below(POOL_LINKS)];

		if (is_fit(p) && is_at_work(l))
			return l;
	}
	return NULL;
}

/* It comes to its senses, or is thrown away. */
static void on_mind(void *who, uint64_t gen)
{
	struct link *l = who;

	if (l->gen != gen || l->state != LINK_LEAKED)
		return;
	if (l->pool->process->frozen_ns || l->pool->endpoint->cut_ns) {
		happen_at(sim_now_ns + MINUTE, on_mind, l, gen);
		return;
	}
	if (l->leak->cookie)
		judge_over(l->leak);
	l->leak = NULL;
	if (chance(0.5) && l->sock->tcp_state == 1 && !l->sock->cut_ns) {
		l->sock->unread = 0;
		l->sock->full = false;
		kernel_count(l->sock, 1, 60, 60);
		kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
		pool_give(l);
	} else {
		pool_drop(l);
	}
}

/* From here on the application does nothing with it, for a while. */
static bool leave(struct link *l, const char *kind)
{
	judge_leak(kind, l->pool, l);
	happen_at(sim_now_ns + 3 * l->leak->grace_ns + chance_exp(HOUR), on_mind, l, l->gen);
	return true;
}

/* ---- of one connection */

/* A transaction begun, perhaps failed, and then something else is done for ever. */
static bool idle_in_txn(const char *kind)
{
	struct link *l = pick();
	char status = chance(0.2) ? 'E' : 'T';

	if (!l)
		return false;
	pool_leak(l);
	kernel_count(l->sock, 1 + chance_below(10), 100, 400);
	kernel_rest(l->sock, status, sim_now_ns, sim_now_ns, sim_now_ns);
	return leave(l, kind);
}

/* The server ends it, and nobody closes the client's end. */
static bool close_wait(const char *kind)
{
	struct link *l = pick();

	if (!l)
		return false;
	pool_leak(l);
	kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
	kernel_fin(l->sock);
	return leave(l, kind);
}

/* An answer larger than what fits, and the client reads no more of it. */
static bool unread(const char *kind)
{
	struct link *l = pick();

	if (!l)
		return false;
	pool_leak(l);
	kernel_busy(l->sock, sim_now_ns);
	kernel_trickle(l->sock, 131072, sim_now_ns);
	l->sock->unread = 131072;
	l->sock->full = true;
	return leave(l, kind);
}

static void on_half_sent(void *who, uint64_t gen)
{
	struct link *l = who;

	if (l->gen != gen || l->state != LINK_LEAKED)
		return;
	kernel_half_ask(l->sock);
	(void)leave(l, "stuck");
}

/*
 * A thread that ends while it sends.  Somebody looks between the answer before and this: what
 * is sent sooner after it is not known as the half that it is.
 */
static bool stuck(const char *kind)
{
	struct link *l = pick();

	if (!l || l->pool->endpoint->wire != WIRE_POSTGRESQL)
		return false;
	pool_leak(l);
	kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
	(void)kind;
	look_closely(sim_now_ns, sim_now_ns + 3 * NS_PER_S);
	happen_at(sim_now_ns + 3 * NS_PER_S, on_half_sent, l, l->gen);
	return true;
}

/*
 * Its deadline passes: the server goes on all the same, or what has failed is not rolled back.
 * Somebody looked since it was let in: else its number at the server is not known.
 */
static bool cancelled(const char *kind)
{
	struct link *l = pick();

	if (!l || l->pool->endpoint->wire != WIRE_POSTGRESQL || !l->sock->slot.backend_pid ||
	    elapsed_ns(l->opened_ns, sim_now_ns) < MINUTE)
		return false;
	pool_leak(l);
	kernel_busy(l->sock, sim_now_ns);
	if (!kernel_cancel(l->sock)) {
		pool_drop(l);
		return false;
	}
	if (chance(0.5))
		kernel_rest(l->sock, 'E', sim_now_ns, sim_now_ns + NS_PER_MS, sim_now_ns);
	return leave(l, kind);
}

static void on_give_up(void *who, uint64_t gen)
{
	struct link *l = who;

	if (l->gen == gen && l->state == LINK_LEAKED)
		pool_drop(l);
}

/*
 * A request that the net swallows, and all after it.  Where as much was lost within the hour
 * and then came through, that is no sign of an end: it need not be told.
 */
static bool half_dead(const char *kind)
{
	struct link *l = pick();

	if (!l)
		return false;
	pool_leak(l);
	kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
	l->sock->cut_ns = sim_now_ns;
	l->sock->unacked = 100;
	happen_at(sim_now_ns + KERNEL_GIVES_UP, on_give_up, l, l->gen);
	(void)leave(l, kind);
	l->leak->hidden = sim_now_ns < l->pool->endpoint->overcome_ns + HOUR;
	return true;
}

/* After a fork parent and child both ask, for as long as the job lasts. */
static bool shared(const char *kind)
{
	struct link *l = pick();

	if (!l || l->ends_ns < sim_now_ns + HOUR)
		return false;
	l->sock->also = kernel_spawn("child");
	l->sock->in_turn_ns = sim_now_ns;
	look_closely(sim_now_ns, sim_now_ns + MINUTE);
	judge_leak(kind, l->pool, l);
	return true;
}

/* ---- of a pool that loses connections, one after another */

/* Of two pools to the same database nobody can tell from outside which one it is. */
static bool is_alone(const struct client_pool *p)
{
	for (size_t n = 0; n < pools_count(); n++)
		if (pools_get(n)->first == p)
			return false;
	return !p->first;
}

/*
 * A pool that dials when it has none, and uses what it dials.  What a pooler loses is lost by
 * its clients, and there it shows.
 */
static struct client_pool *pick_pool(void)
{
	for (int i = 0; i < TRIES; i++) {
		struct client_pool *p = pools_any();

		if (is_fit(p) && p->max_open >= 20 && !p->keepalive_ns && !p->min_idle &&
		    is_alone(p) && !p->any && !p->family->pooler && p->every_ns &&
		    elapsed_ns(p->started_ns, sim_now_ns) > HOUR)
			return p;
	}
	return NULL;
}

static void on_relief(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (p->gen == gen)
		pool_restart(p, NS_PER_S);
}

/* Until somebody restarts the program. */
static void begin_on_pool(struct client_pool *p, const char *kind)
{
	judge_pool_leak(kind, p);
	happen_at(sim_now_ns + 3 * p->leak->grace_ns + chance_between(30, 120) * MINUTE, on_relief,
		  p, p->gen);
}

/* Lost ones that only take the place of others do not show from outside. */
static void lengthen(struct client_pool *p)
{
	p->lost_ns = sim_now_ns;
	p->lost_open[p->chain++ % 8] = p->open;
	if (p->chain > EVIDENT && p->open >= p->lost_open[(p->chain - 1 - EVIDENT) % 8] + EVIDENT)
		judge_evident(p->leak);
}

void pool_lost(struct link *l)
{
	struct client_pool *p = l->pool;

	pool_leak(l);
	kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
	l->leak = p->leak;
	p->lost++;
	/* Dialled when the one lost before lay idle: now it shows. */
	if (l->telling && l->dialled_ns > p->lost_ns + LAG_NS)
		lengthen(p);
}

/* A path through the program that forgets to give back. */
static bool held(const char *kind)
{
	struct client_pool *p = pick_pool();

	if (!p)
		return false;
	begin_on_pool(p, kind);
	p->loses = 0.02 + 0.01 * (double)chance_below(20);
	return true;
}

/*
 * Dials, and does nothing with it.  It shows where the pool grows by it; in one that
 * shrinks meanwhile it looks like a reserve that is renewed.
 */
static void on_forgotten(void *who, uint64_t gen)
{
	struct client_pool *p = who;
	struct link *l = NULL;

	if (p->gen != gen || !p->leak || p->lost == MOST_FORGOTTEN)
		return;
	if (!p->process->frozen_ns)
		l = pool_dial(p, false);
	if (l) {
		l->leak = p->leak;
		l->forgotten = true;
		p->lost++;
		if (l->telling)
			lengthen(p);
	}
	happen_at(sim_now_ns + chance_between(3, 40) * NS_PER_S, on_forgotten, p, gen);
}

/* Where the pool itself says what it has lent, its word comes sooner: held. */
static bool unused(const char *kind)
{
	struct client_pool *p = pick_pool();

	if (!p || p->tells)
		return false;
	begin_on_pool(p, kind);
	p->words.setup = 0;
	on_forgotten(p, p->gen);
	return true;
}

/* Borrows in a loop, or connects, asks once, and forgets. */
static void on_loop(void *who, uint64_t gen)
{
	struct client_pool *p = who;
	struct link *l;

	if (p->gen != gen || !p->leak || p->open >= p->max_open + 80)
		return;
	if (p->idle_count)
		pool_want(p);
	else if ((l = pool_dial(p, true)))
		l->leak = p->leak;
	happen_at(sim_now_ns + chance_between(100, 300) * NS_PER_MS, on_loop, p, gen);
}

static struct job one_question(struct client_pool *p)
{
	(void)p;
	return traffic_quick();
}

static bool growth(const char *kind)
{
	struct client_pool *p = pick_pool();

	if (!p)
		return false;
	begin_on_pool(p, kind);
	p->loses = 1;
	p->work = one_question;
	judge_evident(p->leak);
	on_loop(p, p->gen);
	return true;
}

/* The pool is gone, or too small: a connection for each question. */
static void on_question(void *who, uint64_t gen)
{
	struct client_pool *p = who;

	if (p->gen != gen || !p->leak)
		return;
	if (!p->process->frozen_ns)
		pool_want(p);
	happen_at(sim_now_ns + chance_between(100, 300) * NS_PER_MS, on_question, p, gen);
}

static bool churn(const char *kind)
{
	struct client_pool *p = pick_pool();

	if (!p)
		return false;
	begin_on_pool(p, kind);
	p->had_idle = p->max_idle;
	p->max_idle = 0;
	p->work = one_question;
	judge_evident(p->leak);
	on_question(p, p->gen);
	return true;
}

static const struct leak_kind kinds[] = {
	{ "idle-in-txn", 1, idle_in_txn }, { "close-wait", 0.5, close_wait },
	{ "unread", 0.5, unread },	   { "half-dead", 0.5, half_dead },
	{ "shared", 0.5, shared },	   { "held", 0.06, held },
	{ "unused", 0.06, unused },	   { "growth", 0.06, growth },
	{ "cancelled", 0.5, cancelled },
	{ "stuck", 0.5, stuck },	   { "churn", 0.06, churn },
};

static double per_day;

static uint64_t pause_ns(const struct leak_kind *k)
{
	return chance_exp((uint64_t)((double)DAY / per_day / k->often));
}

static void on_leak(void *who, uint64_t tag)
{
	const struct leak_kind *k = who;

	(void)tag;
	happen_at(sim_now_ns + (k->begin(k->name) ? pause_ns(k) : MINUTE), on_leak, who, 0);
}

void leaks_begin(const char *which, double each_per_day)
{
	per_day = each_per_day;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_named(kinds[i].name, which) && judge_knows(kinds[i].name))
			happen_at(sim_now_ns + 10 * MINUTE + pause_ns(&kinds[i]), on_leak,
				  (void *)&kinds[i], 0);
}
