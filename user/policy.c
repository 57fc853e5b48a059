// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whether anything may be done about a finding.
 *
 * The questions are asked in one order, from "may we at all" over "does anybody
 * want it" to "is it safe" and "is it too much"; the first that says no is the
 * reason.  A ladder only climbs: what lies below a rung that was tried is over.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/text.h"
#include "policy.h"

#define MINUTE_NS (60 * NS_PER_S)

static const char *const verdict_names[] = { "observe", "act", "refuse" };
_Static_assert(ARRAY_SIZE(verdict_names) == VERDICT_MAX, "every verdict has a name");

static const struct {
	const char *word, *sentence;
} reasons[] = {
#define REASON_TEXT(id, word, sentence) [REASON_##id] = { word, sentence },
	REASONS(REASON_TEXT)
#undef REASON_TEXT
};

void policy_conf_init(struct policy_conf *c)
{
	*c = (struct policy_conf){
		.mode = MODE_OBSERVE,
		.budget = {
			.per_pool = 5,
			.per_pool_ns = MINUTE_NS,
			.per_endpoint = 20,
			.per_endpoint_ns = MINUTE_NS,
			.total = 60,
			.total_ns = MINUTE_NS,
			.share_pct = 10,
			.cool_down_ns = 10 * NS_PER_S,
		},
	};
}

void policy_conf_done(struct policy_conf *c)
{
	free(c->rules);
	*c = (struct policy_conf){ 0 };
}

static struct verdict say(struct verdict v, enum verdict_kind kind, enum reason reason)
{
	v.kind = kind;
	v.reason = reason;
	return v;
}

static bool fits(const char *pattern, const char *s)
{
	return !*pattern || text_match(pattern, s ? s : "");
}

/* While nothing is under way; a statement that nobody waits for is another trouble. */
static bool is_of_kind(const struct finding *f, const char *kind)
{
	const char *less = f->detector->rather_than;

	return fits(kind, f->detector->name) ||
	       (less && f->conn.activity != ACTIVITY_BUSY && fits(kind, less));
}

static bool rule_matches(const struct rule *r, const struct finding *f,
			 const struct circumstances *w)
{
	const struct conn *c = &f->conn;
	char endpoint[ADDR_TEXT_LEN];

	return (!r->pid || r->pid == c->pid) && is_of_kind(f, r->kind) &&
	       fits(r->comm, c->comm) && fits(r->exe, w->exe) && fits(r->cgroup, w->cgroup) &&
	       fits(r->endpoint, addr_format(&c->remote, endpoint)) &&
	       fits(r->database, c->database) && fits(r->user, c->user);
}

static long find_rule(const struct policy_conf *conf, const struct finding *f,
		      const struct circumstances *w)
{
	for (size_t i = 0; i < conf->rule_count; i++)
		if (rule_matches(&conf->rules[i], f, w))
			return (long)i;
	return -1;
}

/* The `i`th act before now, 0 the newest; NULL when there were not so many. */
static const struct act *act_before(const struct policy *p, size_t i)
{
	return i < p->count ? &p->acts[(p->next + POLICY_ACTS - 1 - i) % POLICY_ACTS] : NULL;
}

/* The lowest rung above every one that was tried for this finding. */
static size_t next_rung(const struct policy *p, const struct finding *f)
{
	const struct act *a;
	size_t next = 0;

	for (size_t i = 0; (a = act_before(p, i)); i++)
		if (a->rule >= 0 && a->rung >= next && strcmp(a->finding, f->id) == 0)
			next = a->rung + 1;
	return next;
}

static enum reason suits(const struct action_face *action, const struct conn *c)
{
	return action ? action->suits(c) : REASON_WRONG_PROTOCOL;
}

/*
 * Chooses the rung: the next one that is due and suits.  One that does not suit
 * now is passed over, and its reason stands when nothing above it is due.
 */
static struct verdict climb(const struct policy *p, const struct rule *rule,
			    const struct finding *f,
			    const struct action_face *(*find_action)(const char *name),
			    uint64_t now_ns, struct verdict v)
{
	struct verdict passed = say(v, VERDICT_OBSERVE, REASON_LADDER_DONE);

	for (v.rung = next_rung(p, f); v.rung < rule->rungs; v.rung++) {
		const struct rung *rung = &rule->act[v.rung];
		enum reason why;

		if (elapsed_ns(f->confirmed_ns, now_ns) < rung->after_ns) {
			if (passed.kind == VERDICT_REFUSE)
				break;
			return say(v, VERDICT_OBSERVE, REASON_NOT_DUE);
		}
		memcpy(v.action, rung->action, sizeof(v.action));
		why = suits(find_action(rung->action), &f->conn);
		if (why == REASON_RULE)
			return say(v, VERDICT_ACT, REASON_RULE);
		if (passed.kind != VERDICT_REFUSE)
			passed = say(v, VERDICT_REFUSE, why);
	}
	return passed;
}

/* REASON_RULE, or why nobody may touch this connection. */
static enum reason safety(const struct conn *c, const struct circumstances *w)
{
	if (c->holders == HOLDERS_UNKNOWN)
		return REASON_HOLDERS_UNKNOWN;
	if (c->holders > 1)
		return REASON_SHARED;
	if (!c->pid || !c->start_ticks)
		return REASON_NOT_OWNER;
	if (c->uncertain)
		return REASON_UNCERTAIN;
	if (!w->process_runs)
		return REASON_NOT_RUNNING;
	return REASON_RULE;
}

static bool same_endpoint(const struct act *a, const struct conn *c)
{
	return addr_equal(&a->endpoint, &c->remote);
}

static bool same_pool(const struct act *a, const struct conn *c)
{
	return a->pid == c->pid && a->start_ticks == c->start_ticks && same_endpoint(a, c) &&
	       strcmp(a->user, c->user) == 0 && strcmp(a->database, c->database) == 0;
}

static bool same_host(const struct act *a, const struct conn *c)
{
	(void)a;
	(void)c;
	return true;
}

/* Whether `limit` acts within `window_ns` are reached already. */
static bool is_spent(const struct policy *p, const struct conn *c, uint64_t limit,
		     uint64_t window_ns, uint64_t now_ns,
		     bool (*counts)(const struct act *a, const struct conn *c))
{
	const struct act *a;
	uint64_t n = 0;

	/* More than is remembered cannot be allowed, since it could not be counted. */
	if (limit > POLICY_ACTS)
		limit = POLICY_ACTS;
	for (size_t i = 0; n < limit && (a = act_before(p, i)); i++)
		n += elapsed_ns(a->at_ns, now_ns) < window_ns && counts(a, c);
	return n >= limit;
}

/* Whether a newer act than the `i`th was on the same connection. */
static bool came_again(const struct policy *p, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (act_before(p, j)->cookie == act_before(p, i)->cookie)
			return true;
	return false;
}

/*
 * The share is of connections, so the next rung on one of them is no further one.
 * It is at least one, or small pools could never be helped.
 */
static bool share_is_spent(const struct policy *p, const struct budget *b, const struct conn *c,
			   const struct pool *pool, uint64_t now_ns)
{
	uint64_t limit = pool ? pool->open * b->share_pct / 100 : 0;
	const struct act *a;
	uint64_t n = 0;

	for (size_t i = 0; (a = act_before(p, i)); i++)
		if (elapsed_ns(a->at_ns, now_ns) < b->per_pool_ns && a->cookie != c->cookie &&
		    same_pool(a, c) && !came_again(p, i))
			n++;
	return n >= (limit ? limit : 1);
}

static bool is_cooling(const struct policy *p, const struct budget *b, const struct conn *c,
		       uint64_t now_ns)
{
	const struct act *a;

	for (size_t i = 0; (a = act_before(p, i)); i++)
		if (a->cookie == c->cookie && elapsed_ns(a->at_ns, now_ns) < b->cool_down_ns)
			return true;
	return false;
}

static enum reason budget(const struct policy *p, const struct budget *b, const struct conn *c,
			  const struct pool *pool, uint64_t now_ns)
{
	if (is_cooling(p, b, c, now_ns))
		return REASON_COOL_DOWN;
	if (is_spent(p, c, b->per_pool, b->per_pool_ns, now_ns, same_pool))
		return REASON_BUDGET_POOL;
	if (is_spent(p, c, b->per_endpoint, b->per_endpoint_ns, now_ns, same_endpoint))
		return REASON_BUDGET_ENDPOINT;
	if (is_spent(p, c, b->total, b->total_ns, now_ns, same_host))
		return REASON_BUDGET_TOTAL;
	if (share_is_spent(p, b, c, pool, now_ns))
		return REASON_BUDGET_SHARE;
	return REASON_RULE;
}

struct verdict policy_decide(const struct policy *p, const struct policy_conf *conf,
			     const struct finding *f, const struct circumstances *w,
			     const struct action_face *(*find_action)(const char *name),
			     uint64_t now_ns)
{
	struct verdict v = { .rule = -1, .conf_version = conf->version };
	enum reason why;

	if (w->stopped)
		return say(v, VERDICT_REFUSE, REASON_STOPPED);
	if (f->state != FINDING_CONFIRMED)
		return say(v, VERDICT_OBSERVE, REASON_NOT_CONFIRMED);
	if (conf->mode != MODE_FIX)
		return say(v, VERDICT_OBSERVE, REASON_OBSERVE_MODE);
	v.rule = find_rule(conf, f, w);
	if (v.rule < 0)
		return say(v, VERDICT_OBSERVE, REASON_NO_RULE);
	if (!conf->rules[v.rule].rungs)
		return say(v, VERDICT_OBSERVE, REASON_RULE_OBSERVES);
	if (finding_is_of_pool(f))
		return say(v, VERDICT_REFUSE, REASON_POOL);
	v = climb(p, &conf->rules[v.rule], f, find_action, now_ns, v);
	if (v.kind != VERDICT_ACT)
		return v;
	why = safety(&f->conn, w);
	if (why == REASON_RULE)
		why = budget(p, &conf->budget, &f->conn, w->pool, now_ns);
	return why == REASON_RULE ? v : say(v, VERDICT_REFUSE, why);
}

struct verdict policy_order(const struct policy_conf *conf, const struct conn *c,
			    const struct circumstances *w, const struct action_face *action)
{
	struct verdict v = { .rule = -1, .conf_version = conf->version };
	enum reason why;

	if (action)
		(void)strncpy(v.action, action->name, sizeof(v.action) - 1);
	if (w->stopped)
		return say(v, VERDICT_REFUSE, REASON_STOPPED);
	why = c->cookie ? suits(action, c) : REASON_POOL;
	if (why == REASON_RULE)
		why = safety(c, w);
	if (why != REASON_RULE)
		return say(v, VERDICT_REFUSE, why);
	return say(v, VERDICT_ACT, REASON_OPERATOR);
}

void policy_acted(struct policy *p, const struct finding *f, const struct verdict *v,
		  uint64_t now_ns)
{
	struct act *a = &p->acts[p->next];

	*a = (struct act){
		.at_ns = now_ns,
		.cookie = f->conn.cookie,
		.rung = v->rung,
		.rule = v->rule,
		.pid = f->conn.pid,
		.start_ticks = f->conn.start_ticks,
		.endpoint = f->conn.remote,
	};
	memcpy(a->finding, f->id, sizeof(a->finding));
	memcpy(a->user, f->conn.user, sizeof(a->user));
	memcpy(a->database, f->conn.database, sizeof(a->database));
	p->next = (p->next + 1) % POLICY_ACTS;
	if (p->count < POLICY_ACTS)
		p->count++;
}

const char *mode_name(enum mode m)
{
	return m == MODE_FIX ? "fix" : "observe";
}

const char *verdict_name(enum verdict_kind v)
{
	return v < VERDICT_MAX ? verdict_names[v] : "refuse";
}

const char *reason_word(enum reason r)
{
	return r < REASON_MAX ? reasons[r].word : "";
}

const char *reason_sentence(enum reason r)
{
	return r < REASON_MAX ? reasons[r].sentence : "";
}
