/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements out of a grammar, with canaries wherever data can stand.
 *
 * A canary is made of bytes that the grammar uses nowhere else, so that a single one
 * of them in an output is a leak.  Each statement is correct under one combination of
 * settings, drawn by lot, of which the redactor knows nothing.
 */
#ifndef PLIMSOLL_TESTS_CANARY_KIT_H
#define PLIMSOLL_TESTS_CANARY_KIT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "sql.h"

#define CANARY_BYTES "qzQZ79\xc3\x9f\xff"

struct draw {
	uint64_t seed;
	enum sql_dialect dialect;
	bool escapes;  /* a backslash is special in '..', and in MySQL's ".." */
	bool ansi;     /* MySQL: ".." is a name */
	bool gbk;      /* the client's character set has 0x815c for a character */
	bool hp8;      /* it has 0xff for a space, and `--` and a space begin a comment */
	bool doubtful; /* something was drawn that may be read in two ways */
	size_t len;
	char text[8192];
};

/* splitmix64: the same statements for the same seed, everywhere. */
static inline uint32_t roll(struct draw *d, uint32_t sides)
{
	uint64_t x = d->seed += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)((x ^ x >> 31) >> 32) % sides;
}

static inline void add(struct draw *d, const char *s)
{
	size_t n = strlen(s);

	if (d->len + n < sizeof(d->text)) {
		memcpy(d->text + d->len, s, n + 1);
		d->len += n;
	}
}

#define PICK(d, ...)                                                                               \
	(((const char *const[]){                                                                   \
		__VA_ARGS__ })[roll(d, ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))])

static inline void add_canary(struct draw *d)
{
	for (uint32_t n = 1 + roll(d, 8); n; n--)
		add(d, PICK(d, "q", "z", "Q", "Z", "7", "9", "ß"));
}

static inline void add_digits(struct draw *d)
{
	for (uint32_t n = 1 + roll(d, 6); n; n--)
		add(d, PICK(d, "7", "9"));
}

/* One piece of what stands between `quote`s; what it looks like it is not. */
static inline void add_piece(struct draw *d, char quote, bool escapes)
{
	char doubled[] = { quote, quote, '\0' }, escaped[] = { '\\', quote, '\0' };

	switch (roll(d, 8)) {
	case 0:
		add(d, doubled);
		break;
	case 1:
		add(d, quote == '\'' ? "\"" : "'");
		break;
	case 2:
		add(d, PICK(d, "--", "/*", "*/", "#", "$$", "$q$", "`", ";", ",", "(", ")", "@",
			    "%s"));
		break;
	case 3:
		add(d, PICK(d, " ", "\n", "\t", "\r\n", "\xff", "?", ":", "=", "/*!", "-- "));
		break;
	case 4:
		d->doubtful = true;
		if (escapes)
			add(d, roll(d, 2) ? escaped : PICK(d, "\\\\", "\\n", "\\0", "\\\\\\\\"));
		else
			add(d, PICK(d, "\\", "\\\\", "\\\\\\"));
		break;
	case 5:
		if (d->gbk) {
			d->doubtful = true;
			add(d, PICK(d, "\x81\\", "\x81`", "\x81\\\\\\", "\x81q"));
		}
		break;
	default:
		add_canary(d);
	}
}

static inline void add_quoted(struct draw *d, const char *prefix, char quote, bool escapes)
{
	char mark[] = { quote, '\0' };

	add(d, prefix);
	add(d, mark);
	for (uint32_t n = roll(d, 6); n; n--)
		add_piece(d, quote, escapes);
	add_canary(d);
	if (!escapes && roll(d, 8) == 0) {
		add(d, "\\");
		d->doubtful = true;
	}
	add(d, mark);
}

static inline void add_dollar_quoted(struct draw *d)
{
	const char *tag = PICK(d, "$$", "$a$", "$body$", "$_1$", "$\xc3\xa4$");

	add(d, tag);
	for (uint32_t n = roll(d, 5); n; n--)
		add(d, PICK(d, "'", "\"", "\\", "--", "/*", "*/", "$b$q", "$ q", "q;", "7, "));
	add_canary(d);
	add(d, tag);
}

static inline void add_number(struct draw *d)
{
	static const char *const before[] = { "", "-", "+", "0x", "0X", ".", "0b", "0o" };
	uint32_t form = roll(d, ARRAY_SIZE(before));

	add(d, before[form]);
	add_digits(d);
	if (form > 2)
		return;
	if (roll(d, 3) == 0) {
		add(d, PICK(d, ".", "_"));
		add_digits(d);
	}
	if (roll(d, 3) == 0) {
		add(d, PICK(d, "e", "E-", "e+", "e-"));
		add_digits(d);
	}
}

/* What an executable comment holds is text of the statement or nothing, by version. */
static inline void add_comment(struct draw *d)
{
	bool mysql = d->dialect == SQL_MYSQL;

	switch (roll(d, mysql ? 6 : 4)) {
	case 0:
		add(d, PICK(d, "/*", "/* it's ", "/* \"", "/*+ ", "/* `", "/* $$ ", "/* -- "));
		d->doubtful = true;
		add_canary(d);
		add(d, " */");
		return;
	case 1:
		d->doubtful |= d->hp8;
		add(d, d->hp8 ? "--\xff'"
			      : PICK(d, "-- ", "--\t", "-- '", "-- \"", "-- /*", "-- $$"));
		add_canary(d);
		add(d, PICK(d, "\n", "\r\n"));
		return;
	case 2:
		add(d, "/*");
		add_canary(d);
		add(d, "*/");
		return;
	case 3:
		d->doubtful |= mysql;
		add(d, mysql ? "/*a /* q*/" : "/*a /* q */ ' /* z */ \" z*/");
		return;
	case 4:
		add(d, PICK(d, "#", "# '", "#\"", "#/*"));
		add_canary(d);
		add(d, "\n");
		return;
	default:
		d->doubtful = true;
		add(d, PICK(d, "/*!", "/*!50000 ", "/*M!100100 "));
		add_quoted(d, "", '\'', d->escapes);
		add(d, " */");
	}
}

static inline void add_gap(struct draw *d)
{
	uint32_t r = roll(d, 16);

	add(d, r == 0 ? "\n" : r == 1 ? " \t " : " ");
	if (r == 2)
		add_comment(d);
}

static inline void add_string(struct draw *d)
{
	const char *prefix;

	if (d->dialect == SQL_POSTGRESQL) {
		prefix = PICK(d, "", "", "E", "e", "U&", "u&", "N", "n", "date ", "json");
		add_quoted(d, prefix, '\'',
			   d->escapes ? *prefix != 'U' && *prefix != 'u' : (*prefix | 0x20) == 'e');
		if ((*prefix == 'U' || *prefix == 'u') && roll(d, 2))
			add(d, PICK(d, " uescape '!'", "UESCAPE'q'", "\nuescape\n'Z'"));
		return;
	}
	prefix = PICK(d, "", "", "N", "n", "_utf8mb4", "_binary ", "_latin1", "date ", "@", "{d ");
	add_quoted(d, prefix,
		   *prefix == 'N' || *prefix == 'n' || d->ansi || roll(d, 2) ? '\'' : '"',
		   d->escapes);
}

/* What goes on behind a line's end goes on as it began: E'' too. */
static inline void add_continued(struct draw *d)
{
	const char *prefix = d->dialect == SQL_POSTGRESQL ? PICK(d, "", "E", "e") : "";
	bool escapes = d->escapes || *prefix;

	for (uint32_t n = 1 + roll(d, 2); n; n--, prefix = "") {
		add_quoted(d, prefix, '\'', escapes);
		add(d, PICK(d, "\n", " \n ", " -- q\n", "\r\n\t"));
	}
	add_quoted(d, "", '\'', escapes);
}

static inline void add_literal(struct draw *d)
{
	switch (roll(d, 6)) {
	case 0:
		add_number(d);
		return;
	case 1:
		if (d->dialect == SQL_MYSQL)
			add(d, PICK(d, "", "", "_utf8mb4 ", "_binary"));
		add(d, PICK(d, "x'", "X'", "b'", "B'"));
		add_digits(d);
		add(d, "'");
		return;
	case 2:
		if (d->dialect == SQL_POSTGRESQL) {
			add_dollar_quoted(d);
			return;
		}
		break;
	case 3:
		add_continued(d);
		return;
	default:
		break;
	}
	add_string(d);
}

static inline void add_name(struct draw *d)
{
	if (d->dialect == SQL_MYSQL)
		add(d, roll(d, 16)
			       ? PICK(d, "a", "t.b", "`c`", "`it's`", "`a\"b`", "_utf8", "n", "x")
		       : d->ansi ? PICK(d, "\"it's\"", "\"a\\\"", "\"a`b\"")
				 : "b");
	else
		add(d, PICK(d, "a", "t.b", "\"c\"", "\"it's\"", "\"a\\\"", "u", "e", "n", "b$a$b",
			    "U&\"it's\"", "u&\"a\\0061\""));
	d->doubtful |= d->ansi;
}

static inline void add_list(struct draw *d)
{
	add(d, "(");
	for (uint32_t n = roll(d, 4); n; n--) {
		add_literal(d);
		add(d, PICK(d, ",", ", ", " , "));
	}
	add_literal(d);
	add(d, ")");
}

static inline void add_where(struct draw *d)
{
	for (uint32_t n = roll(d, 3); n; n--) {
		add_gap(d);
		add(d, PICK(d, "where ", "and ", "or not "));
		if (roll(d, 16) == 0) {
			/* With nothing between a name and what is said of it. */
			add_quoted(d, d->dialect == SQL_MYSQL ? PICK(d, "a", "`c`", "1", "a1")
							      : PICK(d, "a", "t.a", "$1", "1"),
				   '\'', d->escapes);
			continue;
		}
		add_name(d);
		if (roll(d, 3) == 0) {
			add(d, " in ");
			add_list(d);
			continue;
		}
		add(d, PICK(d, "=", " = ", "<>", " like ", " < ", "+", "- "));
		add_literal(d);
	}
}

/* Statements that carry secrets, some of them as bare words. */
static inline void add_credentials(struct draw *d)
{
	d->doubtful = true;
	if (roll(d, 3) == 0) {
		add(d, PICK(d, "set app.k = ", "set local app.k to ", "SET a=", "set @a := b, c = ",
			    "alter system set a = ", "alter database d set a.b to "));
		add_canary(d);
		return;
	}
	add(d, PICK(d, "alter role r password ", "create user u identified by ", "do ",
		    "set password for u = ", "create subscription s connection ",
		    "copy t from program ", "change master to master_password=",
		    "create server s foreign data wrapper w options (a ",
		    "create user mapping for u server s options (password ",
		    "grant all on t to u identified by ", "select dblink("));
	add_quoted(d, "", '\'', d->escapes);
	add(d, PICK(d, "", ")", " ", ";"));
}

static inline void add_statement(struct draw *d)
{
	switch (roll(d, 8)) {
	case 0:
		add_credentials(d);
		return;
	case 1:
	case 2:
		add(d, PICK(d, "insert into t values ", "INSERT INTO t (a, b)\nVALUES "));
		add_list(d);
		if (roll(d, 2)) {
			add(d, ", ");
			add_list(d);
		}
		return;
	case 3:
		add(d, "update t set ");
		add_name(d);
		add(d, " = ");
		add_literal(d);
		break;
	case 4:
		add(d, "delete from t");
		break;
	default:
		add(d, PICK(d, "select ", "SELECT ", "with c as (select a) select "));
		add_name(d);
		add(d, ",");
		add_gap(d);
		add_literal(d);
		add(d, " from t");
	}
	add_where(d);
	add(d, PICK(d, "", "", " limit 7", " order by a", " -- q\n", " /* z */", ";", "; "));
}

/* The statement that belongs to `seed`. */
static inline void draw(struct draw *d, enum sql_dialect dialect, uint64_t seed)
{
	d->seed = seed * 2 + dialect;
	d->dialect = dialect;
	d->escapes = roll(d, 2);
	d->ansi = dialect == SQL_MYSQL && roll(d, 4) == 0;
	d->gbk = roll(d, 8) == 0;
	d->hp8 = dialect == SQL_MYSQL && roll(d, 16) == 0;
	d->doubtful = d->gbk;
	d->len = 0;
	if (roll(d, 8) == 0)
		add_comment(d);
	add_statement(d);
	if (roll(d, 8) == 0) {
		add(d, "; ");
		add_statement(d);
	}
	if (roll(d, 16) == 0)
		add(d, "\n-- it's q");
}

#endif
