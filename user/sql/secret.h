/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which statements carry secrets outside of literals, or are about them: those that
 * create who may log in where, and SET, whose value may be a bare word.
 */
#ifndef PLIMSOLL_SQL_SECRET_H
#define PLIMSOLL_SQL_SECRET_H

#include "sql/lexer.h"

enum verdict {
	VERDICT_SHOW,
	VERDICT_HIDE,		/* as if it were a literal */
	VERDICT_DOUBT,		/* show the leading keyword only */
};

#define SECRET_WORD_LEN 16	/* the longest keyword looked for fits, with its end */

/* Where we are in the statement; all zero at its beginning. */
struct secret {
	char lead[SECRET_WORD_LEN];	/* its first word */
	char last[SECRET_WORD_LEN];	/* the token before; "" no word, or a long one */
	bool has_object;	/* CREATE what? has been answered */
	bool has_set;		/* SET was seen, and what follows is a setting's name */
	bool in_value;
};

/* To be called with each token, in order, but for white space. */
enum verdict secret_judge(struct secret *s, enum sql_dialect dialect, const struct token *t);

#endif
