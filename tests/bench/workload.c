// SPDX-License-Identifier: GPL-2.0-or-later
/* What is done while it is measured. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "bench.h"

#define ECHO_LEN  64
#define CHURN_LEN 8

static PGconn *db;
static int sock = -1;
static uint16_t echo_port;

static void query_open(void)
{
	if (db)
		return;
	db = PQconnectdb("");
	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "ab: %s", PQerrorMessage(db));
		exit(1);
	}
}

static void query_step(void)
{
	PGresult *r = PQexec(db, "SELECT 1");

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die("SELECT 1");
	PQclear(r);
}

static void in_transaction_open(void)
{
	query_open();
	if (PQtransactionStatus(db) == PQTRANS_IDLE)
		PQclear(PQexec(db, "BEGIN"));
}

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(echo_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

static void exchange(int s, size_t len)
{
	char buf[ECHO_LEN] = "ping";

	if (send(s, buf, len, 0) != (ssize_t)len || recv(s, buf, len, MSG_WAITALL) != (ssize_t)len)
		die("echo");
}

static void echo_open(void)
{
	if (sock >= 0)
		close(sock);
	sock = dial();
}

static void echo_step(void)
{
	exchange(sock, ECHO_LEN);
}

static void churn_open(void)
{
}

/* Ends in a reset, so that no port is left waiting. */
static void churn_step(void)
{
	struct linger hard = { 1, 0 };
	int s = dial();

	exchange(s, CHURN_LEN);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(s);
}

/*
 * pgbench's own transaction, eight clients at once.  It goes on between the windows; how
 * many it has done, the server says: each takes one transaction number.
 */
static void tpcb_open(void)
{
	char *argv[] = { "pgbench", "-n", "-c", "8", "-T", "100000", NULL };
	static bool begun;

	if (begun)
		return;
	begun = true;
	if (child() == 0) {
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
}

static void tpcb_step(void)
{
	pause_ms(10);
}

static uint64_t tpcb_done(void)
{
	PGresult *r;
	uint64_t n;

	query_open();
	r = PQexec(db, "SELECT pg_snapshot_xmax(pg_current_snapshot())");
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die("pg_current_snapshot");
	n = strtoull(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return n;
}

static const struct workload workloads[] = {
	{ "query", query_open, query_step, NULL },
	{ "in_transaction", in_transaction_open, query_step, NULL },
	{ "echo", echo_open, echo_step, NULL },
	{ "churn", churn_open, churn_step, NULL },
	{ "tpcb", tpcb_open, tpcb_step, tpcb_done },
};

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	return NULL;
}

/* Serves one connection at a time: the worker never has two. */
void workload_prepare(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 64) < 0 || getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		die("listen");
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	echo_port = ntohs(at.sin_port);
	if (child() > 0) {
		close(listener);
		return;
	}
	for (;;) {
		char buf[ECHO_LEN];
		int s = accept(listener, NULL, NULL);
		ssize_t n;

		while ((n = recv(s, buf, sizeof(buf), 0)) > 0)
			if (send(s, buf, (size_t)n, MSG_NOSIGNAL) != n)
				break;
		close(s);
	}
}
