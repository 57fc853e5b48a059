// SPDX-License-Identifier: GPL-2.0-or-later
/* Every reason the policy can give, one by one, and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "policy.h"

#define NOW (1000 * NS_PER_S)

static enum reason suits_open_txn(const struct conn *c)
{
	if (c->tls)
		return REASON_ENCRYPTED;
	return c->activity == ACTIVITY_FAILED_TXN ? REASON_ALREADY_FAILED : REASON_RULE;
}

static enum reason suits_all(const struct conn *c)
{
	(void)c;
	return REASON_RULE;
}

static const struct action_face gentle = { "gentle", suits_open_txn };
static const struct action_face hard = { "hard", suits_all };

static const struct action_face *find_action(const char *name)
{
	if (strcmp(name, "gentle") == 0)
		return &gentle;
	return strcmp(name, "hard") == 0 ? &hard : NULL;
}

static const struct detector kind = { .name = "idle-in-txn" };

/* A case in which nothing stands against an act: each test takes one thing away. */
struct world {
	struct policy policy;
	struct policy_conf conf;
	struct rule rules[2];
	struct pool pool;
	struct circumstances w;
	struct finding f;
};

static int setup(void **state)
{
	static struct world x;

	memset(&x, 0, sizeof(x));
	policy_conf_init(&x.conf);
	x.conf.mode = MODE_FIX;
	x.conf.version = 3;
	x.rules[0] = (struct rule){ .act = { { "gentle", 0 } }, .rungs = 1 };
	x.conf.rules = x.rules;
	x.conf.rule_count = 1;
	x.pool.open = 20;
	x.w = (struct circumstances){
		.process_runs = true, .exe = "/usr/bin/app", .cgroup = "/a", .pool = &x.pool
	};
	x.f = (struct finding){
		.id = "f1",
		.detector = &kind,
		.state = FINDING_CONFIRMED,
		.confirmed_ns = NOW,
		.conn = {
			.cookie = 1,
			.pid = 4711,
			.start_ticks = 9,
			.holders = 1,
			.comm = "billing",
			.user = "app",
			.database = "shop",
			.activity = ACTIVITY_IDLE_IN_TXN,
			.remote = { .ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 }, .port = 5432 },
		},
	};
	*state = &x;
	return 0;
}

static struct verdict decide_at(const struct world *x, uint64_t now_ns)
{
	return policy_decide(&x->policy, &x->conf, &x->f, &x->w, find_action, now_ns);
}

static void expect(const struct world *x, uint64_t now_ns, enum verdict_kind k, enum reason reason)
{
	struct verdict v = decide_at(x, now_ns);

	assert_string_equal(reason_word(v.reason), reason_word(reason));
	assert_string_equal(verdict_name(v.kind), verdict_name(k));
}

/* That `n` other connections were acted on at `at_ns`, each like ours but for `change`. */
static void past_acts(struct world *x, size_t n, uint64_t at_ns, void (*change)(struct conn *c))
{
	for (size_t i = 0; i < n; i++) {
		struct finding other = x->f;
		struct verdict v = { .rule = 0 };

		(void)snprintf(other.id, sizeof(other.id), "other");
		other.conn.cookie = 1000 + x->policy.next;
		if (change)
			change(&other.conn);
		policy_acted(&x->policy, &other, &v, at_ns);
	}
}

static void other_pool(struct conn *c)
{
	c->pid = 12;
}

static void other_endpoint(struct conn *c)
{
	c->pid = 12;
	c->remote.port = 5433;
}

static void acts_when_nothing_stands_against_it(void **state)
{
	struct verdict v = decide_at(*state, NOW);

	assert_int_equal(v.kind, VERDICT_ACT);
	assert_int_equal(v.reason, REASON_RULE);
	assert_string_equal(v.action, "gentle");
	assert_int_equal(v.rule, 0);
	assert_int_equal(v.rung, 0);
	assert_int_equal(v.conf_version, 3);
}

/* Everything is wrong at first; each step mends the reason named, and shows the next. */
static void reasons_come_in_order(void **state)
{
	struct world *x = *state;

	x->w.stopped = true;
	x->f.state = FINDING_SUSPECT;
	x->conf.mode = MODE_OBSERVE;
	(void)snprintf(x->rules[0].kind, sizeof(x->rules[0].kind), "held");
	x->rules[0].rungs = 0;
	x->rules[0].act[0].after_ns = 5 * NS_PER_S;
	x->f.conn.activity = ACTIVITY_FAILED_TXN;
	x->f.conn.holders = HOLDERS_UNKNOWN;
	x->f.conn.uncertain = true;
	x->w.process_runs = false;
	past_acts(x, 5, NOW, NULL);
	past_acts(x, 15, NOW, other_pool);
	past_acts(x, 40, NOW, other_endpoint);
	policy_acted(&x->policy, &(struct finding){ .id = "f0", .conn = x->f.conn },
		     &(struct verdict){ .rule = 0 }, NOW);
	x->f.conn.start_ticks = 0;

	expect(x, NOW, VERDICT_REFUSE, REASON_STOPPED);
	x->w.stopped = false;
	expect(x, NOW, VERDICT_OBSERVE, REASON_NOT_CONFIRMED);
	x->f.state = FINDING_CONFIRMED;
	expect(x, NOW, VERDICT_OBSERVE, REASON_OBSERVE_MODE);
	x->conf.mode = MODE_FIX;
	expect(x, NOW, VERDICT_OBSERVE, REASON_NO_RULE);
	x->rules[0].kind[0] = '\0';
	expect(x, NOW, VERDICT_OBSERVE, REASON_RULE_OBSERVES);
	x->rules[0].rungs = 1;
	expect(x, NOW, VERDICT_OBSERVE, REASON_NOT_DUE);
	x->rules[0].act[0].after_ns = 0;
	expect(x, NOW, VERDICT_REFUSE, REASON_ALREADY_FAILED);
	x->f.conn.activity = ACTIVITY_IDLE_IN_TXN;
	expect(x, NOW, VERDICT_REFUSE, REASON_HOLDERS_UNKNOWN);
	x->f.conn.holders = 2;
	expect(x, NOW, VERDICT_REFUSE, REASON_SHARED);
	x->f.conn.holders = 1;
	expect(x, NOW, VERDICT_REFUSE, REASON_NOT_OWNER);
	x->f.conn.start_ticks = 9;
	expect(x, NOW, VERDICT_REFUSE, REASON_UNCERTAIN);
	x->f.conn.uncertain = false;
	expect(x, NOW, VERDICT_REFUSE, REASON_NOT_RUNNING);
	x->w.process_runs = true;
	expect(x, NOW, VERDICT_REFUSE, REASON_COOL_DOWN);
	x->conf.budget.cool_down_ns = 0;
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_POOL);
	x->conf.budget.per_pool = 100;
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_ENDPOINT);
	x->conf.budget.per_endpoint = 100;
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_TOTAL);
	x->conf.budget.total = 100;
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_SHARE);
	x->pool.open = 100;
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
}

static void defaults(void **state)
{
	struct policy_conf c;

	(void)state;
	policy_conf_init(&c);
	assert_int_equal(c.mode, MODE_OBSERVE);
	assert_int_equal(c.rule_count, 0);
	assert_int_equal(c.budget.per_pool, 5);
	assert_int_equal(c.budget.per_endpoint, 20);
	assert_int_equal(c.budget.total, 60);
	assert_int_equal(c.budget.per_pool_ns, 60 * NS_PER_S);
	assert_int_equal(c.budget.share_pct, 10);
	assert_int_equal(c.budget.cool_down_ns, 10 * NS_PER_S);
	policy_conf_done(&c);
}

static void every_part_of_a_rule_must_match(void **state)
{
	static const struct {
		size_t offset;
		const char *yes, *no;
	} rows[] = {
		{ offsetof(struct rule, kind), "idle-*", "held" },
		{ offsetof(struct rule, comm), "bill*", "web*" },
		{ offsetof(struct rule, exe), "/usr/bin/*", "/opt/*" },
		{ offsetof(struct rule, cgroup), "/?", "/b*" },
		{ offsetof(struct rule, endpoint), "10.0.0.2:*", "10.0.0.3:*" },
		{ offsetof(struct rule, database), "shop", "sho" },
		{ offsetof(struct rule, user), "app", "apps" },
	};
	struct world *x = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *pattern = (char *)&x->rules[0] + rows[i].offset;

		strcpy(pattern, rows[i].no);
		expect(x, NOW, VERDICT_OBSERVE, REASON_NO_RULE);
		strcpy(pattern, rows[i].yes);
		expect(x, NOW, VERDICT_ACT, REASON_RULE);
	}
	x->rules[0].pid = 4712;
	expect(x, NOW, VERDICT_OBSERVE, REASON_NO_RULE);
	x->rules[0].pid = 4711;
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
}

/* What is told as another kind because that says more is none the less for it. */
static void a_rule_means_what_is_told_rather_than_its_kind(void **state)
{
	static const struct detector more = { .name = "cancelled", .rather_than = "idle-in-txn" };
	struct world *x = *state;

	x->f.detector = &more;
	strcpy(x->rules[0].kind, "idle-in-txn");
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	strcpy(x->rules[0].kind, "cancelled");
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	strcpy(x->rules[0].kind, "idle-in-txn");
	x->f.conn.activity = ACTIVITY_BUSY;	/* the server works on it still */
	expect(x, NOW, VERDICT_OBSERVE, REASON_NO_RULE);
}

static void unknown_surroundings_match_no_pattern(void **state)
{
	struct world *x = *state;

	strcpy(x->rules[0].exe, "/usr/*");
	x->w.exe = NULL;
	expect(x, NOW, VERDICT_OBSERVE, REASON_NO_RULE);
}

static void the_first_rule_that_matches_wins(void **state)
{
	struct world *x = *state;

	x->rules[1] = x->rules[0];
	x->conf.rule_count = 2;
	x->rules[0].rungs = 0;
	expect(x, NOW, VERDICT_OBSERVE, REASON_RULE_OBSERVES);
	strcpy(x->rules[0].comm, "web");
	assert_int_equal(decide_at(x, NOW).rule, 1);
}

static void ladder(struct world *x)
{
	x->rules[0] = (struct rule){
		.act = { { "gentle", 0 }, { "hard", 30 * NS_PER_S } },
		.rungs = 2,
	};
}

static void the_ladder_climbs_in_time(void **state)
{
	struct world *x = *state;
	struct verdict v;

	ladder(x);
	v = decide_at(x, NOW);
	assert_string_equal(v.action, "gentle");
	policy_acted(&x->policy, &x->f, &v, NOW);
	expect(x, NOW + 30 * NS_PER_S - 1, VERDICT_OBSERVE, REASON_NOT_DUE);
	v = decide_at(x, NOW + 30 * NS_PER_S);
	assert_int_equal(v.kind, VERDICT_ACT);
	assert_string_equal(v.action, "hard");
	assert_int_equal(v.rung, 1);
	policy_acted(&x->policy, &x->f, &v, NOW + 30 * NS_PER_S);
	expect(x, NOW + 600 * NS_PER_S, VERDICT_OBSERVE, REASON_LADDER_DONE);
}

static void a_rung_that_does_not_suit_is_passed_over(void **state)
{
	struct world *x = *state;

	ladder(x);
	x->f.conn.activity = ACTIVITY_FAILED_TXN;
	expect(x, NOW, VERDICT_REFUSE, REASON_ALREADY_FAILED);
	assert_string_equal(decide_at(x, NOW).action, "gentle");
	assert_string_equal(decide_at(x, NOW + 30 * NS_PER_S).action, "hard");
	x->f.conn.activity = ACTIVITY_IDLE_IN_TXN;
	x->f.conn.tls = true;
	expect(x, NOW, VERDICT_REFUSE, REASON_ENCRYPTED);
	expect(x, NOW + 30 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void the_ladder_never_goes_back_down(void **state)
{
	struct world *x = *state;
	struct verdict v;

	ladder(x);
	x->f.conn.activity = ACTIVITY_FAILED_TXN;
	v = decide_at(x, NOW + 30 * NS_PER_S);
	policy_acted(&x->policy, &x->f, &v, NOW + 30 * NS_PER_S);
	x->f.conn.activity = ACTIVITY_IDLE_IN_TXN;
	expect(x, NOW + 300 * NS_PER_S, VERDICT_OBSERVE, REASON_LADDER_DONE);
}

static void another_finding_has_its_own_ladder(void **state)
{
	struct world *x = *state;
	struct verdict v = decide_at(x, NOW);

	policy_acted(&x->policy, &x->f, &v, NOW);
	strcpy(x->f.id, "f2");
	expect(x, NOW + 10 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void an_order_is_no_rung(void **state)
{
	struct world *x = *state;
	struct verdict v = policy_order(&x->conf, &x->f.conn, &x->w, &gentle);

	assert_int_equal(v.rule, -1);
	policy_acted(&x->policy, &x->f, &v, NOW);
	expect(x, NOW + 5 * NS_PER_S, VERDICT_REFUSE, REASON_COOL_DOWN);
	expect(x, NOW + 10 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void an_action_nobody_has_is_refused(void **state)
{
	struct world *x = *state;

	strcpy(x->rules[0].act[0].action, "pray");
	expect(x, NOW, VERDICT_REFUSE, REASON_WRONG_PROTOCOL);
}

static void the_budget_is_a_sliding_window(void **state)
{
	struct world *x = *state;

	x->pool.open = 1000;
	past_acts(x, 4, NOW, NULL);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	past_acts(x, 1, NOW + 20 * NS_PER_S, NULL);
	expect(x, NOW + 20 * NS_PER_S, VERDICT_REFUSE, REASON_BUDGET_POOL);
	expect(x, NOW + 60 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void budgets_count_only_what_they_are_for(void **state)
{
	struct world *x = *state;

	past_acts(x, 19, NOW, other_pool);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	past_acts(x, 40, NOW, other_endpoint);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	past_acts(x, 1, NOW, other_endpoint);
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_TOTAL);
}

static void the_share_is_at_least_one(void **state)
{
	struct world *x = *state;

	x->pool.open = 1;
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	x->conf.budget.share_pct = 0;
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	past_acts(x, 1, NOW, NULL);
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_SHARE);
	x->w.pool = NULL;
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_SHARE);
	expect(x, NOW + 60 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void the_share_is_rounded_down(void **state)
{
	struct world *x = *state;

	x->pool.open = 29;
	past_acts(x, 1, NOW, NULL);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
	past_acts(x, 1, NOW, NULL);
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_SHARE);
}

static void the_share_is_of_connections_not_of_acts(void **state)
{
	struct world *x = *state;
	struct verdict v;

	ladder(x);
	x->pool.open = 1;
	v = decide_at(x, NOW);
	policy_acted(&x->policy, &x->f, &v, NOW);
	expect(x, NOW + 30 * NS_PER_S, VERDICT_ACT, REASON_RULE);
}

static void the_share_counts_a_connection_once(void **state)
{
	struct world *x = *state;
	struct finding other = x->f;
	struct verdict v = { .rule = 0 };

	x->pool.open = 20;
	strcpy(other.id, "other");
	other.conn.cookie = 77;
	policy_acted(&x->policy, &other, &v, NOW);
	policy_acted(&x->policy, &other, &v, NOW);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
}

static void what_is_about_a_pool_is_not_acted_on(void **state)
{
	struct world *x = *state;
	struct verdict v;

	x->f.conn.cookie = 0;
	expect(x, NOW, VERDICT_REFUSE, REASON_POOL);
	v = policy_order(&x->conf, &x->f.conn, &x->w, &hard);
	assert_int_equal(v.kind, VERDICT_REFUSE);
	assert_int_equal(v.reason, REASON_POOL);
}

static void later_process(struct conn *c)
{
	c->start_ticks++;
}

static void another_process_of_the_same_pid_is_another_pool(void **state)
{
	struct world *x = *state;

	past_acts(x, 10, NOW, later_process);
	expect(x, NOW, VERDICT_ACT, REASON_RULE);
}

static void a_limit_beyond_memory_still_limits(void **state)
{
	struct world *x = *state;

	x->conf.budget.total = 1000000;
	past_acts(x, POLICY_ACTS + 10, NOW, other_endpoint);
	expect(x, NOW, VERDICT_REFUSE, REASON_BUDGET_TOTAL);
}

static void an_order_asks_for_safety_alone(void **state)
{
	struct world *x = *state;
	struct verdict v;

	x->conf.mode = MODE_OBSERVE;
	x->conf.rule_count = 0;
	past_acts(x, 60, NOW, NULL);
	v = policy_order(&x->conf, &x->f.conn, &x->w, &hard);
	assert_int_equal(v.kind, VERDICT_ACT);
	assert_int_equal(v.reason, REASON_OPERATOR);
	assert_string_equal(v.action, "hard");
	assert_int_equal(v.rule, -1);
}

static void order_is(const struct world *x, const struct action_face *a, enum reason reason)
{
	struct verdict v = policy_order(&x->conf, &x->f.conn, &x->w, a);

	assert_string_equal(reason_word(v.reason), reason_word(reason));
	assert_int_equal(v.kind, reason == REASON_OPERATOR ? VERDICT_ACT : VERDICT_REFUSE);
}

static void an_order_is_refused_in_the_same_order(void **state)
{
	struct world *x = *state;

	x->w.stopped = true;
	x->f.conn.tls = true;
	x->f.conn.holders = HOLDERS_UNKNOWN;
	x->f.conn.pid = 0;
	x->f.conn.uncertain = true;
	x->w.process_runs = false;
	order_is(x, &gentle, REASON_STOPPED);
	x->w.stopped = false;
	order_is(x, NULL, REASON_WRONG_PROTOCOL);
	order_is(x, &gentle, REASON_ENCRYPTED);
	order_is(x, &hard, REASON_HOLDERS_UNKNOWN);
	x->f.conn.holders = 3;
	order_is(x, &hard, REASON_SHARED);
	x->f.conn.holders = 1;
	order_is(x, &hard, REASON_NOT_OWNER);
	x->f.conn.pid = 4711;
	order_is(x, &hard, REASON_UNCERTAIN);
	x->f.conn.uncertain = false;
	order_is(x, &hard, REASON_NOT_RUNNING);
	x->w.process_runs = true;
	order_is(x, &hard, REASON_OPERATOR);
}

static void every_reason_has_a_word_and_a_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_MAX; i++) {
		assert_true(*reason_word((enum reason)i));
		assert_true(*reason_sentence((enum reason)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(reason_word((enum reason)i),
						reason_word((enum reason)j));
	}
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(acts_when_nothing_stands_against_it),
		TEST(reasons_come_in_order),
		TEST(defaults),
		TEST(every_part_of_a_rule_must_match),
		TEST(a_rule_means_what_is_told_rather_than_its_kind),
		TEST(unknown_surroundings_match_no_pattern),
		TEST(the_first_rule_that_matches_wins),
		TEST(the_ladder_climbs_in_time),
		TEST(a_rung_that_does_not_suit_is_passed_over),
		TEST(the_ladder_never_goes_back_down),
		TEST(another_finding_has_its_own_ladder),
		TEST(an_order_is_no_rung),
		TEST(an_action_nobody_has_is_refused),
		TEST(the_budget_is_a_sliding_window),
		TEST(budgets_count_only_what_they_are_for),
		TEST(the_share_is_at_least_one),
		TEST(the_share_is_rounded_down),
		TEST(the_share_is_of_connections_not_of_acts),
		TEST(the_share_counts_a_connection_once),
		TEST(another_process_of_the_same_pid_is_another_pool),
		TEST(a_limit_beyond_memory_still_limits),
		TEST(an_order_asks_for_safety_alone),
		TEST(an_order_is_refused_in_the_same_order),
		TEST(every_reason_has_a_word_and_a_sentence),
		TEST(what_is_about_a_pool_is_not_acted_on),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
