/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements of other people's programs, made safe to store and to show: what
 * somebody wrote into them as data does not come out.  Pure; keeps nothing.
 */
#ifndef PLIMSOLL_SQL_H
#define PLIMSOLL_SQL_H

#include <stdbool.h>
#include <stddef.h>

enum sql_dialect {
	SQL_POSTGRESQL,
	SQL_MYSQL,		/* MariaDB too */
	SQL_DIALECT_MAX
};

#define SQL_TRACE_ID_LEN 33	/* 32 hex digits and the end */

/*
 * Writes the shape of a statement: literals as `?`, lists of them as `(?)`, no
 * comments, white space folded; names, parameters, TRUE, FALSE and NULL as they
 * are.  `in` begins where the statement begins; `cut` says that more of it
 * followed than these `len` bytes, then the last token is left out.  A shape that
 * is not whole ends in " …".
 *
 * On any doubt only the leading keyword and " …" are written: where the server's
 * settings (standard_conforming_strings, NO_BACKSLASH_ESCAPES, ANSI_QUOTES, the
 * client's character set) allow two readings, where a quote or a comment is left
 * open, where bytes are no SQL, and where a statement is about credentials.
 *
 * The result is UTF-8 without control characters, terminated, cut between tokens
 * to fit, never longer than `len` + 4.  Returns its length.
 */
size_t sql_redact(enum sql_dialect dialect, const char *in, size_t len, bool cut, char *out,
		  size_t out_size);

/*
 * The trace id of a traceparent (W3C) that sqlcommenter put into a comment at
 * either end of a statement, in lower case.  Whether there is a valid one.
 */
bool sql_trace_id(const char *in, size_t len, char ret[static SQL_TRACE_ID_LEN]);

#endif
