// SPDX-License-Identifier: GPL-2.0-or-later
#include "fixture.h"

static const struct caller root = { .role = ROLE_ALL };

static json_t *must(struct engine *e, const struct caller *who, const char *method, json_t *params)
{
	json_t *doc = NULL;

	assert_int_equal(ask(e, who, method, params, &doc), EXIT_OK);
	assert_int_equal(json_integer_value(json_object_get(doc, "schema")), 1);
	json_decref(params);
	return doc;
}

static size_t rows(json_t *doc, const char *name)
{
	assert_true(json_is_array(json_object_get(doc, name)));
	return json_array_size(json_object_get(doc, name));
}

static size_t count(struct engine *e, const struct caller *who, const char *method,
		    const char *name, json_t *params)
{
	json_t *doc = must(e, who, method, params);
	size_t n = rows(doc, name);

	json_decref(doc);
	return n;
}

/* What it fails with, and a piece of what it says. */
static void fails(struct engine *e, const struct caller *who, const char *method, json_t *params,
		  enum exit_code code, const char *says)
{
	json_t *doc = NULL;
	const char *message;

	assert_int_equal(ask(e, who, method, params, &doc), code);
	message = json_string_value(json_object_get(doc, "message"));
	assert_non_null(message);
	if (!strstr(message, says))
		fail_msg("'%s' is not in '%s'", says, message);
	json_decref(doc);
	json_decref(params);
}

static void has_keys(json_t *row, const char *keys)
{
	char copy[512], *save, *key;

	(void)snprintf(copy, sizeof(copy), "%s", keys);
	for (key = strtok_r(copy, " ", &save); key; key = strtok_r(NULL, " ", &save)) {
		if (!json_object_get(row, key))
			fail_msg("no key '%s'", key);
	}
}

static void knows_every_key(void **state)
{
	struct engine e;
	json_t *doc, *row;

	(void)state;
	fixture_open(&e);
	(void)fixture_conn(&e, 0, 1000, 'T');
	fixture_detect(&e);
	doc = must(&e, &root, "Conns", NULL);
	row = json_array_get(json_object_get(doc, "conns"), 0);
	has_keys(row, "id pid comm cgroup protocol local remote user database backend_pid stage "
		      "activity opened_at age_s age_is_lower_bound quiet_s txn_s queries rtt_us "
		      "rtt_var_ms2 jitter_rate sql sql_note trace_id language goroutine thread stack "
		      "stack_at netns findings container_id unit");
	assert_string_equal(json_string_value(json_object_get(row, "id")), "cab12.100");
	assert_string_equal(json_string_value(json_object_get(row, "remote")), "127.0.0.1:5432");
	assert_int_equal(json_array_size(json_object_get(row, "findings")), 1);
	/* Never said, hence not known. */
	assert_true(json_is_null(json_object_get(row, "user")));
	assert_true(json_is_null(json_object_get(row, "rtt_us")));
	assert_true(json_is_null(json_object_get(row, "rtt_var_ms2")));
	assert_true(json_is_null(json_object_get(row, "backend_pid")));
	assert_true(json_is_null(json_object_get(row, "holders")));
	json_decref(doc);
	doc = must(&e, &root, "Pools", NULL);
	row = json_array_get(json_object_get(doc, "pools"), 0);
	has_keys(row, "pid comm endpoint protocol database user open in_use idle in_txn wait_count "
		      "wait_s level watermark gear rtt_us rtt_var_ms2 jitter_rate decay_factor "
		      "findings");
	assert_int_equal(json_array_size(json_object_get(row, "findings")), 1);
	json_decref(doc);
	doc = must(&e, &root, "Leaks", NULL);
	row = json_array_get(json_object_get(doc, "leaks"), 0);
	has_keys(row, "id kind conn pid comm state since_s confidence evidence sql trace_id "
		      "goroutine stack endpoint database user");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "confirmed");
	json_decref(doc);
	fixture_close(&e);
}

static void filters_choose(void **state)
{
	struct engine e;

	(void)state;
	fixture_open(&e);
	(void)fixture_conn(&e, 0, 1000, 'I');
	(void)fixture_conn(&e, 1, 1000, 'T');
	(void)fixture_conn(&e, 2, 1001, 'I');
	fixture_detect(&e);
	assert_int_equal(count(&e, &root, "Conns", "conns", NULL), 3);
	assert_int_equal(count(&e, &root, "Conns", "conns", json_pack("{s:i}", "pid", 101)), 1);
	assert_int_equal(count(&e, &root, "Conns", "conns", json_pack("{s:s}", "comm", "app*")), 3);
	assert_int_equal(count(&e, &root, "Conns", "conns", json_pack("{s:s}", "comm", "app")), 0);
	assert_int_equal(count(&e, &root, "Conns", "conns", json_pack("{s:b}", "leaked", 1)), 1);
	assert_int_equal(count(&e, &root, "Pools", "pools", json_pack("{s:b}", "leaked", 1)), 1);
	assert_int_equal(count(&e, &root, "Pools", "pools", NULL), 3);
	assert_int_equal(count(&e, &root, "Conns", "conns",
			       json_pack("{s:s}", "endpoint", "127.0.0.1:5432")), 3);
	assert_int_equal(count(&e, &root, "Conns", "conns",
			       json_pack("{s:s}", "endpoint", "127.0.0.1:5433")), 0);
	assert_int_equal(count(&e, &root, "Leaks", "leaks",
			       json_pack("{s:s}", "kind", "idle-in-txn")), 1);
	assert_int_equal(count(&e, &root, "Leaks", "leaks", json_pack("{s:i}", "pid", 100)), 0);
	fixture_close(&e);
}

static void names_what_was_wrong(void **state)
{
	struct engine e;

	(void)state;
	fixture_open(&e);
	fails(&e, &root, "Dance", NULL, EXIT_USAGE, "unknown method 'Dance'");
	fails(&e, &root, "Conns", json_array(), EXIT_USAGE, "must be an object");
	fails(&e, &root, "Conns", json_pack("{s:s}", "colour", "red"), EXIT_USAGE,
	      "unknown filter 'colour'; there are: pid comm");
	fails(&e, &root, "Conns", json_pack("{s:s}", "pid", "abc"), EXIT_USAGE, "pid");
	fails(&e, &root, "Conns", json_pack("{s:i}", "pid", -3), EXIT_USAGE, "pid");
	fails(&e, &root, "Conns", json_pack("{s:i}", "comm", 3), EXIT_USAGE, "comm");
	fails(&e, &root, "Conns", json_pack("{s:s}", "endpoint", "nowhere"), EXIT_USAGE, "IP:PORT");
	fails(&e, &root, "Leaks", json_pack("{s:s}", "kind", "sad"), EXIT_USAGE, "no kind 'sad'");
	fails(&e, &root, "Show", NULL, EXIT_USAGE, "id");
	fails(&e, &root, "Show", json_pack("{s:s}", "id", "c0000.9"), EXIT_NOTHING, "'c0000.9'");
	fails(&e, &root, "Fix", json_pack("{s:s, s:i}", "id", "x", "yes", 1), EXIT_USAGE, "yes");
	fails(&e, &root, "Fix", json_pack("{s:s, s:s}", "id", "x", "with", "love"), EXIT_USAGE,
	      "no action 'love'");
	fails(&e, &root, "Status", json_pack("{s:i}", "x", 1), EXIT_USAGE, "unknown parameter 'x'");
	fails(&e, &root, "Journal", json_pack("{s:s}", "since_s", "1"), EXIT_USAGE, "since_s");
	fails(&e, &root, "Journal", json_pack("{s:f}", "since_s", -1.0), EXIT_USAGE, "since_s");
	fails(&e, &root, "Journal", NULL, EXIT_FAIL, "no journal");
	fixture_close(&e);
}

static void roles_narrow(void **state)
{
	static const struct caller own = { .role = ROLE_OWN, .uid = 1000 };
	static const struct caller reader = { .role = ROLE_READ, .uid = 1000 };
	static const struct caller none = { .role = ROLE_NONE, .uid = 1000 };
	struct engine e;
	struct conn *theirs;

	(void)state;
	fixture_open(&e);
	(void)fixture_conn(&e, 0, 1000, 'T');
	theirs = fixture_conn(&e, 1, 1001, 'T');
	fixture_detect(&e);
	assert_int_equal(count(&e, &own, "Conns", "conns", NULL), 1);
	assert_int_equal(count(&e, &own, "Pools", "pools", NULL), 1);
	assert_int_equal(count(&e, &own, "Leaks", "leaks", NULL), 1);
	assert_int_equal(count(&e, &reader, "Conns", "conns", NULL), 2);
	assert_int_equal(count(&e, &reader, "Leaks", "leaks", NULL), 2);
	assert_int_equal(count(&e, &own, "Show", "show", json_pack("{s:s}", "id", "cab12.100")), 1);
	fails(&e, &own, "Show", json_pack("{s:s}", "id", theirs->id), EXIT_NOTHING, theirs->id);
	fails(&e, &own, "Fix", json_pack("{s:s}", "id", theirs->id), EXIT_REFUSED,
	      "may not act on this connection");
	fails(&e, &own, "Stop", NULL, EXIT_PERMISSION, "uid 1000");
	fails(&e, &reader, "Fix", json_pack("{s:s}", "id", theirs->id), EXIT_PERMISSION,
	      "uid 1000");
	fails(&e, &reader, "Resume", NULL, EXIT_PERMISSION, "uid 1000");
	fails(&e, &none, "Conns", NULL, EXIT_PERMISSION, "uid 1000");
	fixture_close(&e);
}

static void shows_by_either_id(void **state)
{
	struct engine e;
	json_t *doc, *card;
	const struct finding *f;

	(void)state;
	fixture_open(&e);
	(void)fixture_conn(&e, 0, 1000, 'T');
	fixture_detect(&e);
	f = detect_find(&e.detect, "cab12.100");
	assert_non_null(f);
	doc = must(&e, &root, "Show", json_pack("{s:s}", "id", f->id));
	card = json_array_get(json_object_get(doc, "show"), 0);
	assert_string_equal(json_string_value(json_object_get(card, "id")), "cab12.100");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(card, "findings"), 0), "id")),
			    f->id);
	assert_int_equal(json_integer_value(
				 json_object_get(json_object_get(card, "pool"), "open")), 1);
	assert_true(json_is_null(json_object_get(card, "repairs")));
	json_decref(doc);
	fixture_close(&e);
}

/* Text that a process chose never reaches a terminal as it is. */
static void escapes_text(void **state)
{
	struct engine e;
	struct conn *c;
	json_t *doc;
	const char *user;

	(void)state;
	fixture_open(&e);
	c = fixture_conn(&e, 0, 1000, 'I');
	(void)snprintf(c->user, sizeof(c->user), "a\033[31m\xff");
	doc = must(&e, &root, "Conns", NULL);
	user = json_string_value(json_object_get(json_array_get(json_object_get(doc, "conns"), 0),
						 "user"));
	assert_string_equal(user, "a\\x1b[31m\\xff");
	json_decref(doc);
	fixture_close(&e);
}

static void counts_for_status(void **state)
{
	struct engine e;
	json_t *doc, *row, *score;
	size_t i;

	(void)state;
	fixture_open(&e);
	(void)fixture_conn(&e, 0, 1000, 'T');
	(void)fixture_conn(&e, 1, 1000, 'I');
	fixture_detect(&e);
	doc = must(&e, &root, "Status", NULL);
	row = json_array_get(json_object_get(doc, "status"), 0);
	has_keys(row, "mode stopped uptime_s connections pools findings regrets detectors repairs counters "
		      "journal version kernel");
	assert_int_equal(json_integer_value(json_object_get(row, "connections")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "findings"),
							    "confirmed")), 1);
	assert_string_equal(json_string_value(json_object_get(row, "mode")), "observe");
	json_array_foreach(json_object_get(row, "detectors"), i, score) {
		bool it = strcmp(json_string_value(json_object_get(score, "kind")),
				 "idle-in-txn") == 0;

		assert_int_equal(json_integer_value(json_object_get(score, "confirmed")), it);
		assert_int_equal(json_integer_value(json_object_get(score, "regrets")), 0);
	}
	assert_true(i > 1);
	json_decref(doc);
	doc = must(&e, &root, "Doctor", NULL);
	assert_int_equal(rows(doc, "doctor"), 1);
	json_decref(doc);
	fixture_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_every_key),	cmocka_unit_test(filters_choose),
		cmocka_unit_test(names_what_was_wrong), cmocka_unit_test(roles_narrow),
		cmocka_unit_test(shows_by_either_id),	cmocka_unit_test(escapes_text),
		cmocka_unit_test(counts_for_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
