// SPDX-License-Identifier: GPL-2.0-or-later
/* The truth set on libpq, which has no pool; see truth.py. */
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "truth.h"

#define MANY "select repeat('x', 1000) from generate_series(1, 20000)"

static void *dial(void)
{
	PGconn *db = PQconnectdb("");

	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(db));
		exit(1);
	}
	return db;
}

static void ask(void *db, const char *sql)
{
	PQclear(PQexec(db, sql));
}

static unsigned long backend(void *db)
{
	return (unsigned long)PQbackendPID(db);
}

/* ---- that leak */

static void txn(void)
{
	const char *const words[] = { "begin; select 1", "begin; update account set balance = 1 "
		"where id = 3", "begin; select 1 / 0", "begin; lock table pg_class in access share mode" };

	for (int i = 0; i < 4; i++) {
		PGconn *db = dial();

		ask(db, "select 1");
		ask(db, "begin");
		ask(db, words[i] + strlen("begin; "));
		leaked("idle-in-txn", db);
	}
}

/* Row by row, and not one. */
static void unread(void)
{
	PGconn *db = dial();

	ask(db, "select 1");
	if (!PQsendQuery(db, MANY) || !PQsetSingleRowMode(db))
		exit(1);
	leaked("unread", db);
	db = dial();
	if (!PQsendQuery(db, "select 1"))
		exit(1);
	leaked("unread", db);
}

static void copy_unread(void)
{
	PGconn *db = dial();
	char *row = NULL;

	ask(db, "copy (" MANY ") to stdout");
	(void)PQgetCopyData(db, &row, 0);
	PQfreemem(row);
	leaked("unread", db);
}

/* COPY FROM STDIN, begun and forgotten: the server waits. */
static void copy_begun(void)
{
	PGconn *db = dial();

	ask(db, "create temp table t (i int)");
	ask(db, "begin");
	ask(db, "copy t from stdin");
	leaked("stuck", db);
}

static void die_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Parent and child use it, each in its turn. */
static void forked(void)
{
	PGconn *db = dial();
	int there[2], back[2];
	char c = 'x';

	ask(db, "select 1");
	leaked("shared", db);
	if (pipe(there) || pipe(back))
		exit(1);
	if (fork() == 0) {
		die_with_parent();
		while (read(there[0], &c, 1) == 1) {
			ask(db, "select 1");
			(void)!write(back[1], &c, 1);
		}
		_exit(0);
	}
	do {
		ask(db, "select 1");
		nap(0.05);
	} while (write(there[1], &c, 1) == 1 && read(back[0], &c, 1) == 1);
}

/* ---- that do not */

static void slow_copy(void)
{
	PGconn *db = dial();

	for (char *row;;) {
		ask(db, "copy (select repeat('x', 100) from generate_series(1, 3000)) to stdout");
		while (PQgetCopyData(db, &row, 0) > 0) {
			PQfreemem(row);
			nap(grace_s / 500);
		}
		PQclear(PQgetResult(db));
	}
}

/* Row by row, with work for each. */
static void slow_rows(void)
{
	PGconn *db = dial();

	for (;;) {
		PGresult *r;

		if (!PQsendQuery(db, MANY) || !PQsetSingleRowMode(db))
			exit(1);
		while ((r = PQgetResult(db))) {
			PQclear(r);
			nap(grace_s / 200);
		}
	}
}

/* Children that inherited it, and leave it alone. */
static void prefork(void)
{
	PGconn *db = dial();

	ask(db, "select 1");
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			PGconn *own = dial();

			die_with_parent();
			for (;;) {
				ask(own, "select 1");
				nap(0.3);
			}
		}
	}
	for (;;) {
		ask(db, "select 1");
		nap(0.5);
	}
}

static void listen_idle(void)
{
	PGconn *db = dial(), *quiet = dial();
	struct pollfd p = { .fd = PQsocket(db), .events = POLLIN };

	ask(db, "listen truth");
	ask(quiet, "listen truth");	/* whose notices nobody fetches for long */
	for (;;) {
		PGnotify *n;

		(void)poll(&p, 1, (int)(4000 * grace_s));
		(void)PQconsumeInput(db);
		while ((n = PQnotifies(db)))
			PQfreemem(n);
	}
}

/* Opened at the start, used by and by, most of them rarely. */
static void reserve(void)
{
	PGconn *db[10];

	for (int i = 0; i < 10; i++)
		db[i] = dial();
	for (int n = 0;; n++) {
		ask(db[n % 100 == 99 ? n / 100 % 10 : 0], "select 1");
		nap(0.1);
	}
}

static const struct mode modes[] = {
	COMMON_MODES,
	{ "txn", txn }, { "unread", unread }, { "copy_unread", copy_unread },
	{ "copy_begun", copy_begun }, { "forked", forked }, { "slow_copy", slow_copy },
	{ "slow_rows", slow_rows }, { "prefork", prefork }, { "listen", listen_idle },
	{ "reserve", reserve },
};

int main(int argc, char **argv)
{
	return truth(argc, argv, modes, sizeof(modes) / sizeof(modes[0]));
}
