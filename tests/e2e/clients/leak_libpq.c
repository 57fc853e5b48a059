// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An application on libpq that does as it is told: one command a line in, one
 * line "ok ..." or "error SQLSTATE ..." out.  Beside the words all clients know
 * (begin, query, commit, rollback, status, backend, busy) it can
 *
 *	binary SQL	as query, the result asked for in binary
 *	pipeline SQL	BEGIN and SQL in one flight, each with a Sync of its own
 *	prepare NAME SQL, execute NAME	the two apart
 *	cancel MS	has a statement of a second cancelled after so long
 *	call N		calls a function by its number, in a transaction that is left open
 *	cursor N MS	reads N times from a cursor, MS apart, in a transaction
 *	copyin N MS	sends N rows of a COPY, MS apart, in a transaction
 *	slowread MS	waits MS in the middle of a large result's arrival
 *	abandon SQL	sends it and never reads the answer
 *	trickle N MS B	reads N rows of B bytes, each MS after the one before
 *	open N		opens N more connections and keeps them, idle
 *	fork		a child that has the socket too and does nothing
 *	share MS	a child that has it too and asks something every MS
 *	beat, gap	a thread stamps the time each ms; its longest gap in us
 *	edge MS N ROW	N times: a transaction left alone for MS and up to 300 more
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "obey.h"

static PGconn *db;
static _Atomic uint64_t longest_gap_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* Prints "ok TAG FIRST-VALUE" or "error SQLSTATE MESSAGE" and frees the result. */
static bool answer(PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);
	bool ok = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;

	if (ok) {
		bool text = s == PGRES_TUPLES_OK && PQntuples(r) > 0 && PQfformat(r, 0) == 0;

		printf("ok %s %s\n", PQcmdStatus(r), text ? PQgetvalue(r, 0, 0) : "");
	} else {
		const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		char *message = strdup(PQerrorMessage(db));

		if (message)
			message[strcspn(message, "\n")] = '\0';
		printf("error %s %s\n", state ? state : "-", message ? message : "");
		free(message);
	}
	PQclear(r);
	return ok;
}

/* Runs a statement whose success is not worth a word. */
static bool quiet(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	ExecStatusType s = PQresultStatus(r);

	PQclear(r);
	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK || s == PGRES_COPY_IN;
}

static void *busy_thread(void *arg)
{
	PGconn *c = arg;

	while (quiet(c, "begin") && quiet(c, "select count(*) from account") && quiet(c, "commit"))
		pause_ms(20);
	return NULL;
}

static void *beat_thread(void *arg)
{
	uint64_t last = now_ns();

	(void)arg;
	for (;;) {
		uint64_t now, gap;

		pause_ms(1);
		now = now_ns();
		gap = now - last;
		if (gap > atomic_load(&longest_gap_ns))
			atomic_store(&longest_gap_ns, gap);
		last = now;
	}
	return NULL;
}

static void start_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg) != 0) {
		printf("error - no thread\n");
		exit(1);
	}
	pthread_detach(t);
}

static void open_more(long n, bool busy)
{
	for (long i = 0; i < n; i++) {
		PGconn *c = PQconnectdb("");

		if (PQstatus(c) != CONNECTION_OK) {
			printf("error - %ld. connection: %s\n", i, PQerrorMessage(c));
			return;
		}
		if (busy)
			start_thread(busy_thread, c);
	}
	printf("ok\n");
}

/* Each PQpipelineSync() sends; corked they leave together. */
static void cork(int on)
{
	(void)setsockopt(PQsocket(db), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void pipeline(const char *sql)
{
	PGresult *r;
	int syncs = 0;

	PQenterPipelineMode(db);
	cork(1);
	PQsendQueryParams(db, "begin", 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(db);
	PQsendQueryParams(db, sql, 0, NULL, NULL, NULL, NULL, 0);
	PQpipelineSync(db);
	cork(0);
	while (syncs < 2) {
		r = PQgetResult(db);
		if (r && PQresultStatus(r) == PGRES_PIPELINE_SYNC)
			syncs++;
		else if (r && PQresultStatus(r) == PGRES_FATAL_ERROR)
			syncs = 3;
		PQclear(r);
	}
	PQexitPipelineMode(db);
	printf(syncs == 2 ? "ok\n" : "error - pipeline\n");
}

static void cursor(long times, long ms)
{
	bool ok = quiet(db, "begin") &&
		  quiet(db, "declare k cursor for select i from generate_series(1, 100000) i");

	for (long i = 0; ok && i < times; i++) {
		ok = quiet(db, "fetch 10 from k");
		pause_ms(ms);
	}
	printf(ok && quiet(db, "commit") ? "ok\n" : "error - cursor\n");
}

static void copy_in(long rows, long ms)
{
	bool ok = quiet(db, "begin") && quiet(db, "create temp table c (i int) on commit drop") &&
		  quiet(db, "copy c from stdin");
	PGresult *r;

	for (long i = 0; ok && i < rows; i++) {
		ok = PQputCopyData(db, "1\n", 2) == 1 && PQflush(db) == 0;
		pause_ms(ms);
	}
	ok = ok && PQputCopyEnd(db, NULL) == 1;
	while ((r = PQgetResult(db))) {
		ok = ok && PQresultStatus(r) == PGRES_COMMAND_OK;
		PQclear(r);
	}
	printf(ok && quiet(db, "commit") ? "ok\n" : "error - copy\n");
}

/* A result of several megabytes of which the client takes a while to read the rest. */
static void slow_read(long ms)
{
	bool ok = quiet(db, "begin");
	PGresult *r;
	long rows = 0;

	ok = ok && PQsendQuery(db, "select repeat('x', 1000) from generate_series(1, 20000)") == 1 &&
	     PQsetSingleRowMode(db) == 1;
	while (ok && (r = PQgetResult(db))) {
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE && rows++ % 200 == 0)
			pause_ms(ms / 100);
		PQclear(r);
	}
	printf(ok && rows == 20000 && quiet(db, "commit") ? "ok\n" : "error - slow read\n");
}

static void abandon(const char *sql)
{
	bool ok = PQsetnonblocking(db, 1) == 0 && PQsendQuery(db, sql) == 1 && PQflush(db) == 0;

	printf(ok ? "ok\n" : "error - abandon\n");
}

static void trickle(long times, long ms, long bytes)
{
	char sql[128];
	PGresult *r;
	long rows = 0;

	snprintf(sql, sizeof(sql), "select repeat('x', %ld) from generate_series(1, %ld)", bytes,
		 times);
	if (PQsendQuery(db, sql) == 1 && PQsetSingleRowMode(db) == 1) {
		while ((r = PQgetResult(db))) {
			if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
				rows++;
				pause_ms(ms);
			}
			PQclear(r);
		}
	}
	printf(rows == times ? "ok\n" : "error - trickle\n");
}

static void share(long ms)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			pause_ms(ms);
			quiet(db, "select 1");
		}
	}
	printf("ok %d\n", (int)child);
}

static void fork_holder(void)
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	printf("ok %d\n", (int)child);
}

/* Lives on the edge: each transaction rests for about as long as it takes to be mended. */
static void edge(long ms, long times, long row)
{
	long hurt = 0, lost = 0;
	char update[96];

	snprintf(update, sizeof(update), "update account set balance = balance where id = %ld", row);
	for (long i = 0; i < times; i++) {
		PGresult *r;

		if (!quiet(db, "begin") || !quiet(db, update))
			lost++;
		pause_ms(ms + i * 37 % 300);
		/* Wakes with a statement of its own, then commits. */
		if (!quiet(db, "select 1"))
			hurt++;
		r = PQexec(db, "commit");
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			lost++;
		PQclear(r);
	}
	printf("ok %ld aborted %ld lost\n", hurt, lost);
}

static void status(void)
{
	static const char *const words[] = { "idle", "active", "intrans", "inerror", "unknown" };

	printf("ok %s\n", words[PQtransactionStatus(db)]);
}

static void query(const char *sql, int format)
{
	answer(PQexecParams(db, sql, 0, NULL, NULL, NULL, NULL, format));
}

static void prepare(char *rest)
{
	char *sql = rest + strcspn(rest, " ");

	if (*sql)
		*sql++ = '\0';
	answer(PQprepare(db, rest, sql, 0, NULL));
}

/* By the old fast-path message: pg_backend_pid() has no arguments. */
static void call(int number)
{
	int value = 0, len = 0;
	PGresult *r = quiet(db, "begin") ? PQfn(db, number, &value, &len, 1, NULL, 0) : NULL;

	printf(PQresultStatus(r) == PGRES_COMMAND_OK ? "ok %d\n" : "error - call %d\n", value);
	PQclear(r);
}

static void cancel(long ms)
{
	PGcancel *c = PQgetCancel(db);
	char why[256] = "";
	bool sent;

	sent = c && PQsendQuery(db, "select pg_sleep(1)") == 1;
	pause_ms(ms);
	sent = sent && PQcancel(c, why, sizeof(why)) == 1;
	PQfreeCancel(c);
	for (PGresult *r; (r = PQgetResult(db));)
		PQclear(r);
	printf(sent ? "ok\n" : "error - cancel %s\n", why);
}

static void obey(char *word, char *rest)
{
	char *end = NULL;
	long n = strtol(rest, &end, 10), m = strtol(end, &end, 10), k = strtol(end, NULL, 10);

	if (!strcmp(word, "begin") || !strcmp(word, "commit") || !strcmp(word, "rollback"))
		answer(PQexec(db, word));
	else if (!strcmp(word, "query"))
		answer(PQexec(db, rest));
	else if (!strcmp(word, "binary"))
		query(rest, 1);
	else if (!strcmp(word, "status"))
		status();
	else if (!strcmp(word, "backend"))
		printf("ok %d\n", PQbackendPID(db));
	else if (!strcmp(word, "busy"))
		open_more(n, true);
	else if (!strcmp(word, "open"))
		open_more(n, false);
	else if (!strcmp(word, "pipeline"))
		pipeline(rest);
	else if (!strcmp(word, "prepare"))
		prepare(rest);
	else if (!strcmp(word, "execute"))
		answer(PQexecPrepared(db, rest, 0, NULL, NULL, NULL, 0));
	else if (!strcmp(word, "cancel"))
		cancel(n);
	else if (!strcmp(word, "call"))
		call((int)n);
	else if (!strcmp(word, "cursor"))
		cursor(n, m);
	else if (!strcmp(word, "copyin"))
		copy_in(n, m);
	else if (!strcmp(word, "slowread"))
		slow_read(n);
	else if (!strcmp(word, "abandon"))
		abandon(rest);
	else if (!strcmp(word, "trickle"))
		trickle(n, m, k);
	else if (!strcmp(word, "fork"))
		fork_holder();
	else if (!strcmp(word, "share"))
		share(n);
	else if (!strcmp(word, "edge"))
		edge(n, m, k);
	else if (!strcmp(word, "beat"))
		start_thread(beat_thread, NULL), printf("ok\n");
	else if (!strcmp(word, "gap"))
		printf("ok %llu\n",
		       (unsigned long long)atomic_exchange(&longest_gap_ns, 0) / 1000);
	else
		printf("error - unknown word %s\n", word);
}

int main(void)
{
	db = PQconnectdb("");
	if (PQstatus(db) != CONNECTION_OK) {
		printf("error - %s\n", PQerrorMessage(db));
		return 1;
	}
	obey_lines(obey);
	PQfinish(db);
	return 0;
}
