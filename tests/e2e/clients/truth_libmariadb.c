// SPDX-License-Identifier: GPL-2.0-or-later
/* The truth set on libmariadb, which has no pool; see truth.py. */
#include <mariadb/mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANY "select repeat('x', 1000) from seq_1_to_20000"

static double grace_s;

static void nap(double s)
{
	struct timespec t = { (time_t)s, (long)((s - (time_t)s) * 1e9) };

	while (nanosleep(&t, &t) < 0)
		;
}

static void leaked(const char *kind, MYSQL *db)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	printf("{\"kind\": \"%s\", \"backend\": %lu, \"at\": %.3f}\n", kind, mysql_thread_id(db),
	       t.tv_sec + t.tv_nsec / 1e9);
}

static MYSQL *dial(void)
{
	MYSQL *db = mysql_init(NULL);

	if (!mysql_real_connect(db, getenv("DB_HOST"), getenv("DB_USER"), getenv("DB_PASSWORD"),
				getenv("DB_NAME"), (unsigned int)atoi(getenv("DB_PORT")), NULL, 0)) {
		fprintf(stderr, "%s\n", mysql_error(db));
		exit(1);
	}
	return db;
}

static void ask(MYSQL *db, const char *sql)
{
	MYSQL_RES *r;

	if (mysql_query(db, sql))
		return;
	r = mysql_store_result(db);
	if (r)
		mysql_free_result(r);
}

/* ---- that leak */

static void txn(void)
{
	MYSQL *db = dial();

	ask(db, "begin");
	ask(db, "update account set balance = 1 where id = 5");
	leaked("idle-in-txn", db);
	db = dial();
	ask(db, "set autocommit = 0");
	ask(db, "select count(*) from account");
	leaked("idle-in-txn", db);
	db = dial();
	ask(db, "start transaction with consistent snapshot");
	leaked("idle-in-txn", db);
}

/* One row of mysql_use_result(), of many. */
static void unread(void)
{
	MYSQL *db = dial();
	MYSQL_RES *r;

	if (mysql_query(db, MANY))
		exit(1);
	r = mysql_use_result(db);
	(void)mysql_fetch_row(r);
	leaked("unread", db);
}

static void unused(void)
{
	for (int i = 0; i < 10; i++) {
		leaked("unused", dial());
		nap(0.3);
	}
}

static void opened(void)
{
	for (int i = 0; i < 12; i++) {
		MYSQL *db = dial();

		ask(db, "select 1");
		leaked("held", db);
		nap(0.3);
	}
}

/* ---- that do not */

static void busy(void)
{
	MYSQL *db = dial();

	for (;;) {
		ask(db, "begin");
		ask(db, "select count(*) from account");
		ask(db, "commit");
		nap(0.02);
	}
}

static void slow_rows(void)
{
	MYSQL *db = dial();

	for (;;) {
		MYSQL_RES *r;

		if (mysql_query(db, MANY))
			exit(1);
		r = mysql_use_result(db);
		while (mysql_fetch_row(r))
			nap(grace_s / 200);
		mysql_free_result(r);
	}
}

static void steps(void)
{
	MYSQL *db = dial();

	for (;;) {
		ask(db, "begin");
		for (int i = 0; i < 12; i++) {
			ask(db, "select 1");
			nap(grace_s * 0.4);
		}
		ask(db, "commit");
	}
}

static void long_running(void)
{
	MYSQL *db = dial();
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "select sleep(%.0f)", 5 * grace_s);
	for (;;) {
		ask(db, "begin");
		ask(db, sql);
		ask(db, "commit");
	}
}

static void ping(void)
{
	MYSQL *db = dial();

	for (;;) {
		(void)mysql_ping(db);
		nap(3 * grace_s);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "txn", txn }, { "unread", unread }, { "unused", unused }, { "opened", opened },
	{ "busy", busy }, { "slow_rows", slow_rows }, { "steps", steps },
	{ "long_running", long_running }, { "ping", ping },
};

int main(int argc, char **argv)
{
	if (argc != 2 || !getenv("TRUTH_GRACE"))
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	grace_s = atof(getenv("TRUTH_GRACE"));
	printf("{}\n");
	(void)getchar();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, argv[1])) {
			modes[i].run();
			for (;;)
				(void)pause();
		}
	return 2;
}
