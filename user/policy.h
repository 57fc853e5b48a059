/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage policy: findings -> verdicts.
 *
 * Says whether anything may be done about a finding, what, and why or why not,
 * with one reason from one enum.  Pure: mode, rules, budget, the STOP file's
 * presence and the time are arguments.
 */
#ifndef PLIMSOLL_POLICY_H
#define PLIMSOLL_POLICY_H

#include "detect.h"

enum mode { MODE_OBSERVE, MODE_FIX };

enum verdict_kind { VERDICT_OBSERVE, VERDICT_ACT, VERDICT_REFUSE, VERDICT_MAX };

/* One list: enum, printed word and the sentence shown to a person. */
#define REASONS(X)                                                                                 \
	X(RULE, "rule", "a rule names this kind and action")                                       \
	X(OPERATOR, "operator", "an operator asked for it")                                        \
	X(OBSERVE_MODE, "observe-mode", "the mode is observe")                                     \
	X(NO_RULE, "no-rule", "no rule matches")                                                   \
	X(RULE_OBSERVES, "rule-observes", "the rule that matches only observes")                   \
	X(NOT_DUE, "not-due", "the next action of the rule is not due yet")                        \
	X(LADDER_DONE, "ladder-done", "every action of the rule was tried")                        \
	X(NOT_CONFIRMED, "not-confirmed", "the finding is only a suspicion")                       \
	X(STOPPED, "stopped", "repairs are stopped (plimsoll resume lets them go on)")             \
	X(POOL, "pool", "the finding is about a pool, and what can be done is done to a connection") \
	X(UNCERTAIN, "uncertain", "facts about the connection were lost or are not known")         \
	X(SHARED, "shared", "more than one process has the connection open")                       \
	X(HOLDERS_UNKNOWN, "holders-unknown", "who has the connection open is not known")          \
	X(NOT_OWNER, "not-owner", "the process that holds it is not the one that opened it")       \
	X(ENCRYPTED, "encrypted", "the connection is encrypted, nothing can be said on it")        \
	X(UNIX_SOCKET, "unix-socket", "nothing can be done to a connection through a Unix socket") \
	X(WRONG_PROTOCOL, "wrong-protocol", "the action does not exist for this protocol")         \
	X(WRONG_STATE, "wrong-state", "the connection is not in a state the action is for")        \
	X(ALREADY_FAILED, "already-failed", "the transaction has failed already, it holds no locks") \
	X(NOT_RUNNING, "not-running", "the process is stopped, frozen or being debugged")          \
	X(COOL_DOWN, "cool-down", "the connection was acted on a moment ago")                      \
	X(BUDGET_POOL, "budget-pool", "the pool's budget of repairs a minute is spent")            \
	X(BUDGET_ENDPOINT, "budget-endpoint", "the server's budget of repairs a minute is spent")  \
	X(BUDGET_TOTAL, "budget-total", "the host's budget of repairs a minute is spent")          \
	X(BUDGET_SHARE, "budget-share", "too large a share of the pool was repaired already")      \
	X(NO_JOURNAL, "no-journal", "the journal cannot be written")                               \
	X(NOT_ALLOWED, "not-allowed", "the caller may not act on this connection")

enum reason {
#define REASON_ENUM(id, word, sentence) REASON_##id,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
	REASON_MAX
};

/* One rung of a rule: the action's name, and how long after the confirmation. */
struct rung {
	char action[16];
	uint64_t after_ns;
};

#define RULE_RUNGS 8

/* Empty pattern: matches anything.  Patterns are shell-style. */
struct rule {
	char kind[32], comm[32], exe[256], cgroup[256], endpoint[ADDR_TEXT_LEN];
	char database[NAME_LEN], user[NAME_LEN];
	uint32_t pid;		/* 0: any */
	struct rung act[RULE_RUNGS];
	size_t rungs;		/* 0: observe */
};

struct budget {
	uint64_t per_pool, per_pool_ns;		/* 5/min */
	uint64_t per_endpoint, per_endpoint_ns;
	uint64_t total, total_ns;
	uint64_t share_pct;	/* of the pool's open connections, in per_pool_ns */
	uint64_t cool_down_ns;	/* between two acts on one connection */
};

struct policy_conf {
	enum mode mode;
	struct rule *rules;
	size_t rule_count;
	struct budget budget;
	uint64_t version;	/* changes with every reload */
};

void policy_conf_init(struct policy_conf *c);
void policy_conf_done(struct policy_conf *c);

/* What an action can be done to; each action judges it in repair/. */
struct action_face {
	const char *name;
	/* REASON_RULE when the action suits the connection, else why not. */
	enum reason (*suits)(const struct conn *c);
};

/* What policy must know of the world beyond the finding itself. */
struct circumstances {
	bool stopped;			/* the STOP file is there */
	bool process_runs;		/* the owner is not stopped or traced */
	const char *exe, *cgroup;	/* of the owner, "" unknown */
	const struct pool *pool;	/* NULL: unknown */
};

struct verdict {
	enum verdict_kind kind;
	enum reason reason;
	char action[16];	/* "" when no action is meant */
	size_t rung;		/* of the rule; 0 when by hand */
	long rule;		/* index; -1 when by hand or none */
	uint64_t conf_version;
};

/* One act of the past, remembered for budget and ladder. */
struct act {
	uint64_t at_ns;
	uint64_t cookie;
	char finding[FINDING_ID_LEN];
	size_t rung;
	long rule;		/* -1: by hand */
	uint32_t pid, start_ticks;
	struct addr endpoint;
	char user[NAME_LEN], database[NAME_LEN];
};

#define POLICY_ACTS 1024

struct policy {
	struct act acts[POLICY_ACTS];	/* a ring, newest at next-1 */
	size_t next, count;
};

/*
 * The automatic verdict on a finding.  Asked in this order, the first that fails
 * is the reason: stopped, not confirmed, mode, rule, ladder, whether the action
 * suits, holders, owner, uncertain, not running, cool-down, budget of the pool,
 * the endpoint, the host, share of the pool.  `find_action` looks an action up by name
 * (NULL: there is none such).
 */
struct verdict policy_decide(const struct policy *p, const struct policy_conf *conf,
			     const struct finding *f, const struct circumstances *w,
			     const struct action_face *(*find_action)(const char *name),
			     uint64_t now_ns);

/*
 * The verdict on an operator's order: rules and budget do not apply, safety does.
 * `action` NULL: there is none such, or none that suits.
 */
struct verdict policy_order(const struct policy_conf *conf, const struct conn *c,
			    const struct circumstances *w, const struct action_face *action);

/* Remembers that `v` was carried out on `f`. */
void policy_acted(struct policy *p, const struct finding *f, const struct verdict *v,
		  uint64_t now_ns);

const char *mode_name(enum mode m);
const char *verdict_name(enum verdict_kind v);
const char *reason_word(enum reason r);
const char *reason_sentence(enum reason r);

#endif
