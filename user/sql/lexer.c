// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Splits a statement into tokens by the rules that PostgreSQL's scan.l and MySQL's
 * sql_lex.cc have in common with every setting of theirs.
 *
 * Only the ends of literals matter here.  A lexer that takes one quote for another
 * prints the data and hides the rest, so wherever a setting that cannot be seen from
 * outside decides where a literal ends, the answer is TOKEN_DOUBT:
 *
 * - a backslash before a quote ends the string or does not, by standard_conforming_
 *   strings and NO_BACKSLASH_ESCAPES; only E'' is sure;
 * - in the client encodings SJIS, BIG5, GBK and GB18030 the second byte of a character
 *   may be a backslash or a backtick, never one of the other quotes;
 * - MySQL runs what is in executable comments, or skips it, by its version.
 */
#include <string.h>

#include "lib/text.h"
#include "sql/lexer.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_wide(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool begins_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_wide(c);
}

static bool continues_word(char c)
{
	return begins_word(c) || is_digit(c) || c == '$';
}

/* The byte `n` ahead; NUL at the end, which is no part of any token. */
static char peek(const struct lexer *l, size_t n)
{
	return n < (size_t)(l->end - l->at) ? l->at[n] : '\0';
}

/*
 * To behind the closing quote of a string whose content begins at `p`; NULL where it
 * is left open or might end elsewhere.  `escapes`: backslashes are known to be special.
 */
static const char *string_end(const struct lexer *l, const char *p, char quote, bool escapes)
{
	size_t slashes = 0;
	bool after_wide = false;

	for (; p < l->end; p++) {
		if (*p == '\\') {
			if (!slashes++)
				after_wide = is_wide(p[-1]);
			continue;
		}
		if (*p == quote) {
			if (slashes && after_wide)
				return NULL;
			if (slashes % 2 && !escapes)
				return NULL;
			if (slashes % 2 == 0) {
				if (p + 1 == l->end || p[1] != quote)
					return p + 1;
				p++;
			}
		}
		slashes = 0;
	}
	return NULL;
}

static enum token_kind string(struct lexer *l, size_t prefix)
{
	char quote = peek(l, prefix);
	bool escapes = l->dialect == SQL_POSTGRESQL && prefix && (peek(l, 0) | 0x20) == 'e';
	const char *end = string_end(l, l->at + prefix + 1, quote, escapes);

	if (!end)
		return TOKEN_DOUBT;
	l->at = end;
	return TOKEN_LITERAL;
}

static enum token_kind quoted_name(struct lexer *l)
{
	const char *begin = l->at, *p = begin + 1;
	char quote = *begin;

	for (;; p += 2) {
		p = memchr(p, quote, (size_t)(l->end - p));
		if (!p || (quote == '`' && is_wide(p[-1])))
			return TOKEN_DOUBT;
		if (p + 1 == l->end || p[1] != quote)
			break;
	}
	l->at = p + 1;
	return text_is_plain(begin, (size_t)(l->at - begin)) ? TOKEN_NAME : TOKEN_DOUBT;
}

/* $1, $$..$$ and $tag$..$tag$.  MySQL has the latter from 9.0 on, MariaDB has names so. */
static enum token_kind dollar(struct lexer *l)
{
	const char *p = l->at + 1, *close;
	size_t tag;

	if (l->dialect == SQL_MYSQL)
		return TOKEN_DOUBT;
	if (is_digit(peek(l, 1))) {
		while (p < l->end && is_digit(*p))
			p++;
		l->at = p;
		return begins_word(peek(l, 0)) ? TOKEN_DOUBT : TOKEN_PARAM;
	}
	while (p < l->end && *p != '$' && continues_word(*p))
		p++;
	if (p == l->end || *p != '$')
		return TOKEN_DOUBT;
	tag = (size_t)(p + 1 - l->at);
	close = memmem(p + 1, (size_t)(l->end - p - 1), l->at, tag);
	if (!close)
		return TOKEN_DOUBT;
	l->at = close + tag;
	return TOKEN_LITERAL;
}

/*
 * Whatever begins like a number, with all that hangs on it: 1_000, 0x1f, 1.5e-3, but also
 * 1..10, and MySQL's names that begin with a digit.  In PostgreSQL's the `$` is a part of the
 * word, or not, by what the version takes for a number: 0x1f$a$ begins a string since 16.
 */
static enum token_kind number(struct lexer *l)
{
	bool hex = peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x', letters = false;
	char last = '\0', c;

	for (; l->at < l->end; last = c, l->at++) {
		c = *l->at;
		if ((c == '+' || c == '-') && (last | 0x20) == 'e' && !hex && is_digit(peek(l, 1)))
			continue;
		if (c == '$' && l->dialect == SQL_POSTGRESQL)
			return letters ? TOKEN_DOUBT : TOKEN_LITERAL;
		if (!continues_word(c) && c != '.')
			break;
		letters = letters || begins_word(c);
	}
	return TOKEN_LITERAL;
}

static enum token_kind word(struct lexer *l)
{
	const char *begin = l->at;

	while (l->at < l->end && continues_word(*l->at))
		l->at++;
	return text_is_plain(begin, (size_t)(l->at - begin)) ? TOKEN_WORD : TOKEN_DOUBT;
}

static enum token_kind line_comment(struct lexer *l)
{
	for (; l->at < l->end; l->at++) {
		if (*l->at == '\n')
			return TOKEN_SPACE;
		/* The end of the line for one server, a part of it for the other. */
		if (*l->at == '\r' && peek(l, 1) != '\n')
			return TOKEN_DOUBT;
	}
	return l->cut ? TOKEN_DOUBT : TOKEN_SPACE;
}

/* Nests in PostgreSQL.  In MySQL a comment within another is a matter of its kind. */
static enum token_kind comment(struct lexer *l)
{
	size_t depth = 1;

	for (l->at += 2; l->at < l->end; l->at++) {
		if (*l->at == '/' && peek(l, 1) == '*') {
			if (l->dialect == SQL_MYSQL)
				return TOKEN_DOUBT;
			depth++;
			l->at++;
		} else if (*l->at == '*' && peek(l, 1) == '/') {
			l->at++;
			if (--depth == 0) {
				l->at++;
				return TOKEN_SPACE;
			}
		}
	}
	return TOKEN_DOUBT;
}

/*
 * MySQL's executable comments (MariaDB's begin with M!, TiDB's with T!) and optimizer
 * hints: left out whole, when nothing in them could hide their end.
 */
static enum token_kind executable_comment(struct lexer *l)
{
	const char *begin = l->at + 2;
	enum token_kind kind = comment(l);

	for (const char *p = begin; kind == TOKEN_SPACE && p < l->at; p++) {
		if (strchr("'\"`#$\\", *p) || is_wide(*p))
			return TOKEN_DOUBT;
		if (*p == '-' && p[1] == '-')
			return TOKEN_DOUBT;
	}
	return kind;
}

static bool is_executable_comment(const struct lexer *l)
{
	if (l->dialect != SQL_MYSQL)
		return false;
	return peek(l, 2) == '!' || peek(l, 2) == '+' || peek(l, 3) == '!';
}

static bool is_line_comment(const struct lexer *l)
{
	if (l->dialect == SQL_MYSQL && *l->at == '#')
		return true;
	if (*l->at != '-' || peek(l, 1) != '-')
		return false;
	return l->dialect == SQL_POSTGRESQL || !peek(l, 2) || is_space(peek(l, 2));
}

/* How many bytes stand before the quote of a string that begins here; -1: none begins. */
static int string_prefix(const struct lexer *l)
{
	bool mysql = l->dialect == SQL_MYSQL;
	int n = 0;

	if (peek(l, 0) == '\'' || (mysql && peek(l, 0) == '"'))
		return 0;
	if (peek(l, 1) == '\'' && peek(l, 0) && strchr(mysql ? "bBnNxX" : "bBeEnNxX", *l->at))
		return 1;
	if (!mysql && (peek(l, 0) | 0x20) == 'u' && peek(l, 1) == '&' && peek(l, 2) == '\'')
		return 2;
	if (!mysql || peek(l, 0) != '_')
		return -1;
	/* A character set: _utf8mb4'..' */
	while (continues_word(peek(l, (size_t)n)))
		n++;
	return peek(l, (size_t)n) == '\'' || peek(l, (size_t)n) == '"' ? n : -1;
}

static enum token_kind mark(struct lexer *l)
{
	const char *marks =
		l->dialect == SQL_MYSQL ? "~!@^&|?+-*/%<>=:.,;()[]{}" : "~!@#^&|`?+-*/%<>=:.,;()[]";

	/* The end of a comment that nobody opened. */
	if (*l->at == '*' && peek(l, 1) == '/')
		return TOKEN_DOUBT;
	if (!*l->at || !strchr(marks, *l->at))
		return TOKEN_DOUBT;
	l->at++;
	return TOKEN_MARK;
}

static enum token_kind scan(struct lexer *l)
{
	char c = peek(l, 0);
	int prefix;

	if (is_space(c)) {
		while (is_space(peek(l, 0)))
			l->at++;
		return TOKEN_SPACE;
	}
	if (c == '/' && peek(l, 1) == '*')
		return is_executable_comment(l) ? executable_comment(l) : comment(l);
	if (is_line_comment(l))
		return line_comment(l);
	prefix = string_prefix(l);
	if (prefix >= 0)
		return string(l, (size_t)prefix);
	if (c == (l->dialect == SQL_MYSQL ? '`' : '"'))
		return quoted_name(l);
	if (c == '$')
		return dollar(l);
	if (is_digit(c) || (c == '.' && is_digit(peek(l, 1))))
		return number(l);
	if (begins_word(c))
		return word(l);
	return mark(l);
}

struct token lexer_next(struct lexer *l)
{
	struct token t = { .kind = TOKEN_END, .text = l->at };

	if (l->at == l->end)
		return t;
	/* A backtick that may be the second half of the character before it. */
	if (*l->at == '`' && l->at > l->begin && is_wide(l->at[-1]))
		t.kind = TOKEN_DOUBT;
	else
		t.kind = scan(l);
	t.len = (size_t)(l->at - t.text);
	return t;
}
