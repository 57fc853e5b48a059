// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What programs do wrong, one function a kind.  Each picks a connection that is in use
 * where this can happen and be seen; when there is none it tries again later.
 */
#include <stddef.h>

#include "judge.h"
#include "leaks.h"
#include "lib/cleanup.h"
#include "named.h"

#define TRIES 200

struct leak_kind {
	const char *name;
	bool (*begin)(void);
};

/* A connection that somebody has in hands, and whose conversation can be followed. */
static struct link *pick(void)
{
	for (int i = 0; i < TRIES; i++) {
		struct client_pool *p = pools_any();
		struct link *l = &p->links[chance_below(POOL_LINKS)];

		if (l->state == LINK_LENT && !p->words.tls && !p->process->frozen_ns &&
		    !p->endpoint->cut_ns && !p->leak && l->sock->slot.phase == PHASE_READY &&
		    !l->sock->lost_ns && !p->work)
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
	judge_over(l->leak);
	l->leak = NULL;
	if (chance(0.5)) {
		kernel_count(l->sock, 1, 60, 60);
		kernel_rest(l->sock, 'I', sim_now_ns, sim_now_ns, 0);
		pool_give(l);
	} else {
		pool_drop(l);
	}
}

/* From here on the application does nothing with it, for a while. */
static void leave(struct link *l, const char *kind)
{
	judge_leak(kind, l->pool, l);
	happen_at(sim_now_ns + 3 * l->leak->grace_ns + chance_exp(HOUR), on_mind, l, l->gen);
}

/* A transaction begun, perhaps failed, and then something else is done for ever. */
static bool idle_in_txn(void)
{
	struct link *l = pick();
	char status = chance(0.2) ? 'E' : 'T';

	if (!l)
		return false;
	pool_leak(l);
	kernel_count(l->sock, 1 + chance_below(10), 100, 400);
	kernel_rest(l->sock, status, sim_now_ns, sim_now_ns, sim_now_ns);
	leave(l, "idle-in-txn");
	return true;
}

static const struct leak_kind kinds[] = {
	{ "idle-in-txn", idle_in_txn },
};

static uint64_t every_ns;

static void on_leak(void *who, uint64_t tag)
{
	const struct leak_kind *k = who;

	(void)tag;
	happen_at(sim_now_ns + (k->begin() ? chance_exp(every_ns) : MINUTE), on_leak, who, 0);
}

void leaks_begin(const char *which, double per_day)
{
	every_ns = (uint64_t)((double)DAY / per_day);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_named(kinds[i].name, which) && judge_knows(kinds[i].name))
			happen_at(sim_now_ns + 10 * MINUTE + chance_exp(every_ns), on_leak,
				  (void *)&kinds[i], 0);
}
