// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stddef.h>

#include "lib/sql.h"

int sql_errno(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EACCES;
	default:
		return -EIO;
	}
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
	return sqlite3_prepare_v2(db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : sql_errno(db);
}

int sql_bind_texts(sqlite3_stmt *s, int first, const char *const *texts, int count)
{
	for (int i = 0; i < count; i++)
		if (sqlite3_bind_text(s, first + i, texts[i], -1, SQLITE_TRANSIENT) != SQLITE_OK)
			return sql_errno(sqlite3_db_handle(s));
	return 0;
}

int sql_run(sqlite3_stmt *s)
{
	return sqlite3_step(s) == SQLITE_DONE ? 0 : sql_errno(sqlite3_db_handle(s));
}

int sql_command(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_errno(db);
}

int sql_number(sqlite3 *db, const char *sql, int64_t *ret)
{
	_stmt_ sqlite3_stmt *s = NULL;
	int r = sql_prepare(db, sql, &s);

	if (r < 0)
		return r;
	if (sqlite3_step(s) != SQLITE_ROW)
		return sql_errno(db);
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}
