// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "sql/secret.h"

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

#define IS(word, ...)                                                                              \
	is_one_of(word, (const char *const[]){ __VA_ARGS__ },                                      \
		  ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

/* In upper case; "" where it is longer than any word that we look for. */
static void word_of(const struct token *t, char ret[static SECRET_WORD_LEN])
{
	size_t n = t->kind == TOKEN_WORD && t->len < SECRET_WORD_LEN ? t->len : 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)(t->text[i] >= 'a' && t->text[i] <= 'z' ? t->text[i] - 0x20
								       : t->text[i]);
	ret[n] = '\0';
}

/* CREATE [OR REPLACE] what? */
static enum verdict object(struct secret *s, const char *word)
{
	if (s->has_object || IS(word, "OR", "REPLACE"))
		return VERDICT_SHOW;
	s->has_object = true;
	return IS(word, "USER", "ROLE", "GROUP", "SUBSCRIPTION", "SERVER", "FOREIGN")
		       ? VERDICT_DOUBT
		       : VERDICT_SHOW;
}

static enum verdict value(const char *word)
{
	return IS(word, "TRUE", "FALSE", "NULL", "ON", "OFF", "DEFAULT") ? VERDICT_SHOW
									 : VERDICT_HIDE;
}

static enum verdict judge_word(struct secret *s, const char *word)
{
	bool first = !*s->lead;

	if (first)
		memcpy(s->lead, *word ? word : "?", *word ? strlen(word) + 1 : 2);
	if (IS(word, "PASSWORD", "IDENTIFIED"))
		return VERDICT_DOUBT;
	if (first) {
		s->has_set = IS(word, "SET");
		return IS(word, "DO", "CHANGE") ? VERDICT_DOUBT : VERDICT_SHOW;
	}
	if (IS(s->lead, "CREATE", "ALTER") && object(s, word) == VERDICT_DOUBT)
		return VERDICT_DOUBT;
	if (IS(s->lead, "COPY") && IS(word, "PROGRAM"))
		return VERDICT_DOUBT;
	if (s->in_value)
		return value(word);
	if (IS(s->lead, "ALTER") && IS(word, "SET"))
		s->has_set = true;
	s->in_value = s->has_set && IS(word, "TO");
	return VERDICT_SHOW;
}

static enum verdict judge_mark(struct secret *s, enum sql_dialect dialect, char mark)
{
	if (mark == '(' && IS(s->last, "OPTIONS"))
		return VERDICT_DOUBT;
	if (mark == ';')
		*s = (struct secret){};
	else if (mark == '=')
		s->in_value = s->has_set;
	else if (mark == ',' && dialect == SQL_MYSQL)
		s->in_value = false; /* SET a = 1, b = 2 */
	return VERDICT_SHOW;
}

enum verdict secret_judge(struct secret *s, enum sql_dialect dialect, const struct token *t)
{
	enum verdict v = VERDICT_SHOW;
	char text[SECRET_WORD_LEN];

	word_of(t, text);
	if (t->kind == TOKEN_WORD)
		v = judge_word(s, text);
	else if (t->kind == TOKEN_MARK)
		v = judge_mark(s, dialect, *t->text);
	else if (t->kind == TOKEN_NAME && s->in_value)
		v = VERDICT_HIDE;
	memcpy(s->last, text, sizeof(text));
	return v;
}
