// SPDX-License-Identifier: GPL-2.0-or-later
/* What the journal keeps, across crashes, and what it refuses to open. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal.h"
#include "lib/clock.h"

struct world {
	char base[32], dir[64], file[96];
	struct journal *j;
};

static const struct detector kind = { .name = "idle-in-txn" };

static int setup(void **state)
{
	static struct world w;

	w = (struct world){ .base = "/tmp/test_journal.XXXXXX" };
	if (!mkdtemp(w.base))
		return -1;
	(void)snprintf(w.dir, sizeof(w.dir), "%s/state", w.base);
	(void)snprintf(w.file, sizeof(w.file), "%s/" JOURNAL_FILE, w.dir);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct world *w = *state;
	char path[128];

	journal_close(w->j);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", w->file, suffixes[i]);
		(void)unlink(path);
	}
	if (rmdir(w->dir) < 0)
		(void)unlink(w->dir);
	return rmdir(w->base);
}

static void open_it(struct world *w)
{
	assert_int_equal(journal_open(w->dir, &w->j), 0);
}

static void close_it(struct world *w)
{
	journal_close(w->j);
	w->j = NULL;
}

/* That it does not open, for this reason, and hands nothing back. */
static void refused(struct world *w, int err)
{
	assert_int_equal(journal_open(w->dir, &w->j), err);
	assert_null(w->j);
}

static struct finding a_finding(void)
{
	uint64_t now_ns = clock_now_ns();
	struct finding f = {
		.id = "f5c1e22aa03bd",
		.detector = &kind,
		.state = FINDING_CONFIRMED,
		.suspected_ns = now_ns - NS_PER_S,
		.confirmed_ns = now_ns,
		.symptom = { now_ns - 45 * NS_PER_S, 0.9, "transaction open" },
		.conn = {
			.id = "c9a2b.1f3",
			.cookie = 0x1f3,
			.pid = 4711,
			.comm = "billing",
			.user = "app",
			.database = "shop",
			.backend_pid = 812,
			.activity = ACTIVITY_IDLE_IN_TXN,
			.last_ns = now_ns - 45 * NS_PER_S,
			.txn_ns = now_ns - 60 * NS_PER_S,
			.remote = { .ip = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 }, .port = 5432 },
		},
	};

	return f;
}

static struct repair a_repair(const char *id)
{
	struct repair r = {
		.finding = a_finding(),
		.verdict = { VERDICT_ACT, REASON_RULE, "defuse", 0, 0, 1 },
		.mode = MODE_FIX,
		.pre = { .cookie = 0x1f3, .pid = 4711, .status = 'T', .rx_bytes = 77 },
		.helped = -1,
		.at_ns = clock_now_ns(),
	};

	(void)snprintf(r.id, sizeof(r.id), "%s", id);
	return r;
}

static void finish(struct repair *r)
{
	r->steps[0] = (struct step){ "hold", 0, r->at_ns, "" };
	r->steps[1] = (struct step){ "send", -EPIPE, r->at_ns, "" };
	r->step_count = 2;
	r->outcome = OUTCOME_DONE;
	r->helped = 1;
	r->held_ns = 1500000;
}

static const char *word(json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return s ? s : "(none)";
}

static void is_null(json_t *doc, const char *key)
{
	if (!json_is_null(json_object_get(doc, key)))
		fail_msg("%s is not null", key);
}

static json_t *read_all(struct world *w, size_t count)
{
	json_t *all = journal_read(w->j, 0);

	assert_non_null(all);
	assert_int_equal(json_array_size(all), count);
	return all;
}

static void the_directory_is_private(void **state)
{
	struct world *w = *state;
	struct stat st;

	open_it(w);
	assert_int_equal(stat(w->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(w->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_finding_reads_back(void **state)
{
	struct world *w = *state;
	struct finding f = a_finding();
	json_t *all, *doc;

	open_it(w);
	assert_int_equal(journal_finding(w->j, &f), 0);
	all = read_all(w, 1);
	doc = json_array_get(all, 0);
	assert_string_equal(word(doc, "type"), "finding");
	assert_string_equal(word(doc, "id"), "f5c1e22aa03bd");
	assert_string_equal(word(doc, "kind"), "idle-in-txn");
	assert_string_equal(word(doc, "conn"), "c9a2b.1f3");
	assert_string_equal(word(doc, "state"), "confirmed");
	assert_string_equal(word(doc, "endpoint"), "10.0.0.2:5432");
	assert_string_equal(word(doc, "activity"), "idle-in-txn");
	assert_string_equal(word(doc, "evidence"), "transaction open");
	assert_int_equal(strlen(word(doc, "at")), strlen("2024-01-01T00:00:00.000Z"));
	assert_int_equal(strlen(word(doc, "since")), strlen("2024-01-01T00:00:00.000Z"));
	assert_float_equal(json_real_value(json_object_get(doc, "since_s")), 45, 1e-6);
	assert_float_equal(json_real_value(json_object_get(doc, "txn_s")), 60, 1e-6);
	assert_int_equal(json_integer_value(json_object_get(doc, "backend_pid")), 812);
	is_null(doc, "protocol");
	is_null(doc, "sql");
	is_null(doc, "stack");
	json_decref(all);
}

static void unknown_is_null(void **state)
{
	struct finding f = { .id = "f1", .detector = &kind };
	json_t *doc = finding_to_json(&f, clock_now_ns());

	(void)state;
	is_null(doc, "pid");
	is_null(doc, "comm");
	is_null(doc, "user");
	is_null(doc, "database");
	is_null(doc, "backend_pid");
	is_null(doc, "txn_s");
	is_null(doc, "since");
	json_decref(doc);
}

static void hostile_text_is_made_safe(void **state)
{
	struct finding f = a_finding();
	json_t *doc;

	(void)state;
	memset(f.conn.user, 0xff, NAME_LEN - 1);
	strcpy(f.conn.database, "a\x1b[31m");
	doc = finding_to_json(&f, clock_now_ns());
	assert_non_null(doc);
	assert_int_equal(strlen(word(doc, "user")), 4 * (NAME_LEN - 1));
	assert_string_equal(word(doc, "database"), "a\\x1b[31m");
	json_decref(doc);
}

static void a_repair_reads_back_with_its_steps(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("r1");
	json_t *all, *doc, *steps;

	open_it(w);
	assert_int_equal(journal_intent(w->j, &r), 0);
	finish(&r);
	assert_int_equal(journal_outcome(w->j, &r), 0);
	all = read_all(w, 1);
	doc = json_array_get(all, 0);
	assert_string_equal(word(doc, "type"), "repair");
	assert_string_equal(word(doc, "id"), "r1");
	assert_string_equal(word(doc, "finding"), "f5c1e22aa03bd");
	assert_string_equal(word(doc, "action"), "defuse");
	assert_string_equal(word(doc, "mode"), "fix");
	assert_string_equal(word(doc, "verdict"), "act");
	assert_string_equal(word(doc, "reason"), "rule");
	assert_string_equal(word(doc, "outcome"), "done");
	assert_true(json_is_true(json_object_get(doc, "helped")));
	assert_float_equal(json_real_value(json_object_get(doc, "held_ms")), 1.5, 1e-9);
	steps = json_object_get(doc, "steps");
	assert_int_equal(json_array_size(steps), 3);
	assert_string_equal(word(json_array_get(steps, 0), "name"), "intent");
	assert_true(json_is_true(json_object_get(json_array_get(steps, 1), "ok")));
	is_null(json_array_get(steps, 1), "note");
	assert_true(json_is_false(json_object_get(json_array_get(steps, 2), "ok")));
	assert_string_equal(word(json_array_get(steps, 2), "note"), "Broken pipe");
	json_decref(all);
}

static void an_id_is_begun_once(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("r1");

	open_it(w);
	assert_int_equal(journal_intent(w->j, &r), 0);
	assert_int_equal(journal_intent(w->j, &r), -EEXIST);
	finish(&r);
	assert_int_equal(journal_outcome(w->j, &r), 0);
	assert_int_equal(journal_outcome(w->j, &r), -EALREADY);
	assert_int_equal(journal_intent(w->j, &r), -EEXIST);
	close_it(w);
	open_it(w);
	assert_int_equal(journal_intent(w->j, &r), -EEXIST);
	json_decref(read_all(w, 1));
}

static void no_outcome_without_an_intent(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("r1");

	open_it(w);
	finish(&r);
	assert_int_equal(journal_outcome(w->j, &r), -ENOENT);
	assert_int_equal(journal_settle(w->j, "r1", OUTCOME_GONE, ""), -ENOENT);
	json_decref(read_all(w, 0));
}

struct found {
	struct world *w;
	size_t count;
	char id[REPAIR_ID_LEN];
};

static void settle_it(json_t *repair, void *arg)
{
	struct found *found = arg;
	json_t *pre = json_object_get(repair, "precondition");

	found->count++;
	(void)snprintf(found->id, sizeof(found->id), "%s", word(repair, "id"));
	assert_int_equal(json_integer_value(json_object_get(pre, "cookie")), 0x1f3);
	assert_int_equal(json_integer_value(json_object_get(pre, "rx_bytes")), 77);
	assert_string_equal(word(pre, "status"), "T");
	assert_string_equal(word(json_array_get(json_object_get(repair, "steps"), 0), "name"),
			    "intent");
	assert_int_equal(journal_settle(found->w->j, found->id, OUTCOME_INTERRUPTED, "state E"), 0);
}

static void after_a_crash_intents_are_listed_and_settled(void **state)
{
	struct world *w = *state;
	struct repair done = a_repair("r1"), open = a_repair("r2");
	struct found found = { .w = w };
	json_t *all, *doc, *steps;

	open_it(w);
	assert_int_equal(journal_intent(w->j, &done), 0);
	finish(&done);
	assert_int_equal(journal_outcome(w->j, &done), 0);
	assert_int_equal(journal_intent(w->j, &open), 0);
	close_it(w);
	open_it(w);
	assert_int_equal(journal_unresolved(w->j, settle_it, &found), 0);
	assert_int_equal(found.count, 1);
	assert_string_equal(found.id, "r2");
	assert_int_equal(journal_unresolved(w->j, settle_it, &found), 0);
	assert_int_equal(found.count, 1);
	all = read_all(w, 2);
	doc = json_array_get(all, 1);
	assert_string_equal(word(doc, "outcome"), "interrupted");
	is_null(doc, "helped");
	steps = json_object_get(doc, "steps");
	assert_int_equal(json_array_size(steps), 2);
	assert_string_equal(word(json_array_get(steps, 1), "name"), "settle");
	assert_string_equal(word(json_array_get(steps, 1), "note"), "state E");
	json_decref(all);
	assert_int_equal(journal_intent(w->j, &open), -EEXIST);
}

/* What a killed process leaves: the write-ahead log, not folded in. */
static void an_intent_survives_without_a_close(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("r1");
	struct journal *other = NULL;

	open_it(w);
	assert_int_equal(journal_intent(w->j, &r), 0);
	assert_int_equal(journal_open(w->dir, &other), 0);
	assert_int_equal(journal_intent(other, &r), -EEXIST);
	journal_close(other);
}

static void a_refusal_is_written_once_for_a_reason(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("");
	json_t *all;

	r.verdict = (struct verdict){ VERDICT_REFUSE, REASON_SHARED, "defuse", 0, 0, 1 };
	open_it(w);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(journal_refusal(w->j, &r), 0);
	close_it(w);
	open_it(w);
	assert_int_equal(journal_refusal(w->j, &r), 0);
	r.verdict.reason = REASON_UNCERTAIN;
	assert_int_equal(journal_refusal(w->j, &r), 0);
	strcpy(r.finding.id, "f2");
	assert_int_equal(journal_refusal(w->j, &r), 0);
	all = read_all(w, 3);
	assert_string_equal(word(json_array_get(all, 0), "type"), "repair");
	assert_string_equal(word(json_array_get(all, 0), "verdict"), "refuse");
	assert_string_equal(word(json_array_get(all, 0), "reason"), "shared");
	is_null(json_array_get(all, 0), "outcome");
	is_null(json_array_get(all, 0), "id");
	assert_int_equal(json_array_size(json_object_get(json_array_get(all, 0), "steps")), 0);
	assert_string_equal(word(json_array_get(all, 2), "finding"), "f2");
	json_decref(all);
}

static void refused_orders_are_written_each_time(void **state)
{
	struct world *w = *state;
	struct repair r = a_repair("");

	r.finding.id[0] = '\0';
	r.finding.detector = NULL;
	r.verdict = (struct verdict){ VERDICT_REFUSE, REASON_SHARED, "close", 0, -1, 1 };
	open_it(w);
	assert_int_equal(journal_refusal(w->j, &r), 0);
	assert_int_equal(journal_refusal(w->j, &r), 0);
	json_decref(read_all(w, 2));
}

static void entries_come_oldest_first_and_since(void **state)
{
	struct world *w = *state;
	struct finding f = a_finding();
	struct repair r = a_repair("r1");
	json_t *all;

	open_it(w);
	f.confirmed_ns -= 100 * NS_PER_S;
	assert_int_equal(journal_finding(w->j, &f), 0);
	assert_int_equal(journal_intent(w->j, &r), 0);
	f = a_finding();
	f.state = FINDING_MENDED;
	f.ended_ns = clock_now_ns();
	assert_int_equal(journal_finding(w->j, &f), 0);
	finish(&r);
	assert_int_equal(journal_outcome(w->j, &r), 0);
	all = read_all(w, 3);
	assert_string_equal(word(json_array_get(all, 0), "state"), "confirmed");
	assert_string_equal(word(json_array_get(all, 1), "outcome"), "done");
	assert_string_equal(word(json_array_get(all, 2), "state"), "mended");
	json_decref(all);
	all = journal_read(w->j, clock_wall_ns(clock_now_ns() - 50 * NS_PER_S));
	assert_int_equal(json_array_size(all), 2);
	json_decref(all);
}

static void a_reader_sees_and_cannot_write(void **state)
{
	struct world *w = *state;
	struct journal *reader = NULL;
	struct finding f = a_finding();
	json_t *all;

	assert_int_equal(journal_open_readonly(w->dir, &reader), -ENOENT);
	assert_null(reader);
	open_it(w);
	assert_int_equal(journal_finding(w->j, &f), 0);
	assert_int_equal(journal_open_readonly(w->dir, &reader), 0);
	all = journal_read(reader, 0);
	assert_int_equal(json_array_size(all), 1);
	json_decref(all);
	assert_int_equal(journal_finding(reader, &f), -EROFS);
	journal_close(reader);
}

static void a_newer_version_is_refused(void **state)
{
	struct world *w = *state;
	struct journal *reader = NULL;
	sqlite3 *db;

	open_it(w);
	close_it(w);
	assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	refused(w, -EPROTONOSUPPORT);
	assert_int_equal(journal_open_readonly(w->dir, &reader), -EPROTONOSUPPORT);
	assert_null(reader);
}

static void another_database_is_refused(void **state)
{
	struct world *w = *state;
	sqlite3 *db;

	assert_int_equal(mkdir(w->dir, 0700), 0);
	assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE entry (x)", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	refused(w, -EBADMSG);
}

static void no_database_is_refused(void **state)
{
	struct world *w = *state;
	FILE *f;

	assert_int_equal(mkdir(w->dir, 0700), 0);
	f = fopen(w->file, "w");
	for (size_t i = 0; i < 1000; i++)
		(void)fputs("this is no database, ", f);
	(void)fclose(f);
	refused(w, -EBADMSG);
}

static void a_truncated_file_is_refused(void **state)
{
	struct world *w = *state;
	struct finding f = a_finding();
	struct stat st;

	open_it(w);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(journal_finding(w->j, &f), 0);
	close_it(w);
	assert_int_equal(stat(w->file, &st), 0);
	assert_int_equal(truncate(w->file, st.st_size / 2), 0);
	refused(w, -EBADMSG);
	assert_int_equal(truncate(w->file, 50), 0);
	refused(w, -EBADMSG);
}

static void an_overwritten_page_is_refused(void **state)
{
	struct world *w = *state;
	struct finding f = a_finding();
	char noise[4096];
	int fd;

	open_it(w);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(journal_finding(w->j, &f), 0);
	close_it(w);
	memset(noise, 0x5a, sizeof(noise));
	fd = open(w->file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, noise, sizeof(noise), 3 * sizeof(noise)), sizeof(noise));
	(void)close(fd);
	refused(w, -EBADMSG);
}

static void a_link_is_refused(void **state)
{
	struct world *w = *state;
	char real[64];

	(void)snprintf(real, sizeof(real), "%s/real", w->base);
	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(symlink(real, w->dir), 0);
	assert_int_equal(journal_open(w->dir, &w->j), -ENOTDIR);
	(void)unlink(w->dir);
	assert_int_equal(rename(real, w->dir), 0);
	assert_int_equal(symlink("/etc/hostname", w->file), 0);
	refused(w, -ELOOP);
}

static void a_directory_others_can_write_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdir(w->dir, 0700), 0);
	assert_int_equal(chmod(w->dir, 0770), 0);
	refused(w, -EPERM);
}

static void a_directory_of_another_is_refused(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(w->dir, 0700), 0);
	assert_int_equal(chown(w->dir, 65534, 65534), 0);
	refused(w, -EPERM);
}

/* Root writes where it likes, so another has to try. */
static void a_read_only_directory_is_refused(void **state)
{
	struct world *w = *state;
	bool root = geteuid() == 0;

	assert_int_equal(mkdir(w->dir, 0700), 0);
	assert_int_equal(chmod(w->dir, 0500), 0);
	if (root) {
		assert_int_equal(chmod(w->base, 0755), 0);
		assert_int_equal(chown(w->dir, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	refused(w, -EACCES);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void a_missing_parent_is_refused(void **state)
{
	struct world *w = *state;
	char dir[96];

	(void)snprintf(dir, sizeof(dir), "%s/no/such", w->base);
	assert_int_equal(journal_open(dir, &w->j), -ENOENT);
	assert_null(w->j);
	assert_int_equal(mkdir(w->dir, 0700), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_directory_is_private),
		TEST(a_finding_reads_back),
		cmocka_unit_test(unknown_is_null),
		cmocka_unit_test(hostile_text_is_made_safe),
		TEST(a_repair_reads_back_with_its_steps),
		TEST(an_id_is_begun_once),
		TEST(no_outcome_without_an_intent),
		TEST(after_a_crash_intents_are_listed_and_settled),
		TEST(an_intent_survives_without_a_close),
		TEST(a_refusal_is_written_once_for_a_reason),
		TEST(refused_orders_are_written_each_time),
		TEST(entries_come_oldest_first_and_since),
		TEST(a_reader_sees_and_cannot_write),
		TEST(a_newer_version_is_refused),
		TEST(another_database_is_refused),
		TEST(no_database_is_refused),
		TEST(a_truncated_file_is_refused),
		TEST(an_overwritten_page_is_refused),
		TEST(a_link_is_refused),
		TEST(a_directory_others_can_write_is_refused),
		TEST(a_directory_of_another_is_refused),
		TEST(a_read_only_directory_is_refused),
		TEST(a_missing_parent_is_refused),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
