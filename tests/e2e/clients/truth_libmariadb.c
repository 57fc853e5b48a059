// SPDX-License-Identifier: GPL-2.0-or-later
/* The truth set on libmariadb, which has no pool; see truth.py. */
#include <mariadb/mysql.h>

#include "truth.h"

#define MANY "select repeat('x', 1000) from seq_1_to_20000"

static void *dial(void)
{
	MYSQL *db = mysql_init(NULL);

	if (!mysql_real_connect(db, getenv("DB_HOST"), getenv("DB_USER"), getenv("DB_PASSWORD"),
				getenv("DB_NAME"), (unsigned int)atoi(getenv("DB_PORT")), NULL, 0)) {
		fprintf(stderr, "%s\n", mysql_error(db));
		exit(1);
	}
	return db;
}

static void ask(void *db, const char *sql)
{
	MYSQL_RES *r;

	if (mysql_query(db, sql))
		return;
	r = mysql_store_result(db);
	if (r)
		mysql_free_result(r);
}

static unsigned long backend(void *db)
{
	return mysql_thread_id(db);
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

/* ---- that do not */

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

static const struct mode modes[] = {
	COMMON_MODES,
	{ "txn", txn }, { "unread", unread }, { "slow_rows", slow_rows },
	{ "long_running", long_running }, { "ping", ping },
};

int main(int argc, char **argv)
{
	return truth(argc, argv, modes, sizeof(modes) / sizeof(modes[0]));
}
