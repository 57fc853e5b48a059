// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a statement.  The first byte chooses dialect and settings of a server; a
 * plain reader for just those settings, which shares nothing with the lexer, marks what
 * that server takes for data or for a comment.  Those bytes are replaced by canaries, and
 * none of them may come out of the redactor, which does not know the settings.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define LEN_MAX 2048

struct server {
	bool mysql;
	bool escapes;	    /* a backslash is special in every string */
	bool ansi;	    /* MySQL: ".." is a name */
	bool runs_comments; /* MySQL: what is in an executable comment counts */
	bool gbk;	    /* the client's character set */
	bool in_comment;    /* such a comment is open */
	bool in_e;	    /* PostgreSQL: the last string was E'', and may go on */
	char *at, *end;
};

static bool is(const struct server *s, const char *p, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(s->end - p) >= n && !memcmp(p, what, n);
}

static bool in_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of the character at `p`. */
static size_t step(const struct server *s, const char *p)
{
	unsigned char a = (unsigned char)p[0], b;

	if (!s->gbk || a < 0x81 || a == 0xff || p + 1 == s->end)
		return 1;
	b = (unsigned char)p[1];
	return b >= 0x40 && b != 0x7f && b != 0xff ? 2 : 1;
}

static void mark(char *from, const char *to)
{
	for (; from < to; from++) {
		if (is_digit(*from))
			*from = '7';
		else if ((*from | 0x20) >= 'a' && (*from | 0x20) <= 'z')
			*from = *from & 0x20 ? 'q' : 'Q';
	}
}

/* To behind the closing quote, or to the end. */
static char *skip_quoted(const struct server *s, char *p, bool escapes)
{
	char quote = *p++;

	while (p < s->end) {
		if (escapes && *p == '\\' && p + 1 < s->end) {
			p += 1 + step(s, p + 1);
		} else if (*p != quote) {
			p += step(s, p);
		} else if (p + 1 < s->end && p[1] == quote) {
			p += 2;
		} else {
			return p + 1;
		}
	}
	return s->end;
}

static bool read_space(struct server *s)
{
	if (!strchr(" \t\n\v\f\r", *s->at))
		return false;
	s->at++;
	return true;
}

static bool read_line_comment(struct server *s)
{
	char *p = s->at;

	if (s->mysql && *p == '#')
		p++;
	else if (is(s, p, "--") && (!s->mysql || p + 2 == s->end || (unsigned char)p[2] <= ' '))
		p += 2;
	else
		return false;
	while (p < s->end && *p != '\n' && (s->mysql || *p != '\r'))
		p++;
	mark(s->at, p);
	s->at = p;
	return true;
}

static bool read_comment(struct server *s)
{
	size_t depth = 1;
	char *p = s->at, *content = p + 3;

	if (s->in_comment && is(s, p, "*/")) {
		s->in_comment = false;
		s->at += 2;
		return true;
	}
	if (!is(s, p, "/*"))
		return false;
	p += 2;
	if (s->mysql && s->runs_comments && (is(s, p, "!") || is(s, p, "M!"))) {
		for (p += *p == '!' ? 1 : 2; p < s->end && is_digit(*p);)
			p++;
		s->in_comment = true;
		s->at = p;
		return true;
	}
	while (p < s->end && depth) {
		bool opens = !s->mysql && is(s, p, "/*"), closes = is(s, p, "*/");

		depth += opens;
		depth -= closes;
		p += opens || closes ? 2 : 1;
	}
	/* Its first letter may say what kind of a comment it is. */
	mark(content < p ? content : p, p);
	s->at = p;
	return true;
}

static bool read_string(struct server *s)
{
	char *p = s->at, *end;
	bool escapes = s->escapes;

	if (!s->mysql && is(s, p + 1, "'") && strchr("eEbBxXnN", *p)) {
		escapes = escapes || (*p | 0x20) == 'e';
		p++;
	} else if (!s->mysql && (*p | 0x20) == 'u' && is(s, p + 1, "&'")) {
		escapes = false;
		p += 2;
	} else if (*p == '\'') {
		escapes = escapes || s->in_e;
	} else if (*p != '"' || !s->mysql || s->ansi) {
		return false;
	}
	end = skip_quoted(s, p, escapes);
	mark(p, end);
	s->at = end;
	s->in_e = !s->mysql && escapes;
	return true;
}

static bool read_quoted_name(struct server *s)
{
	if (*s->at != (s->mysql ? '`' : '"') && !(s->mysql && s->ansi && *s->at == '"'))
		return false;
	s->at = skip_quoted(s, s->at, false);
	return true;
}

/* $1, or a `$` that begins nothing. */
static bool read_param(struct server *s)
{
	if (s->mysql || *s->at != '$')
		return false;
	for (s->at++; s->at < s->end && is_digit(*s->at);)
		s->at++;
	return true;
}

static bool read_dollar_quoted(struct server *s)
{
	char *p = s->at + 1, *close;
	size_t tag;

	if (s->mysql || *s->at != '$' || p == s->end || is_digit(*p))
		return false;
	while (p < s->end && *p != '$' && in_name(*p))
		p++;
	if (p == s->end || *p != '$')
		return false;
	tag = (size_t)(++p - s->at);
	close = memmem(p, (size_t)(s->end - p), s->at, tag);
	mark(p, close ? close : s->end);
	s->at = close ? close + tag : s->end;
	return true;
}

static bool read_word(struct server *s)
{
	char *p = s->at;
	bool number = is_digit(*p) || (*p == '.' && p + 1 < s->end && is_digit(p[1]));

	if (*p == '.')
		p++;
	if (!number && !in_name(*s->at))
		return false;
	for (; p < s->end && in_name(*p) && (s->mysql || !number || *p != '$'); p += step(s, p)) {
		number = number && (is_digit(*p) || *p == '_');
		if (number && *p != '0' && *p != '_')
			*p = '7';
	}
	s->at = p;
	return true;
}

/* The token at s->at, as this server would read it. */
static void read_one(struct server *s)
{
	bool was_e = s->in_e;

	if (read_space(s) || read_line_comment(s))
		return;
	if (read_comment(s))
		return;
	s->in_e = was_e && *s->at == '\'';
	if (read_string(s))
		return;
	s->in_e = false;
	if (!read_quoted_name(s) && !read_dollar_quoted(s) && !read_param(s) && !read_word(s))
		s->at++;
}

/* So that every canary is ours. */
static void take_canaries_out(char *text, size_t len)
{
	static const char theirs[] = "qzQZ79", ours[] = "abAB12";

	for (size_t i = 0; i < len; i++) {
		const char *found = text[i] ? strchr(theirs, text[i]) : NULL;

		if (found)
			text[i] = ours[found - theirs];
	}
}

static void check(const struct server *s, const char *text, size_t len, bool cut, size_t room)
{
	char out[LEN_MAX + 8], id[SQL_TRACE_ID_LEN];
	size_t n = sql_redact(s->mysql ? SQL_MYSQL : SQL_POSTGRESQL, text, len, cut, out, room);

	if (n >= room || strlen(out) != n || n > len + 4 || !text_is_plain(out, n))
		abort();
	if (strpbrk(out, "qzQZ79"))
		abort();
	if (sql_trace_id(text, len, id) && strspn(id, "0123456789abcdef") != sizeof(id) - 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t len = size ? size - 1 : 0;
	struct server s;
	char *text;

	if (!size || len > LEN_MAX)
		return 0;
	/* Of its exact size, for the sanitizer to see a step too far. */
	text = malloc(len + !len);
	if (!text)
		return 0;
	memcpy(text, bytes + 1, len);
	take_canaries_out(text, len);
	s = (struct server){
		.mysql = bytes[0] & 1,
		.escapes = bytes[0] & 2,
		.ansi = bytes[0] & 4,
		.runs_comments = bytes[0] & 8,
		.gbk = bytes[0] & 16,
		.at = text,
		.end = text + len,
	};
	while (s.at < s.end)
		read_one(&s);
	check(&s, text, len, bytes[0] & 32, LEN_MAX + 8);
	check(&s, text, len, bytes[0] & 32, 1 + len / 2);
	free(text);
	return 0;
}
