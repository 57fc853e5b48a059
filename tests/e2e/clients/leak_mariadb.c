// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An application on libmariadb that does as it is told: one command a line in, one
 * line "ok ..." or "error SQLSTATE ..." out.  Beside the words all clients know
 * (begin, query, commit, rollback, manual, auto, backend, busy) it can
 *
 *	prepared SQL	prepares, executes, reads all, closes
 *	prepare SQL	prepares and keeps it
 *	execute		executes what was kept
 *	direct SQL	prepares and executes in one flight
 *	cursor N SQL	reads through a cursor, N rows at a time
 *	half N SQL	reads N rows of a cursor and leaves it open
 *	long N		sends a parameter of N bytes in pieces, in an INSERT into blobs
 *	literal N	the same in the text
 *	ping, stat, fields TABLE, use DB, change USER PASSWORD DB, reset, debug, option
 *
 * DB_SSL and DB_COMPRESS, when set, ask for that.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mariadb/mysql.h>

#include "obey.h"

#define PIECES 8

static MYSQL *db;
static MYSQL_STMT *kept;

static MYSQL *dial(void)
{
	MYSQL *c = mysql_init(NULL);
	const char *password = getenv("DB_PASSWORD");
	my_bool no = 0;

	mysql_optionsv(c, MYSQL_OPT_LOCAL_INFILE, NULL);
	mysql_optionsv(c, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &no);
	if (getenv("DB_SSL"))
		mysql_ssl_set(c, NULL, NULL, NULL, NULL, NULL);
	if (getenv("DB_COMPRESS"))
		mysql_optionsv(c, MYSQL_OPT_COMPRESS, NULL);
	if (!mysql_real_connect(c, getenv("DB_HOST"), getenv("DB_USER"), password,
				getenv("DB_NAME"), (unsigned int)atoi(getenv("DB_PORT")), NULL,
				CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS)) {
		printf("error %s %s\n", mysql_sqlstate(c), mysql_error(c));
		exit(1);
	}
	return c;
}

static void fault(void)
{
	printf("error %s %u %s\n", mysql_sqlstate(db), mysql_errno(db), mysql_error(db));
}

static void fault_of(MYSQL_STMT *s)
{
	printf("error %s %u %s\n", mysql_stmt_sqlstate(s), mysql_stmt_errno(s),
	       mysql_stmt_error(s));
}

static void said(int failed)
{
	if (failed)
		fault();
	else
		printf("ok\n");
}

/* All results of the last query; prints the first value of the first, and how many rows. */
static void drain(void)
{
	char first[256] = "";
	unsigned long rows = 0;
	int next = 0;

	while (!next) {
		MYSQL_RES *r = mysql_store_result(db);
		MYSQL_ROW row = r ? mysql_fetch_row(r) : NULL;

		if (row && row[0] && !*first)
			snprintf(first, sizeof(first), "%s", row[0]);
		rows += r ? (unsigned long)mysql_num_rows(r) : 0;
		mysql_free_result(r);
		if (!r && mysql_errno(db))
			break;
		next = mysql_next_result(db);
	}
	if (next > 0 || mysql_errno(db))
		fault();
	else
		printf("ok %lu %s\n", rows, first);
}

static void query(const char *sql)
{
	if (mysql_real_query(db, sql, strlen(sql)))
		fault();
	else
		drain();
}

/* Reads the rows of an executed statement, `most` at most, and tells how many. */
static bool read_rows(MYSQL_STMT *s, long most)
{
	long rows = 0;
	int r = 0;

	while (rows < most && !(r = mysql_stmt_fetch(s)))
		rows++;
	if (r == 1) {
		fault_of(s);
		return false;
	}
	printf("ok %ld\n", rows);
	return true;
}

/* All results, as a procedure has several. */
static void read_results(MYSQL_STMT *s)
{
	long rows = 0;
	int r;

	do {
		if (!mysql_stmt_field_count(s))
			continue;
		while (!(r = mysql_stmt_fetch(s)) || r == MYSQL_DATA_TRUNCATED)
			rows++;
		mysql_stmt_free_result(s);
	} while (!(r = mysql_stmt_next_result(s)));
	if (r > 0)
		fault_of(s);
	else
		printf("ok %ld\n", rows);
}

static void execute(MYSQL_STMT *s)
{
	if (mysql_stmt_execute(s))
		fault_of(s);
	else
		read_results(s);
}

static void prepared(const char *sql)
{
	MYSQL_STMT *s = mysql_stmt_init(db);

	if (mysql_stmt_prepare(s, sql, strlen(sql)))
		fault_of(s);
	else
		execute(s);
	mysql_stmt_close(s);
}

static void prepare(const char *sql)
{
	if (kept)
		mysql_stmt_close(kept);
	kept = mysql_stmt_init(db);
	if (mysql_stmt_prepare(kept, sql, strlen(sql)))
		fault_of(kept);
	else
		printf("ok\n");
}

static void direct(const char *sql)
{
	MYSQL_STMT *s = mysql_stmt_init(db);

	if (mariadb_stmt_execute_direct(s, sql, strlen(sql)))
		fault_of(s);
	else
		read_results(s);
	mysql_stmt_close(s);
}

static void cursor(long rows, const char *sql, bool whole)
{
	unsigned long type = CURSOR_TYPE_READ_ONLY, prefetch = (unsigned long)rows;
	MYSQL_STMT *s = mysql_stmt_init(db);

	mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &type);
	mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &prefetch);
	if (mysql_stmt_prepare(s, sql, strlen(sql)) || mysql_stmt_execute(s))
		fault_of(s);
	else
		read_rows(s, whole ? 1L << 30 : rows);
	if (whole) {
		mysql_stmt_close(s);
		return;
	}
	if (kept)
		mysql_stmt_close(kept);
	kept = s;
}

static void long_data(size_t size)
{
	static const char sql[] = "insert into blobs (b) values (?)";
	MYSQL_STMT *s = mysql_stmt_init(db);
	char *piece = calloc(1, size / PIECES + 1);
	MYSQL_BIND b = { .buffer_type = MYSQL_TYPE_LONG_BLOB };
	bool bad = mysql_stmt_prepare(s, sql, strlen(sql)) || mysql_stmt_bind_param(s, &b);

	memset(piece, 'x', size / PIECES);
	for (int i = 0; i < PIECES && !bad; i++)
		bad = mysql_stmt_send_long_data(s, 0, piece, size / PIECES);
	if (bad)
		fault_of(s);
	else
		execute(s);
	free(piece);
	mysql_stmt_close(s);
}

static void literal(size_t size)
{
	static const char head[] = "insert into blobs (b) values ('";
	char *sql = malloc(size + sizeof(head) + 2);
	size_t n = sizeof(head) - 1;

	memcpy(sql, head, n);
	memset(sql + n, 'x', size);
	memcpy(sql + n + size, "')", 2);
	if (mysql_real_query(db, sql, n + size + 2))
		fault();
	else
		drain();
	free(sql);
}

static void change(char *user)
{
	char *password = strchr(user, ' '), *name;

	if (!password) {
		printf("error - change USER PASSWORD DB\n");
		return;
	}
	*password++ = '\0';
	name = strchr(password, ' ');
	if (name)
		*name++ = '\0';
	said(mysql_change_user(db, user, password, name));
}

static void *busy_thread(void *arg)
{
	MYSQL *c = dial();

	(void)arg;
	for (;;) {
		mysql_query(c, "start transaction");
		mysql_query(c, "select count(*) from account");
		mysql_free_result(mysql_store_result(c));
		mysql_query(c, "commit");
		usleep(20000);
	}
	return NULL;
}

static void busy(long n)
{
	pthread_t t;

	for (long i = 0; i < n; i++)
		pthread_create(&t, NULL, busy_thread, NULL);
	printf("ok\n");
}

static void stat_line(void)
{
	const char *text = mysql_stat(db);

	if (!text)
		fault();
	else
		printf("ok %zu\n", strlen(text));
}

static void fields(const char *table)
{
	MYSQL_RES *r = mysql_list_fields(db, table, NULL);

	if (!r)
		fault();
	else
		printf("ok %u\n", mysql_num_fields(r));
	mysql_free_result(r);
}

/* Words that are one call. */
static bool obey_short(const char *word, char *rest)
{
	if (!strcmp(word, "backend"))
		printf("ok %lu\n", mysql_thread_id(db));
	else if (!strcmp(word, "manual") || !strcmp(word, "auto"))
		said(mysql_autocommit(db, *word == 'a'));
	else if (!strcmp(word, "ping"))
		said(mysql_ping(db));
	else if (!strcmp(word, "use"))
		said(mysql_select_db(db, rest));
	else if (!strcmp(word, "reset"))
		said(mysql_reset_connection(db));
	else if (!strcmp(word, "debug"))
		said(mysql_dump_debug_info(db));
	else if (!strcmp(word, "option"))
		said(mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_ON));
	else if (!strcmp(word, "stat"))
		stat_line();
	else if (!strcmp(word, "fields"))
		fields(rest);
	else
		return false;
	return true;
}

static void obey(char *word, char *rest)
{
	char *end = NULL;
	long n = strtol(rest, &end, 10);

	if (obey_short(word, rest))
		return;
	if (!strcmp(word, "begin") || !strcmp(word, "commit") || !strcmp(word, "rollback"))
		query(word);
	else if (!strcmp(word, "query"))
		query(rest);
	else if (!strcmp(word, "prepared"))
		prepared(rest);
	else if (!strcmp(word, "prepare"))
		prepare(rest);
	else if (!strcmp(word, "execute"))
		execute(kept);
	else if (!strcmp(word, "direct"))
		direct(rest);
	else if (!strcmp(word, "cursor") || !strcmp(word, "half"))
		cursor(n, end, *word == 'c');
	else if (!strcmp(word, "long"))
		long_data((size_t)n);
	else if (!strcmp(word, "literal"))
		literal((size_t)n);
	else if (!strcmp(word, "change"))
		change(rest);
	else if (!strcmp(word, "busy"))
		busy(n);
	else
		printf("error - unknown word %s\n", word);
}

int main(void)
{
	mysql_library_init(0, NULL, NULL);
	db = dial();
	obey_lines(obey);
	mysql_close(db);
	return 0;
}
