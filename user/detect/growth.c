// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * growth: a pool that only grows, or has lost a good part of its connections.
 *
 * The server's limit is everybody's: a pool without one of its own takes the connections
 * of all others.  Told are
 *   - `connections` more than there were at any time of the ten minutes before, within
 *     `window`, although no work asked for them: on the average less than a quarter
 *     of the new ones were worked with at a time, and they did not come in one go.  In a
 *     burst all of them are worked with; or the pool dials for one after the other (psycopg2's),
 *     without a pause between the dials, and the first have done their work meanwhile.
 *   - more than `held_share` of a pool of eight and more overtaken and left idle (see
 *     held.c), for the grace.
 * A pool younger than the grace, or than two windows, is filling up and not judged; one
 * that lost its connections and opens them again does not grow.  Growth is told for a
 * minute, while as many are there.
 *
 * How it can be wrong: a second pool of the same process to the same database that
 * opens a reserve of this size later, one by one, with pauses; a burst whose work is silent for
 * seconds in between.  What it does not say: a loop that opens so many without a pause and
 * then stops, for a pool that is filled does the same.
 */
#include <stdio.h>

#include "detect.h"
#include "lib/clock.h"

#define AT_WORK_SHARE 4	/* of the new ones: a quarter */
#define LEAST_OPEN    8
#define CHAIN	      4	/* of connections left idle, see held.c */
#define CHAIN_BESIDE  7

struct conf {
	uint64_t connections;
	uint64_t window_ns;
	uint64_t held_share_pct;
};

static const struct param params[] = {
	{ "connections", "how many more", PARAM_UINT, offsetof(struct conf, connections), 50, 2,
	  1000000 },
	{ "window", "in how long", PARAM_NS, offsetof(struct conf, window_ns), 30 * NS_PER_S,
	  5 * NS_PER_S, HISTORY_NEW_NS },
	{ "held_share", "or more than this share held", PARAM_PCT,
	  offsetof(struct conf, held_share_pct), 35, 5, 100 },
	{ 0 },
};

/*
 * Whether the new ones were worked with one after another rather than together.  They were
 * dialled for in twice the time from their mean to the last: one of them may have been there
 * long before a burst, and may be worked with long after it.
 */
static bool was_needless(const struct history *h)
{
	uint64_t life_ns = h->new_lives_ns / h->new_count;
	uint64_t span_ns = 2 * elapsed_ns(h->new_opened_ns, h->new_newest_ns) + life_ns;

	return span_ns && h->new_lives_ns / span_ns < h->new_count / AT_WORK_SHARE;
}

#define ONE_GO_NS (10 * NS_PER_S)	/* where dials are slow, fifty take so long */

/*
 * Whether they came in one go: each dialled right behind the one before, and that for less
 * than half the window, or ONE_GO_NS.  So a pool is filled, and so it dials for all that wait
 * in line.
 */
static bool came_at_once(const struct history *h, const struct conf *own)
{
	uint64_t took_ns, go_ns = own->window_ns / 2;

	if (go_ns < ONE_GO_NS)
		go_ns = ONE_GO_NS;
	return history_in_a_row(h, own->connections, &took_ns) && took_ns < go_ns;
}

static bool grew(const struct pool *p, const struct conf *own, uint64_t grace_ns,
		 struct symptom *ret)
{
	uint64_t young_ns = grace_ns > 2 * own->window_ns ? grace_ns : 2 * own->window_ns;
	uint32_t before;

	if (p->history.new_count < own->connections || !was_needless(&p->history) ||
	    came_at_once(&p->history, own) ||
	    !history_grew(&p->history, p->history.begun_ns + young_ns, own->window_ns,
			  own->connections, &before))
		return false;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "from %u to %u connections in %.0f s, with little to do for them", before,
		       p->open, ns_to_s(own->window_ns));
	return true;
}

static bool lost_many(const struct pool *p, const struct conf *own, uint64_t until_ns,
		      uint64_t grace_ns, struct symptom *ret)
{
	uint32_t held = history_overtaken(&p->history, until_ns);
	bool beside = !p->history.moves.tell && history_outlived(&p->history, 0, until_ns);

	if (p->open < LEAST_OPEN || held * 100ULL <= p->open * own->held_share_pct ||
	    p->history.woke_after_ns > grace_ns ||
	    history_chain(&p->history, 0, until_ns) < (beside ? CHAIN_BESIDE : CHAIN))
		return false;
	(void)snprintf(ret->why, sizeof(ret->why),
		       "%u of %u connections left idle while it dialled for more", held, p->open);
	return true;
}

static bool check_pool(const struct pool *p, const struct detector_conf *base, const void *conf,
		       uint64_t now_ns, struct symptom *ret)
{
	const struct conf *own = conf;

	if (!p->open || p->forwards || elapsed_ns(p->history.begun_ns, now_ns) < base->grace_ns)
		return false;
	if (!grew(p, own, base->grace_ns, ret) &&
	    !lost_many(p, own, elapsed_ns(base->grace_ns, now_ns), base->grace_ns, ret))
		return false;
	ret->since_ns = now_ns;
	ret->confidence = 0.9;
	return true;
}

static const struct detector growth = {
	.name = "growth",
	.summary = "a pool that only grows, or has lost many of its connections",
	.grace_ns = 60 * NS_PER_S,
	.params = params,
	.conf_size = sizeof(struct conf),
	.check_pool = check_pool,
};
REGISTER(detector, growth);
