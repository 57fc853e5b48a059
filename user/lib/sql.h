/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SQLite with our habits: negative errnos, and statements that end with their scope. */
#ifndef PLIMSOLL_LIB_SQL_H
#define PLIMSOLL_LIB_SQL_H

#include <sqlite3.h>
#include <stdint.h>

static inline void cleanup_stmt(sqlite3_stmt **s)
{
	(void)sqlite3_finalize(*s);
}

#define _stmt_ __attribute__((cleanup(cleanup_stmt)))

/* The last error of `db`.  A broken constraint is -EEXIST, a damaged file -EBADMSG. */
int sql_errno(sqlite3 *db);

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);

/* Binds `count` texts, NULL for null, from parameter `first` on; copies them. */
int sql_bind_texts(sqlite3_stmt *s, int first, const char *const *texts, int count);

/* Runs a statement that answers nothing. */
int sql_run(sqlite3_stmt *s);
int sql_command(sqlite3 *db, const char *sql);

/* The one number that `sql` answers with. */
int sql_number(sqlite3 *db, const char *sql, int64_t *ret);

#endif
