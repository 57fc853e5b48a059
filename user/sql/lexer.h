/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A statement in tokens, as both servers would read it or not at all. */
#ifndef PLIMSOLL_SQL_LEXER_H
#define PLIMSOLL_SQL_LEXER_H

#include "sql.h"

enum token_kind {
	TOKEN_END,
	TOKEN_SPACE,		/* white space or a comment */
	TOKEN_WORD,		/* keyword or name without quotes */
	TOKEN_NAME,		/* quoted name, with its quotes; plain text */
	TOKEN_PARAM,		/* $1 */
	TOKEN_LITERAL,
	TOKEN_MARK,		/* one character of punctuation or of an operator */
	TOKEN_DOUBT,		/* what follows could be read in two ways, or in none */
};

struct token {
	enum token_kind kind;
	const char *text;
	size_t len;
};

struct lexer {
	enum sql_dialect dialect;
	bool cut;		/* the end is not the statement's */
	const char *begin, *at, *end;
};

/* The next token.  After TOKEN_END and TOKEN_DOUBT there is none. */
struct token lexer_next(struct lexer *l);

#endif
