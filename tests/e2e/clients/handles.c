// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An application that is careless with libpq's handles.  One command a line:
 *
 *	query SQL	asks, and clears the result
 *	results N	asks N times and forgets the results
 *	clear		clears those
 *	connections N	connects N times and forgets it
 *	finish		ends those
 *	prepare SQL	under a name
 *	execute		what was prepared
 *	map FILE	maps a file as code
 *	backend, quit
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "obey.h"

#define MANY 256

static PGconn *db, *forgotten_connections[MANY];
static PGresult *forgotten[MANY];
static int connections, results;

static void answer(PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		printf("ok\n");
	else
		printf("error %s\n", PQresultErrorField(r, PG_DIAG_SQLSTATE));
	PQclear(r);
}

static void map(const char *path)
{
	int fd = open(path, O_RDONLY);
	void *p = fd < 0 ? MAP_FAILED :
			   mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	printf("%s\n", p == MAP_FAILED ? "error" : "ok");
}

static void obey(char *word, char *rest)
{
	int n = atoi(rest);

	if (!strcmp(word, "query")) {
		answer(PQexec(db, rest));
	} else if (!strcmp(word, "results")) {
		while (n-- && results < MANY)
			forgotten[results++] = PQexec(db, "select 1");
		printf("ok\n");
	} else if (!strcmp(word, "clear")) {
		while (results)
			PQclear(forgotten[--results]);
		PQclear(NULL);
		printf("ok\n");
	} else if (!strcmp(word, "connections")) {
		while (n-- && connections < MANY)
			forgotten_connections[connections++] = PQconnectdb("");
		printf("ok\n");
	} else if (!strcmp(word, "finish")) {
		while (connections)
			PQfinish(forgotten_connections[--connections]);
		printf("ok\n");
	} else if (!strcmp(word, "prepare")) {
		answer(PQprepare(db, "it", rest, 0, NULL));
	} else if (!strcmp(word, "execute")) {
		answer(PQexecPrepared(db, "it", 0, NULL, NULL, NULL, 0));
	} else if (!strcmp(word, "map")) {
		map(rest);
	} else if (!strcmp(word, "backend")) {
		printf("ok %d\n", PQbackendPID(db));
	} else {
		printf("error - unknown word %s\n", word);
	}
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
