// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * held: borrowed from the pool and never returned.
 *
 * Such a connection is idle and healthy on the wire, so no time-out ends it; the pool
 * has one less, and when all are gone every request waits.
 *
 * Where the application's own pool says whom it lent (Go's database/sql), its word
 * decides.  Elsewhere the pool tells by what it does: it dials another connection,
 * and uses it, while this one lies idle.  Once proves nothing, for a second pool beside
 * it would do the same.  Two pools do not make a *chain*: what was dialled past an idle
 * connection comes itself to rest and is dialled past, again and again (see
 * level/history.h for what counts as a dial).  So a connection is held when it was
 * overtaken `overtaken` times and two of the chain came after it; and, once the pool
 * has shown a chain longer than that, when it was overtaken at all.  Where an overtaken
 * connection went back to work, its pool has to be silent four times as long.
 * Where older connections work on beside the chain, it has to be of seven: the pool still has
 * those, and a program may well dial some past it and keep them (for a lock, a scheduler, a
 * thread of its own).
 *
 * Connections that have asked for notifications wait for them, and what forwards other
 * programs' connections (level/forwarder.c) has one for each of its clients: neither is
 * judged.
 *
 * Java's pools dial from threads of their own, ahead of need and to renew what is old, and the
 * usual one, HikariCP, fills itself when it begins: a dial says nothing.  What it lends does:
 * a thread gets the one that it gave back last, else the oldest that is free.  So there a
 * connection is overtaken when the thread that had it last went on to another, a moment
 * later, and then as often as any thread goes on to one that is younger (level/moves.h); and
 * that once more often, since a thread may have borrowed several at a time.  Where one that
 * was overtaken goes back to work, what was seen is void, and the pool is not judged for ten
 * minutes.  Other pools of Java's are not judged.
 *
 * One whose answer is being read, row by row, is worked with though no byte passes; so is one
 * that has asked, and whose bytes the net loses.
 *
 * How it can be wrong: what its library has in memory already (4 KiB in Go, 16 in libpq)
 * is read unseen; a connection kept on purpose (for an advisory lock) is lent as well;
 * eight and more of these beside a pool, or four and more lazy pools to one database in one
 * process of which the older are not used any more, look like one that leaks; the idle ones of a
 * healthy pool look like those of a leaking one to the same database in the same
 * process; in HikariCP, a thread that once has five and more at a time, taken one by one over
 * seconds and each worked with, gives them back in that order, and never needs as many again
 * nor does another.
 * What it cannot see, it does not say: the last connections of an exhausted
 * pool, after which none is dialled; one
 * leak alone; a pool whose every dial has a thread of its own; what is encrypted; in HikariCP,
 * the connection with which it began (dialled by the application's thread), what is lost by threads
 * that end, virtual ones, or such as ask more than 64 times a second on one connection,
 * connections older than we are, and pools whose threads' names do not tell (lib/hikari.h);
 * all of Java's without evidence.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

#define LINKS	 2	/* of a chain behind a connection */
#define BESIDE	 6	/* more links than that, where older connections work on */
#define PATIENCE 4	/* times as long as one came back after */
#define AT_A_TIME 1	/* a thread may have several, and give them back in that order */

struct conf {
	uint64_t overtaken;
};

static const struct param params[] = {
	{ "overtaken", "how often its pool dialled and used another meanwhile", PARAM_UINT,
	  offsetof(struct conf, overtaken), 3, 1, 16 },
	{ 0 },
};

static bool is_idle(const struct conn *c)
{
	return c->activity == ACTIVITY_IDLE && c->evidence == EVIDENCE_WIRE && !c->uncertain &&
	       c->tcp_state == TCP_STATE_ESTABLISHED && !c->listens && !c->replicates &&
	       !c->view.unacked;
}

/*
 * Lent a moment ago, it may have lain in its pool for hours before; and what was read a
 * moment ago says nothing of now: all of the time is that before the latest reading began.
 */
static bool is_lent(const struct conn *c, uint64_t grace_ns, uint64_t now_ns, struct symptom *ret)
{
	uint64_t from_ns = c->lent_ns > c->last_ns ? c->lent_ns : c->last_ns;
	double quiet_s = ns_to_s(conn_quiet_ns(c, now_ns));

	if (c->lending != LENDING_LENT || conn_quiet_ns(c, c->lending_ns) < grace_ns ||
	    elapsed_ns(c->lent_ns, c->lending_ns) < grace_ns)
		return false;
	ret->since_ns = from_ns;
	ret->confidence = 1.0;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "its own pool has lent it out and not got it back, idle for %.1f s", quiet_s);
	return true;
}

/*
 * Whether the chain proves it.  Where connections that are older than those dials work on, the
 * pool lost none of them: who dials may have opened a few of his own beside it, for good.
 */
static bool is_proved(const struct conn *c, const struct pool *p, uint64_t times, uint64_t until_ns)
{
	const struct history *h = &p->history;
	uint32_t whole = history_chain(h, 0, until_ns);

	if (!h->moves.tell && history_outlived(h, c->overtaken_ns, until_ns) && whole <= BESIDE)
		return false;
	return whole > times ||
	       (c->overtaken >= times && history_chain(h, c->overtaken_ns, until_ns) >= LINKS);
}

static void say_overtaken(const struct conn *c, const struct pool *p, uint64_t now_ns,
			  char why[static 128])
{
	const char *s = c->overtaken == 1 ? "" : "s";
	double quiet_s = ns_to_s(conn_quiet_ns(c, now_ns));

	if (p->history.moves.tell)
		(void)snprintf(why, 128,
			       "idle for %.1f s, since when its pool lent younger ones instead, %u time%s",
			       quiet_s, c->overtaken, s);
	else
		(void)snprintf(why, 128,
			       "idle for %.1f s while its pool dialled for more %u time%s and left those idle too",
			       quiet_s, c->overtaken, s);
}

static bool is_overtaken(const struct conn *c, const struct pool *p, uint64_t times,
			 uint64_t grace_ns, uint64_t now_ns, struct symptom *ret)
{
	uint64_t wait_ns = grace_ns, until_ns;

	if (p->history.moves.tell)
		times += AT_A_TIME;
	if (!c->overtaken || !c->queries || c->lending != LENDING_UNKNOWN)
		return false;
	if (p->history.woke_after_ns * PATIENCE > wait_ns)
		wait_ns = p->history.woke_after_ns * PATIENCE;
	until_ns = elapsed_ns(wait_ns + c->paused_ns, now_ns);
	if (c->paused || c->overtaken_ns > until_ns)
		return false;
	if (!is_proved(c, p, times, until_ns))
		return false;
	ret->confidence = c->adopted ? 0.7 : 0.8;
	say_overtaken(c, p, now_ns, ret->why);
	return true;
}

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	const struct conf *own = conf;

	if (!is_idle(c) || !p || p->forwards)
		return false;
	ret->since_ns = c->last_ns;
	return is_lent(c, base->grace_ns, now_ns, ret) ||
	       is_overtaken(c, p, own->overtaken, base->grace_ns, now_ns, ret);
}

static const struct detector held = {
	.name = "held",
	.summary = "borrowed from its pool and never returned",
	.grace_ns = 60 * NS_PER_S,
	.params = params,
	.conf_size = sizeof(struct conf),
	.check = check,
	.borrowed = true,
};
REGISTER(detector, held);
