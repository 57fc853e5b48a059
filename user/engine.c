// SPDX-License-Identifier: GPL-2.0-or-later
/* One turn of the whole path is engine_tick(): read it first. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "culprits.h"
#include "engine.h"
#include "events.h"
#include "gopools.h"
#include "libraries.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/sockdiag.h"
#include "pauses.h"

#define HOLDERS_EVERY_NS (25 * NS_PER_S)	/* who holds what: within twice the grace of `shared` */
#define HOLDERS_SOON_NS	 NS_PER_S		/* when somebody's holders are not known */
#define HOLDERS_ASAP_NS	 (100 * NS_PER_MS)	/* when a finding waits for it */
#define QUEUES_EVERY_NS	 NS_PER_S		/* what lies in queues, where that is quickly seen, */
#define QUEUES_SHARE	 2500			/* and else such a part of the time at most, */
#define QUEUES_SHARE_FOUND 500			/* or this while something lies there */
#define CLOCK_EVERY_NS	 (5 * NS_PER_S)		/* how far jiffies may drift: microseconds */
#define VERDICT_EVERY_NS NS_PER_S		/* on a finding that may still be mended */
#define STOP_FILE	 "STOP"

/* ---- event -> conn */

/*
 * Between two looks: names, since only few could wait for the next; and the level of the
 * pool, since a pool that runs full must not.
 */
static void on_record(const struct rec_hdr *rec, size_t len, void *arg)
{
	bool opened = rec->type == REC_STARTUP || rec->type == REC_OPAQUE ||
		      rec->type == REC_PATH || rec->type == REC_DATABASE;
	struct engine *e = arg;
	struct conn *c;
	struct slot s;

	if (rec->type == REC_GO_HANDLE && len >= sizeof(struct rec_go_handle) && e->gopools)
		gopools_found(e->gopools, (const struct rec_go_handle *)rec);
	if (opened && events_slot(e->events, rec->slot, &s))
		(void)conns_apply_slot(&e->conns, rec->slot, &s);
	c = conns_find_cookie(&e->conns, rec->cookie);
	if (c && rec->type == REC_CLOSED)
		levels_closed(&e->levels, c);
	conns_apply_record(&e->conns, rec, len);
	if (rec->type == REC_OPAQUE && e->libraries)	/* its first statement is not far */
		libraries_step(e->libraries, &e->conns, clock_now_ns());
	if (c && opened)
		levels_opened(&e->levels, c, rec->ts_ns, clock_now_ns());
}

static void on_holder(const struct holder *h, void *arg)
{
	struct engine *e = arg;

	conns_apply_holder(&e->conns, h);
}

static void read_slots(struct engine *e)
{
	uint32_t high = events_high(e->events);
	struct slot s;

	for (uint32_t i = 0; i < high; i++)
		if (events_slot(e->events, i, &s))
			(void)conns_apply_slot(&e->conns, i, &s);
	conns_guess_protocols(&e->conns);
}

static void count_holders(struct engine *e)
{
	e->holders_ns = e->now_ns;
	conns_holders_begin(&e->conns);
	(void)events_holders(e->events, 0, on_holder, e);
	conns_holders_end(&e->conns);
}

/* Soon when somebody's are not known, at once when he is under suspicion. */
static void count_holders_when_due(struct engine *e)
{
	uint64_t every_ns = HOLDERS_EVERY_NS;

	conns_for_each(&e->conns, c)
		if (conn_is_listed(c) && c->holders == HOLDERS_UNKNOWN)
			every_ns = HOLDERS_SOON_NS;
	findings_for_each(&e->detect, f)
		if (f->conn.holders == HOLDERS_UNKNOWN)
			every_ns = HOLDERS_ASAP_NS;
	if (elapsed_ns(e->holders_ns, e->now_ns) >= every_ns)
		count_holders(e);
}

static void on_queues(const struct queues *q, void *arg)
{
	struct engine *e = arg;

	conns_apply_queues(&e->conns, q, e->now_ns);
}

/* Rarely where it takes long, but soon again when it found something. */
static void walk_queues_when_due(struct engine *e)
{
	uint64_t since_ns, pause_ns;

	if (e->now_ns < e->queues_ns)
		return;
	since_ns = clock_cpu_ns();
	conns_queues_begin(&e->conns, e->now_ns);
	if (!events_queues(e->events, on_queues, e))
		conns_queues_end(&e->conns);
	pause_ns = elapsed_ns(since_ns, clock_cpu_ns()) *
		   (e->conns.viewed ? QUEUES_SHARE_FOUND : QUEUES_SHARE);
	e->queues_ns = e->now_ns + (pause_ns > QUEUES_EVERY_NS ? pause_ns : QUEUES_EVERY_NS);
}

/* ---- detect */

static void tell(struct engine *e, enum notice what, const void *record)
{
	if (e->notice)
		e->notice(what, record, e->notice_arg);
}

static void on_shift(const struct pool *p, unsigned int from, uint64_t fact_ns, void *arg)
{
	const struct gear_change change = { p, from, fact_ns, clock_now_ns() };

	tell(arg, NOTICE_GEAR, &change);
}

static void on_finding(const struct finding *f, void *arg)
{
	struct engine *e = arg;

	if (e->journal)
		(void)journal_finding(e->journal, f);
	tell(e, NOTICE_FINDING, f);
}

static struct sock_name name_of(const struct conn *c)
{
	return (struct sock_name){
		.local = c->local,
		.remote = c->remote,
		.cookie = c->cookie,
		.netns = c->netns,
		.pid = c->pid,
	};
}

static const char *const known_words[] = {
	[STATEMENT_UNSEEN] = "prepared earlier, its text is not known",
	[STATEMENT_CALL] = "a function called by its number, no statement",
};

void engine_shape(const struct engine *e, const struct conn *c, enum statement_which which,
		  struct shape *ret)
{
	struct statement_text raw;
	enum statement_known known;

	*ret = (struct shape){ 0 };
	if (!e->events || !c->protocol || (!c->txn_ns && !c->tls))
		return;
	known = events_statement(e->events, c->slot, c->gen, which, &raw);
	ret->note = known_words[known];
	if (known != STATEMENT_TEXT)
		return;
	(void)sql_redact(c->protocol->dialect, raw.bytes, raw.len, raw.cut, ret->sql,
			 sizeof(ret->sql));
	if (!raw.cut)	/* where it is cut, what looks like its end is not */
		(void)sql_trace_id(raw.bytes, raw.len, ret->trace_id);
	explicit_bzero(&raw, sizeof(raw));
}

/* A Unix socket counts no bytes; that both its queues are empty is what it can say. */
static int ask_socket(const struct engine *e, const struct conn *c, struct sock_facts *ret)
{
	struct sock_name name = name_of(c);
	struct unix_question q;
	int r;

	if (!conn_is_unix(c))
		return sockdiag_ask(&name, ret);
	r = events_ask_unix(e->events, c->cookie, &q);
	if (r)
		return r;
	*ret = (struct sock_facts){
		.tcp_state = q.server_gone ? TCP_CLOSE_WAIT : TCP_ESTABLISHED,
		.unread = q.unread,
		.unacked = q.unacked,
		.bytes_received = c->rx_bytes,
		.bytes_acked = c->tx_bytes,
	};
	return 0;
}

/*
 * The second source: what the kernel's socket says of itself must agree with what
 * the wire told us, to the byte.  Only then may a suspicion be confirmed.
 */
static void check_suspect(const struct engine *e, struct finding *f)
{
	struct sock_facts facts;
	int r;

	/* Its silence may be no fault of its: it stays a suspect until that is known. */
	if (f->conn.pid && pauses_is_stopped(f->conn.pid, f->conn.start_ticks))
		return;
	r = ask_socket(e, &f->conn, &facts);
	f->checked = !r && finding_is_borne_out(f, &facts);
	f->denied = !f->checked;
	engine_shape(e, &f->conn, STATEMENT_LAST, &f->shape);
}

/* ---- policy -> repair -> journal */

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

static struct repair_world world_of(struct engine *e)
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
	const struct repair_world world = world_of(e);
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
	tell(e, NOTICE_REPAIR, r);
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

static void decide(struct engine *e, struct finding *f)
{
	struct surroundings around;
	struct verdict v;
	struct repair r;
	int err;

	f->decided_ns = e->now_ns;
	f->decided_version = e->config.policy.version;
	look_around(e, &f->conn, &around);
	v = policy_decide(&e->policy, &e->config.policy, f, &around.w, action_face_find, e->now_ns);
	if (v.kind == VERDICT_ACT && !e->journal) {
		v.kind = VERDICT_REFUSE;
		v.reason = REASON_NO_JOURNAL;
	}
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
		detect_mend(&e->detect, f, e->now_ns, on_finding, e);
}

/* ---- the path */

/*
 * A verdict looks at the owner in /proc, and of findings there may be thousands.  What is
 * only observed stays so until the rules change.
 */
static bool verdict_is_due(const struct engine *e, const struct finding *f)
{
	if (!f->decided_ns || f->decided_version != e->config.policy.version)
		return true;
	return e->config.policy.mode == MODE_FIX &&
	       elapsed_ns(f->decided_ns, e->now_ns) >= VERDICT_EVERY_NS;
}

/* detect -> policy -> repair */
static void judge(struct engine *e)
{
	detect_run(&e->detect, &e->config.detect, &e->conns, &e->levels, e->now_ns, on_finding, e);
	findings_for_each(&e->detect, f) {
		if (e->culprits)
			culprits_want(e->culprits, f);
		if (f->state == FINDING_SUSPECT && !f->checked)
			check_suspect(e, f);
		else if (f->state == FINDING_CONFIRMED && verdict_is_due(e, f))
			decide(e, f);
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
	read_slots(e);
	walk_queues_when_due(e);
	count_holders_when_due(e);
	turns_step(&e->turns, e->events, &e->conns, now_ns);
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

/* ---- an operator's order */

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
	count_holders(e);
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

	if (err)
		return err;
	if (!action)
		a = action_gentlest(&target.conn);
	if (!action && !real && a && a->harm > 1)
		a = NULL;	/* nothing is known to be wrong: harm has to be named */
	look_around(e, &target.conn, &around);
	v = policy_order(&e->config.policy, &target.conn, &around.w, a ? &a->face : NULL);
	if (v.kind == VERDICT_ACT && !dry && !e->journal) {
		v.kind = VERDICT_REFUSE;
		v.reason = REASON_NO_JOURNAL;
	}
	repair_plan(ret, &target, &v, dry ? 0 : e->now_ns + ++e->orders);
	ret->mode = e->config.policy.mode;
	if (v.kind != VERDICT_ACT)
		return -EPERM;
	if (dry)
		return 0;
	err = run(e, ret);
	if (!err && real && ret->outcome == OUTCOME_DONE && ret->helped == 1)
		detect_mend(&e->detect, real, e->now_ns, on_finding, e);
	return err;
}

/* ---- the STOP file */

static int state_path(const struct engine *e, const char *file, char *out, size_t size)
{
	if (!e->state_dir)
		return -ENOENT;
	return snprintf(out, size, "%s/%s", e->state_dir, file) < (int)size ? 0 : -ENAMETOOLONG;
}

bool engine_is_stopped(const struct engine *e)
{
	char path[512];

	return !state_path(e, STOP_FILE, path, sizeof(path)) && !access(path, F_OK);
}

int engine_set_stopped(struct engine *e, bool stopped)
{
	char path[512];
	int r = state_path(e, STOP_FILE, path, sizeof(path));
	_close_ int fd = -1;

	if (r)
		return r;
	if (!stopped)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : 0;
}

/* ---- begin and end */

#define ENDED_BEFORE "the observer had ended before the outcome; the connection is "

/* What a repair of a former life came to, as far as the world still shows it. */
static void settle(json_t *repair, void *arg)
{
	struct engine *e = arg;
	const char *id = json_string_value(json_object_get(repair, "id"));
	json_t *pre = json_object_get(repair, "precondition");
	uint64_t cookie = (uint64_t)json_integer_value(json_object_get(pre, "cookie"));
	const struct repair_world world = world_of(e);
	const struct conn *c = conns_find_cookie(&e->conns, cookie);
	const char *found = c ? ENDED_BEFORE "open" : ENDED_BEFORE "gone";

	if (c && repair_undo(cookie, &world))
		found = ENDED_BEFORE "cut: it was being kept from its owner";
	if (id)
		(void)journal_settle(e->journal, id, OUTCOME_INTERRUPTED, found);
}

static int open_journal(struct engine *e)
{
	int r;

	if (!e->state_dir)
		return 0;
	r = journal_open(e->state_dir, &e->journal);
	if (r)
		return r;
	return journal_unresolved(e->journal, settle, e);
}

static bool action_known(const char *name)
{
	return action_find(name) != NULL;
}

/* The configuration as it should be now: the file's, under the command line's mode. */
static int load_config(const struct engine *e, struct config *ret, char *why, size_t why_size)
{
	int r = e->config_path ? config_load(e->config_path, action_known, ret, why, why_size)
			       : config_init(ret);

	if (!r && e->forced_mode >= 0)
		ret->policy.mode = (enum mode)e->forced_mode;
	return r;
}

static int configure(struct engine *e, const struct engine_options *opt)
{
	char why[512] = "";
	int r;

	e->forced_mode = opt->mode;
	e->config_path = opt->config_path;
	if (!e->config_path && !access(CONFIG_PATH, F_OK))
		e->config_path = CONFIG_PATH;
	r = load_config(e, &e->config, why, sizeof(why));
	if (r)
		(void)log_err(0, "%s", *why ? why : strerror(-r));
	return r ? -EINVAL : 0;
}

static void use_limits(struct engine *e)
{
	e->levels.limits = e->config.limits;
	e->levels.limit_count = e->config.limit_count;
}

static int open_stages(struct engine *e)
{
	uint32_t capacity = (uint32_t)e->config.connections;
	int r = conns_init(&e->conns, capacity, proc_boot_tag());

	if (!r)
		r = levels_init(&e->levels, capacity);
	if (!r)
		r = detect_init(&e->detect, capacity);
	if (!r)
		r = pauses_new(&e->pauses);
	e->levels.shifted = on_shift;
	e->levels.shifted_arg = e;
	use_limits(e);
	return r;
}

static int open_events(struct engine *e)
{
	const struct events_options opt = {
		.slots = (uint32_t)e->config.connections,
		.statement_bytes = (uint32_t)e->config.evidence.statement_bytes,
		.tier = (enum evidence_tier)e->config.evidence.tier,
	};

	int r = events_open(&e->events, &opt, on_record, e);

	if (!r)
		r = culprits_new(e->events, opt.tier, &e->culprits);
	if (!r && opt.tier != TIER_OFF)
		r = libraries_new(e->events, e->config.evidence.handles, &e->libraries);
	if (!r)
		r = gopools_new(e->events, &e->conns, &e->gopools);
	return r;
}

int engine_open(struct engine *e, const struct engine_options *opt)
{
	int r;

	*e = (struct engine){ .state_dir = opt->state_dir, .started_ns = clock_now_ns() };
	r = configure(e, opt);
	if (!r)
		r = open_stages(e);
	if (!r)
		r = open_events(e);
	if (!r) {
		(void)events_adopt(e->events);
		e->now_ns = clock_now_ns();
		read_slots(e);
		count_holders(e);
		conns_guess_protocols(&e->conns);
		r = open_journal(e);
	}
	if (r)
		engine_close(e);
	return r;
}

void engine_close(struct engine *e)
{
	journal_close(e->journal);
	e->journal = NULL;
	culprits_free(e->culprits);
	e->culprits = NULL;
	libraries_free(e->libraries);
	e->libraries = NULL;
	gopools_free(e->gopools);
	e->gopools = NULL;
	events_close(e->events);
	e->events = NULL;
	pauses_free(e->pauses);
	e->pauses = NULL;
	detect_done(&e->detect);
	levels_done(&e->levels);
	conns_done(&e->conns);
	config_done(&e->config);
}

int engine_reload(struct engine *e, char *why, size_t why_size)
{
	struct config fresh;
	int r = load_config(e, &fresh, why, why_size);

	if (r)
		return r;
	fresh.policy.version = e->config.policy.version + 1;
	if (fresh.connections != e->config.connections) {
		(void)log_warn(0, "connections: a new table size takes effect at the next start");
		fresh.connections = e->config.connections;
	}
	config_done(&e->config);
	e->config = fresh;
	use_limits(e);
	return 0;
}
