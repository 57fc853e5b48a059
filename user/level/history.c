// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "level.h"

#define LAG_NS	    (250 * NS_PER_MS)	/* from "there is none idle" to connect(): names to look up */
#define SETTLED_NS  (250 * NS_PER_MS)	/* of silence, and what is said at first was said */
#define WAITED_NS   NS_PER_S		/* unused for so long: it was not dialled for work */
#define YOUNG_NS    (5 * NS_PER_S)	/* what goes on for longer was no setting up */
#define FOLLOWS_NS  (50 * NS_PER_MS)	/* from one set-up's end to the next dial of a fill */
#define SETUP_MOST  6			/* statements with which drivers set a connection up */
#define WORK_LEAST  20			/* statements that are more than any set-up */
#define REPLACED_NS (60 * NS_PER_S)	/* so soon what ended is replaced */
#define BRIEF_NS    (5 * NS_PER_S)
#define BRIEF_MOST  5			/* queries: BEGIN, one, COMMIT, and a little set-up */
#define SPAN_NS	    (SPAN_S * NS_PER_S)
#define FIRST_NS    (250 * NS_PER_MS)	/* what is said on a new one at first takes no longer */
#define LOAN_NS	    (5 * NS_PER_S)	/* most loans are shorter */
#define LENT_NS	    (4 * NS_PER_S)	/* so long a borrower may have other things to do */

static uint32_t first_kept(uint64_t count)
{
	return count > OCCASIONS ? (uint32_t)(count - OCCASIONS) : 0;
}

static uint64_t at(const uint64_t *ring, uint32_t n)
{
	return ring[n % OCCASIONS];
}

/* The first of the ring that is not before `ns`, as its number; `count` if there is none. */
static uint32_t first_from(const uint64_t *ring, uint64_t count, uint64_t ns)
{
	uint32_t low = first_kept(count), high = (uint32_t)count;

	if (!count || at(ring, high - 1) < ns)
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (at(ring, middle) < ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* False when it is one with the last. */
static bool add(uint64_t *ring, uint64_t *count, uint64_t ns)
{
	if (*count && at(ring, (uint32_t)*count - 1) + FOLLOWS_NS > ns)
		return false;
	ring[(*count)++ % OCCASIONS] = ns;
	return true;
}

/* ---- dials */

static bool has_dialled(struct history *h, uint32_t tid)
{
	uint32_t kept = h->tid_count < OCCASIONS ? h->tid_count : OCCASIONS;

	for (uint32_t i = 0; i < kept; i++)
		if (h->tids[i] == tid)
			return true;
	h->tids[h->tid_count++ % OCCASIONS] = tid;
	return false;
}

/* Whether `d` went on where the dial before it had been set up, and no more than that. */
static bool follows(const struct dial *before, const struct dial *d)
{
	return before->rested_ns && before->queries <= SETUP_MOST &&
	       before->queries == d->queries && d->opened_ns < before->rested_ns + FOLLOWS_NS;
}

/* The most that were open from `from_ns` until before `until_ns`. */
static int32_t most_open(const struct history *h, uint64_t from_ns, uint64_t until_ns)
{
	int32_t most = balance_most(&h->balance, from_ns, until_ns);
	uint64_t from = from_ns / SPAN_NS, until = until_ns / SPAN_NS;

	if (balance_knows(&h->balance, from_ns))
		return most;
	if (h->span >= OPEN_SPANS && from <= h->span - OPEN_SPANS)
		from = h->span - OPEN_SPANS + 1;
	for (uint64_t i = from; i < until && i <= h->span; i++)
		if (h->open[i % OPEN_SPANS] > most)
			most = h->open[i % OPEN_SPANS];
	return most;
}

/* As many were open shortly before: it takes the place of one that ended. */
static bool replaces(const struct history *h, const struct dial *d)
{
	uint64_t from_ns = elapsed_ns(REPLACED_NS, d->opened_ns);

	return balance_at(&h->balance, d->opened_ns) <= most_open(h, from_ns, d->opened_ns);
}

static void judge(struct history *h, const struct dial *d)
{
	bool known = has_dialled(h, d->tid), filling = follows(&h->last, d);

	h->last = *d;
	if (replaces(h, d) || !known || filling)
		return;
	if (d->used && !h->moves.tell)
		(void)add(h->used_ns, &h->used_count, d->opened_ns);
	else if (!d->used)
		(void)add(h->unused_ns, &h->unused_count, d->opened_ns);
}

/* By time: slots are not. */
static void note(struct history *h, const struct dial *d)
{
	uint32_t i = h->fresh_count;

	if (i == FRESH) {
		(void)has_dialled(h, d->tid);
		return;
	}
	for (; i && h->fresh[i - 1].opened_ns > d->opened_ns; i--)
		h->fresh[i] = h->fresh[i - 1];
	h->fresh[i] = *d;
	h->fresh_count++;
}

/* Whether it can be told by now what it was dialled for. */
static bool is_settled(const struct conn *c, uint64_t quiet_ns, uint64_t age_ns)
{
	if (c->adopted || age_ns >= YOUNG_NS)
		return true;
	if (c->stage == STAGE_ESTABLISHING)
		return false;
	if (!c->queries)
		return quiet_ns >= WAITED_NS;
	return quiet_ns >= SETTLED_NS || c->queries > WORK_LEAST;
}

/* Nobody looked when it was young: it was used, but was that at once? */
static bool is_unclear(const struct past *past, const struct conn *c)
{
	return past->late && c->queries && elapsed_ns(c->opened_ns, c->last_ns) >= YOUNG_NS;
}

static void settle(struct history *h, struct past *past, const struct conn *c, uint64_t now_ns)
{
	uint64_t quiet_ns = conn_quiet_ns(c, now_ns);
	struct dial d = {
		.opened_ns = c->opened_ns,
		.rested_ns = quiet_ns >= SETTLED_NS ? c->last_ns : 0,
		.tid = c->tid,
		.queries = (uint32_t)c->queries,
		.used = c->queries > 0,
	};

	if (!is_settled(c, quiet_ns, elapsed_ns(c->opened_ns, now_ns)))
		return;
	past->settled = true;
	if (c->adopted || !c->tid)
		return;
	if (is_unclear(past, c))
		(void)has_dialled(h, c->tid);
	else if (c->phase == PHASE_READY && !c->uncertain && !c->listens)
		note(h, &d);
}

/* ---- connections at rest */

static bool is_at_rest(const struct conn *c)
{
	return c->activity == ACTIVITY_IDLE && c->queries && !c->uncertain && !c->listens &&
	       c->evidence == EVIDENCE_WIRE && c->tcp_state == TCP_STATE_ESTABLISHED &&
	       !c->view.unacked;	/* else it has asked, and the net is in the way */
}

/* How many dials for work passed it by; or, if it was never used, how many for nothing. */
static uint32_t passed_by(const struct history *h, const struct conn *c, uint64_t *ret_first_ns)
{
	const uint64_t *ring = c->queries ? h->used_ns : h->unused_ns;
	uint64_t count = c->queries ? h->used_count : h->unused_count;
	uint32_t first = first_from(ring, count, c->last_ns + LAG_NS);

	if (first == count)
		return 0;
	*ret_first_ns = at(ring, first);
	if (c->queries)
		return (uint32_t)count - first;
	return (uint32_t)__builtin_popcount(h->unused_then >> (first - first_kept(count)));
}

/* No more often than its pool grew: a dial after an end pays for that end. */
static void overtake(const struct history *h, const struct past *past, struct conn *c)
{
	int32_t grown = past->at_rest ? h->open_then - past->balance : 0;
	uint32_t times = 0;

	c->overtaken_ns = 0;
	if (h->moves.tell && c->queries) {
		c->overtaken = past->left.deserts ? moves_past(&h->moves, c, past->left.ns,
							       &c->overtaken_ns) : 0;
		return;
	}
	if (grown > 0)
		times = passed_by(h, c, &c->overtaken_ns);
	c->overtaken = times < (uint32_t)grown || !times ? times : (uint32_t)grown;
}

/*
 * When it was taken from its pool to be lost.  By moves: when its last borrower came to it, or
 * later, if he gave it back in between; and that he did, if he used it for longer than a loan is.
 */
static uint64_t taken_ns(const struct history *h, const struct conn *c)
{
	uint64_t loan_ns = elapsed_ns(LOAN_NS, c->last_ns);

	if (!h->moves.tell)
		return c->opened_ns;
	return loan_ns > c->borrowed_ns ? loan_ns : c->borrowed_ns;
}

static void mark(struct history *h, const struct conn *c)
{
	uint32_t base = first_kept(h->used_count);
	uint32_t first = first_from(h->used_ns, h->used_count, c->overtaken_ns) - base;
	uint32_t born = first_from(h->used_ns, h->used_count, taken_ns(h, c) + 1) - base;

	if (h->overtaken[first] < UINT16_MAX)
		h->overtaken[first]++;
	if (first < h->rested_at[born])
		h->rested_at[born] = (uint8_t)first;
}

static void mark_work(struct history *h, const struct past *past, const struct conn *c)
{
	uint32_t base = first_kept(h->used_count);
	uint32_t born = first_from(h->used_ns, h->used_count, c->opened_ns + 1) - base;
	uint64_t *worked_ns = &h->worked_ns[born];

	if (past->resumed_ns > *worked_ns)
		*worked_ns = past->resumed_ns;
}

static void mark_unused(struct history *h, const struct conn *c)
{
	uint32_t n = first_from(h->unused_ns, h->unused_count, c->opened_ns);

	if (n < h->unused_count && at(h->unused_ns, n) == c->opened_ns)
		h->unused_open |= 1U << (n - first_kept(h->unused_count));
}

/*
 * How long the new ones were worked with, for the growth of a pool.  In the middle of a burst
 * most have been asked one thing, and whether there is more to come nobody knows yet.
 */
static void note_new(struct history *h, const struct conn *c, uint64_t now_ns)
{
	bool may_go_on = c->queries && conn_quiet_ns(c, now_ns) < LENT_NS;
	uint64_t until_ns = may_go_on ? now_ns : c->last_ns;
	uint64_t first_ns = elapsed_ns(c->opened_ns, c->last_ns);

	if (c->adopted || elapsed_ns(c->opened_ns, now_ns) >= HISTORY_NEW_NS)
		return;
	h->new_count++;
	h->new_lives_ns += elapsed_ns(c->opened_ns, until_ns);
	h->new_first_ns += first_ns < FIRST_NS ? first_ns : FIRST_NS;
	h->new_opened_ns += (uint64_t)((int64_t)(c->opened_ns - h->new_opened_ns) /
				       (int64_t)h->new_count);
	if (c->opened_ns > h->new_newest_ns)
		h->new_newest_ns = c->opened_ns;
}

static void move_span(struct history *h, uint64_t now_ns)
{
	uint64_t span = now_ns / SPAN_NS;

	if (!h->begun_ns) {
		h->begun_ns = now_ns;
		h->span = span;
	}
	if (span > h->span + OPEN_SPANS)
		h->span = span - OPEN_SPANS;
	while (h->span < span) {
		h->span++;
		h->open[h->span % OPEN_SPANS] = h->open_last;
		h->thrown[h->span % THROWN_SPANS] = (struct thrown){ 0 };
	}
}

/* What was seen at the last look is judged now: slots are not in the order of time. */
static void judge_fresh(struct history *h)
{
	uint32_t base = first_kept(h->unused_count);

	for (uint32_t i = 0; i < h->fresh_count; i++)
		judge(h, &h->fresh[i]);
	h->fresh_count = 0;
	h->unused_then = h->unused_open >> (first_kept(h->unused_count) - base);
	h->unused_open = 0;
}

/* The same of moves: by now all connections were held against them. */
static void judge_moves(struct history *h)
{
	for (uint32_t i = 0; i < h->moves.seen_count; i++) {
		const struct arrival *a = &h->moves.seen[i];

		if (a->deserts && add(h->used_ns, &h->used_count, a->ns))
			moves_land(&h->moves, a);
	}
	moves_turn(&h->moves);
}

void history_begin(struct history *h, uint64_t now_ns)
{
	move_span(h, now_ns);
	judge_fresh(h);
	judge_moves(h);
	h->open_then = balance_now(&h->balance);
	h->stepped_then = h->stepped;
	h->stepped = false;
	memset(h->rested_at, 0xff, sizeof(h->rested_at));
	memset(h->overtaken, 0, sizeof(h->overtaken));
	memset(h->worked_ns, 0, sizeof(h->worked_ns));
	h->new_count = 0;
	h->new_lives_ns = h->new_newest_ns = h->new_opened_ns = h->new_first_ns = 0;
}

static void step(struct history *h, uint64_t ns, int32_t by)
{
	balance_step(&h->balance, ns, by);
	h->stepped = true;
}

/* How many were open when it came to rest; later news may be of before that. */
static void weigh(const struct history *h, struct past *past)
{
	bool knows = balance_knows(&h->balance, past->last_ns);

	if (past->at_rest && (!h->stepped_then || !knows))
		return;
	past->balance = knows ? balance_at(&h->balance, past->last_ns)
			      : balance_most(&h->balance, past->last_ns, UINT64_MAX);
}

static void note_move(struct history *h, struct past *past, const struct conn *c)
{
	if (past->borrowed_ns != c->borrowed_ns)
		moves_arrive(&h->moves, c);
	past->borrowed_ns = c->borrowed_ns;
	if (!past->left.ns && is_at_rest(c))
		past->left = moves_away(&h->moves, c);
	if (past->left.deserts && moves_excuse(&h->moves, c, &past->left))
		past->left.deserts = false;
}

static void note_rest(struct history *h, struct past *past, const struct conn *c, uint64_t now_ns)
{
	uint64_t idle_ns = elapsed_ns(past->last_ns, c->last_ns);

	if (past->last_ns == c->last_ns) {
		weigh(h, past);
		past->at_rest = true;
		return;
	}
	if (past->idle)
		past->resumed_ns = c->last_ns;
	if (c->overtaken && past->idle && idle_ns > h->woke_after_ns)
		h->woke_after_ns = idle_ns;
	if (past->left.deserts && past->left.up) {
		h->used_count = 0;
		moves_doubt(&h->moves, now_ns);
	}
	past->left = (struct departure){ 0 };
	past->last_ns = c->last_ns;
	past->at_rest = false;
}

void history_take(struct history *h, struct past *past, struct conn *c, uint64_t now_ns)
{
	if (past->cookie != c->cookie) {
		*past = (struct past){
			.cookie = c->cookie,
			.late = elapsed_ns(c->opened_ns, now_ns) >= YOUNG_NS,
		};
		step(h, c->opened_ns, 1);
	}
	note_rest(h, past, c, now_ns);
	if (h->moves.tell)
		note_move(h, past, c);
	if (!past->settled)
		settle(h, past, c, now_ns);
	past->idle = is_at_rest(c);
	overtake(h, past, c);
	if (c->overtaken && is_at_rest(c))
		mark(h, c);
	if (past->resumed_ns)
		mark_work(h, past, c);
	if (past->settled && !c->queries)
		mark_unused(h, c);
	note_new(h, c, now_ns);
}

static void note_open(struct history *h, uint64_t span, int32_t open)
{
	uint16_t *most = &h->open[span % OPEN_SPANS];

	if (span + OPEN_SPANS > h->span && span <= h->span && open > *most)
		*most = open < UINT16_MAX ? (uint16_t)open : UINT16_MAX;
}

void history_end(struct history *h, uint32_t open)
{
	const struct balance *b = &h->balance;

	h->open_last = open < UINT16_MAX ? (uint16_t)open : UINT16_MAX;
	note_open(h, h->span, h->open_last);
	for (uint32_t i = 0; h->stepped && i < b->count; i++)
		note_open(h, b->step[i].ns / SPAN_NS, b->step[i].open);
}

void history_ended(struct history *h, const struct past *past, const struct ended *e,
		   uint64_t now_ns)
{
	struct thrown *t;

	move_span(h, now_ns);
	t = &h->thrown[h->span % THROWN_SPANS];
	if (t->ended < UINT16_MAX)
		t->ended++;
	if (t->brief < t->ended)
		t->brief += !e->adopted && e->queries && e->queries <= BRIEF_MOST &&
		    elapsed_ns(e->opened_ns, e->last_ns) < BRIEF_NS;
	if (past->cookie == e->cookie)
		step(h, e->ended_ns ? e->ended_ns : now_ns, -1);
}

/* ---- what may be asked */

uint32_t history_chain(const struct history *h, uint64_t from_ns, uint64_t until_ns)
{
	uint32_t base = first_kept(h->used_count), kept = (uint32_t)h->used_count - base;
	uint32_t limit = first_from(h->used_ns, h->used_count, until_ns + 1) - base;
	/* One that was born at occasion n is marked at n + 1. */
	uint32_t from = from_ns ? first_from(h->used_ns, h->used_count, from_ns) - base + 1 : 0;
	uint32_t length = 0;

	while (from <= kept) {
		uint32_t next = kept;

		for (uint32_t i = from; i <= kept; i++)
			if (h->rested_at[i] < next)
				next = h->rested_at[i];
		if (next >= limit)
			break;
		length++;
		from = next + 1;
	}
	return length;
}

bool history_outlived(const struct history *h, uint64_t from_ns, uint64_t since_ns)
{
	uint32_t limit = 0;

	if (from_ns)
		limit = first_from(h->used_ns, h->used_count, from_ns) - first_kept(h->used_count);
	else
		while (limit < OCCASIONS && !h->overtaken[limit])
			limit++;
	for (uint32_t i = 0; i <= limit; i++)
		if (h->worked_ns[i] >= since_ns)
			return true;
	return false;
}

uint32_t history_overtaken(const struct history *h, uint64_t until_ns)
{
	uint32_t base = first_kept(h->used_count), n = 0;
	uint32_t limit = first_from(h->used_ns, h->used_count, until_ns + 1) - base;

	for (uint32_t i = 0; i < limit; i++)
		n += h->overtaken[i];
	return n;
}

bool history_grew(const struct history *h, uint64_t from_ns, uint64_t window_ns, uint64_t by,
		  uint32_t *ret_before)
{
	uint64_t lag = window_ns / SPAN_NS + 1, recent = HISTORY_NEW_NS / SPAN_NS;
	uint32_t now = h->open[h->span % OPEN_SPANS], most = 0;

	if (now < by || h->span < OPEN_SPANS)
		return false;
	for (uint64_t i = h->span - OPEN_SPANS + 1 + lag; i <= h->span; i++) {
		uint32_t before = h->open[(i - lag) % OPEN_SPANS];

		most = before > most ? before : most;
		if (i + recent < h->span || i * SPAN_NS < from_ns || now < most + by ||
		    h->open[i % OPEN_SPANS] < most + by)
			continue;
		*ret_before = most;
		return true;
	}
	return false;
}

bool history_in_a_row(const struct history *h, uint64_t count, uint64_t *ret_ns)
{
	uint64_t most = count < STEPS ? count : STEPS, soon_ns;
	struct rises r;

	if (!h->new_count)
		return false;
	soon_ns = h->new_first_ns / h->new_count + FOLLOWS_NS;
	r = balance_rises(&h->balance, (uint32_t)most, soon_ns);
	if (!r.near || r.near * 4 < (r.count - 1) * 3)
		return false;
	*ret_ns = r.near_ns / r.near * h->new_count;
	return true;
}

void history_thrown(const struct history *h, uint64_t from_ns, uint64_t until_ns,
		    uint32_t *ret_ended, uint32_t *ret_brief)
{
	uint32_t ended = 0, brief = 0;

	for (uint64_t i = 0; i < THROWN_SPANS && i < h->span; i++) {
		const struct thrown *t = &h->thrown[(h->span - i) % THROWN_SPANS];
		uint64_t begin_ns = (h->span - i) * SPAN_NS;

		if (begin_ns < from_ns || begin_ns >= until_ns)
			continue;
		ended += t->ended;
		brief += t->brief;
	}
	*ret_ended = ended;
	*ret_brief = brief;
}
