// SPDX-License-Identifier: GPL-2.0-or-later
/* Policy -> repair -> journal: by rule, and by an operator's order. */
#include <errno.h>

#include "engine/internal.h"
#include "events.h"
#include "lib/log.h"
#include "lib/proc.h"

#define PROBES_MS 500	/* an order waits for them, and gives up */

static bool world_slot(uint32_t index, struct slot *ret, void *arg)
{
	struct engine *e = arg;

	return events_slot(e->events, index, ret);
}

struct head_count {
	uint32_t count;
	struct holder one;
};

static void count_head(const struct holder *h, void *arg)
{
	struct head_count *n = arg;

	if (n->count && h->tgid == n->one.tgid)
		return;		/* the same process, by another descriptor */
	n->one = *h;
	n->count++;
}

static int world_holders(uint64_t cookie, uint32_t *ret_count, struct holder *ret_one, void *arg)
{
	struct engine *e = arg;
	struct head_count n = {};
	int r = events_holders(e->events, cookie, count_head, &n);

	if (r)
		return r;
	*ret_count = n.count;
	*ret_one = n.one;
	return 0;
}

static int world_intent(const struct repair *r, void *arg)
{
	struct engine *e = arg;

	return e->journal ? journal_intent(e->journal, r) : -EIO;
}

static int world_outcome(const struct repair *r, void *arg)
{
	struct engine *e = arg;

	return journal_outcome(e->journal, r);
}

/* The connection's own slot, read again right now. */
static struct conn *refresh(struct engine *e, const struct conn *c)
{
	struct slot s;

	if (!events_slot(e->events, c->slot, &s))
		return NULL;
	(void)conns_apply_slot(&e->conns, c->slot, &s);
	return conns_find_cookie(&e->conns, c->cookie);
}

struct repair_world engine_world(struct engine *e)
{
	return (struct repair_world){
		.slot = world_slot,
		.holders = world_holders,
		.intent = world_intent,
		.outcome = world_outcome,
		.arg = e,
	};
}

static int run(struct engine *e, struct repair *r)
{
	const struct repair_world world = engine_world(e);
	struct conn *c;
	int err;

	r->mode = e->config.policy.mode;
	err = repair_run(r, &world, e->now_ns);
	if (err)
		return err;
	e->repairs++;
	c = refresh(e, &r->finding.conn);
	if (c && r->outcome == OUTCOME_DONE && c->activity == ACTIVITY_FAILED_TXN)
		c->defused_rx_bytes = c->rx_bytes;
	engine_tell(e, NOTICE_REPAIR, r);
	log_info("%s %s on %s (%s, process %u): %s", r->verdict.action, r->id, r->finding.conn.id,
		 r->finding.conn.comm, r->finding.conn.pid, outcome_name(r->outcome));
	return 0;
}

struct surroundings {
	struct circumstances w;
	char exe[256], cgroup[256];
};

static void look_around(const struct engine *e, const struct conn *c, struct surroundings *ret)
{
	struct proc_stat st;

	proc_exe(c->pid, ret->exe, sizeof(ret->exe));
	proc_cgroup(c->pid, ret->cgroup, sizeof(ret->cgroup));
	ret->w = (struct circumstances){
		.stopped = engine_is_stopped(e),
		.process_runs = !c->paused && !proc_stat(c->pid, &st) && st.state != 'T' &&
				st.state != 't',
		.exe = ret->exe,
		.cgroup = ret->cgroup,
		.pool = levels_of(&e->levels, c),
	};
}

static void refuse(struct engine *e, struct repair *r, const struct finding *f,
		   const struct verdict *v)
{
	repair_plan(r, f, v, 0);
	r->mode = e->config.policy.mode;
	r->at_ns = e->now_ns;
	if (e->journal)
		(void)journal_refusal(e->journal, r);
}

static void require_journal(const struct engine *e, struct verdict *v)
{
	if (v->kind != VERDICT_ACT || e->journal)
		return;
	v->kind = VERDICT_REFUSE;
	v->reason = REASON_NO_JOURNAL;
}

void engine_decide(struct engine *e, struct finding *f)
{
	struct surroundings around;
	struct verdict v;
	struct repair r;
	int err;

	f->decided_ns = e->now_ns;
	f->decided_version = e->config.policy.version;
	look_around(e, &f->conn, &around);
	v = policy_decide(&e->policy, &e->config.policy, f, &around.w, action_face_find, e->now_ns);
	require_journal(e, &v);
	if (v.kind != VERDICT_ACT) {
		refuse(e, &r, f, &v);
		return;
	}
	policy_acted(&e->policy, f, &v, e->now_ns);
	repair_plan(&r, f, &v, 0);
	f->under_repair = true;
	err = run(e, &r);
	f->under_repair = false;
	if (err && err != -EEXIST)
		(void)log_err(err, "repair %s was not begun", r.id);
	if (!err && r.outcome == OUTCOME_DONE && r.helped == 1)
		detect_mend(&e->detect, f, e->now_ns, engine_on_finding, e);
}

/* A finding to act on: the one that is meant, or a connection without one. */
static int find_target(struct engine *e, const char *id, struct finding **ret_real,
		       struct finding *ret)
{
	struct finding *f = detect_find(&e->detect, id);
	const struct conn *c = f ? &f->conn : conns_find_id(&e->conns, id);

	if (!c)
		return -ENOENT;
	*ret = f ? *f : (struct finding){ .state = FINDING_SUSPECT, .conn = *c };
	*ret_real = f;
	if (f && finding_is_of_pool(f))
		return 0;	/* for policy to refuse */
	engine_count_holders(e);
	c = refresh(e, &ret->conn);
	if (!c || c->stage == STAGE_TERMINATED)
		return -ENOENT;
	ret->conn = *c;
	return 0;
}

int engine_fix(struct engine *e, const char *id, const char *action, bool dry, struct repair *ret)
{
	const struct action *a = action ? action_find(action) : NULL;
	struct surroundings around;
	struct finding target, *real;
	struct verdict v;
	int err = action && !a ? -EINVAL : find_target(e, id, &real, &target);

	if (!err && !dry && e->events && !events_await_probes(e->events, PROBES_MS))
		err = -EBUSY;
	if (err)
		return err;
	if (!action)
		a = action_gentlest(&target.conn);
	if (!action && !real && a && a->harm > 1)
		a = NULL;	/* nothing is known to be wrong: harm has to be named */
	look_around(e, &target.conn, &around);
	v = policy_order(&e->config.policy, &target.conn, &around.w, a ? &a->face : NULL);
	if (!dry)
		require_journal(e, &v);
	repair_plan(ret, &target, &v, dry ? 0 : e->now_ns + ++e->orders);
	ret->mode = e->config.policy.mode;
	if (v.kind != VERDICT_ACT)
		return -EPERM;
	if (dry)
		return 0;
	err = run(e, ret);
	if (!err && real && ret->outcome == OUTCOME_DONE && ret->helped == 1)
		detect_mend(&e->detect, real, e->now_ns, engine_on_finding, e);
	return err;
}
