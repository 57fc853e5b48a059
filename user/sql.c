// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Redaction: what is shown is chosen token by token, and a token is shown only when
 * it is known not to be data.  What cannot be told apart is not shown at all.
 */
#include <string.h>

#include "sql.h"
#include "sql/lexer.h"
#include "sql/secret.h"

#define REST	    "…"
#define REST_LEN    (sizeof(REST) - 1)
#define KEYWORD_MAX 16

struct shape {
	char *out;
	size_t size, len;
	bool gap;	    /* white space was read since the last token */
	bool after_literal; /* the last token shown was a literal */
	bool full;	    /* something did not fit, nothing after it is shown */
	bool has_word;
	char keyword[KEYWORD_MAX + 1]; /* the first word; "" when it is no keyword */
};

/* Always leaves room for " …" and the end. */
static void show(struct shape *s, const char *text, size_t len)
{
	size_t gap = s->gap && s->len;

	s->gap = false;
	s->after_literal = false;
	if (s->full || s->len + gap + len + 1 + REST_LEN + 1 > s->size) {
		s->full = true;
		return;
	}
	if (gap)
		s->out[s->len++] = ' ';
	memcpy(s->out + s->len, text, len);
	s->len += len;
}

/* Literals side by side are one: a string may go on after white space. */
static void show_literal(struct shape *s)
{
	if (s->after_literal)
		s->gap = false;
	else
		show(s, "?", 1);
	s->after_literal = true;
}

static size_t before_spaces(const struct shape *s, size_t i)
{
	while (i && s->out[i - 1] == ' ')
		i--;
	return i;
}

/* A list of literals that is about to be closed becomes a list of one. */
static void fold_list(struct shape *s)
{
	size_t i = before_spaces(s, s->len);
	unsigned int items = 0;

	while (i && s->out[i - 1] == '?') {
		items++;
		i = before_spaces(s, i - 1);
		if (!i || s->out[i - 1] != ',')
			break;
		i = before_spaces(s, i - 1);
	}
	if (items < 2 || !i || s->out[i - 1] != '(' || s->full)
		return;
	s->out[i] = '?';
	s->len = i + 1;
	s->gap = false;
}

/* Letters only: anything else that stands first is no keyword and may be data. */
static void note_keyword(struct shape *s, const struct token *t)
{
	char c;

	if (s->has_word)
		return;
	s->has_word = true;
	if (t->len > KEYWORD_MAX)
		return;
	for (size_t i = 0; i < t->len; i++) {
		c = (char)(t->text[i] & ~0x20);
		if (c < 'A' || c > 'Z') {
			s->keyword[0] = '\0';
			return;
		}
		s->keyword[i] = c;
	}
}

static void show_token(struct shape *s, const struct token *t, enum verdict v)
{
	if (t->kind == TOKEN_LITERAL || v == VERDICT_HIDE) {
		show_literal(s);
		return;
	}
	if (t->kind == TOKEN_MARK && *t->text == ')')
		fold_list(s);
	show(s, t->text, t->len);
}

/* Whether all of it was understood. */
static bool shape_of(struct shape *s, struct lexer *l)
{
	struct secret secret = {};
	enum verdict v;

	for (;;) {
		struct token t = lexer_next(l);

		if (t.kind == TOKEN_DOUBT)
			return false;
		if (t.kind == TOKEN_END)
			return true;
		if (t.kind == TOKEN_SPACE) {
			s->gap = true;
			continue;
		}
		/* It may go on, and then be another. */
		if (l->cut && l->at == l->end)
			return true;
		if (t.kind == TOKEN_WORD)
			note_keyword(s, &t);
		v = secret_judge(&secret, l->dialect, &t);
		if (v == VERDICT_DOUBT)
			return false;
		show_token(s, &t, v);
	}
}

static void show_rest(struct shape *s)
{
	size_t gap = s->len > 0;

	if (s->len + gap + REST_LEN + 1 > s->size)
		return;
	if (gap)
		s->out[s->len++] = ' ';
	memcpy(s->out + s->len, REST, REST_LEN);
	s->len += REST_LEN;
}

size_t sql_redact(enum sql_dialect dialect, const char *in, size_t len, bool cut, char *out,
		  size_t out_size)
{
	const char *nul = memchr(in, '\0', len);
	const char *end = nul ? nul : in + len;
	struct lexer l = {
		.dialect = dialect, .cut = cut || nul, .begin = in, .at = in, .end = end
	};
	struct shape s = { .out = out, .size = out_size };
	bool whole;

	if (!out_size)
		return 0;
	whole = shape_of(&s, &l) && !nul;
	if (!whole) {
		s.len = 0;
		s.gap = s.full = false;
		show(&s, s.keyword, strlen(s.keyword));
	}
	if (!whole || cut || s.full)
		show_rest(&s);
	s.out[s.len] = '\0';
	return s.len;
}
