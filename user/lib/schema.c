// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "lib/schema.h"

#define WORD_MAX 32 /* longer words are not compared */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters to add, drop or change between two words (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	size_t line[WORD_MAX + 1];

	if (rows > WORD_MAX || columns > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= columns; j++)
		line[j] = j;
	for (size_t i = 1; i <= rows; i++) {
		size_t diagonal = line[0];

		line[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t above = line[j];

			line[j] = least(above + 1, line[j - 1] + 1,
					diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return line[columns];
}

/* Two letters in three must be right for a guess to help. */
void schema_guess_offer(struct schema_guess *g, const char *word)
{
	size_t d = distance(g->wanted, word);

	if (d > 2 || 3 * d > strlen(word))
		return;
	if (g->nearest && d >= g->distance)
		return;
	g->nearest = word;
	g->distance = d;
}

int schema_unknown(const struct yaml_report *r, const struct yaml_node *node, const char *what,
		   const struct schema_guess *g)
{
	if (g->nearest)
		return yaml_fail(r, node, "unknown %s '%s' (did you mean '%s'?)", what, g->wanted,
				 g->nearest);
	return yaml_fail(r, node, "unknown %s '%s'", what, g->wanted);
}

static bool is_nothing(const struct yaml_node *n)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (n->kind != YAML_SCALAR || !n->plain)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
		if (!strcmp(n->text, nulls[i]))
			return true;
	return false;
}

int schema_kind(const struct yaml_report *r, const struct yaml_node *node, enum yaml_kind kind)
{
	static const char *const names[] = {
		[YAML_SCALAR] = "a single value",
		[YAML_SEQUENCE] = "a list",
		[YAML_MAPPING] = "a mapping",
	};

	if (is_nothing(node))
		return yaml_fail(r, node, "expected %s, found nothing", names[kind]);
	if (node->kind != kind)
		return yaml_fail(r, node, "expected %s, found %s", names[kind], names[node->kind]);
	return 0;
}

int schema_mapping(const struct yaml_report *r, const struct yaml_node *node,
		   const struct schema_key *keys, void *into)
{
	int err = schema_kind(r, node, YAML_MAPPING);

	for (const struct yaml_node *n = node->first; !err && n; n = n->next) {
		struct schema_guess guess = { .wanted = n->text };
		const struct schema_key *k = keys;

		for (; k->name && strcmp(k->name, n->text); k++)
			schema_guess_offer(&guess, k->name);
		if (!k->name)
			return schema_unknown(r, n, "key", &guess);
		err = k->read(r, n->value, into);
	}
	return err;
}

int schema_sequence(const struct yaml_report *r, const struct yaml_node *node, schema_fn read,
		    void *into)
{
	int err = schema_kind(r, node, YAML_SEQUENCE);

	for (const struct yaml_node *n = node->first; !err && n; n = n->next)
		err = read(r, n, into);
	return err;
}

int schema_text(const struct yaml_report *r, const struct yaml_node *node)
{
	int err = schema_kind(r, node, YAML_SCALAR);

	if (err < 0)
		return err;
	if (!node->text[0])
		return yaml_fail(r, node, "must not be empty");
	return 0;
}

int schema_field(const struct yaml_report *r, const struct yaml_node *node, char *out,
		 size_t out_size)
{
	int err = schema_text(r, node);

	if (err < 0)
		return err;
	if (strlen(node->text) >= out_size)
		return yaml_fail(r, node, "longer than %zu bytes", out_size - 1);
	(void)snprintf(out, out_size, "%s", node->text);
	return 0;
}

int schema_param(const struct yaml_report *r, const struct yaml_node *node, const struct param *p,
		 void *conf)
{
	bool word = p->type == PARAM_UINT || p->type == PARAM_BOOL;
	char clause[128];
	int err = schema_text(r, node);

	if (err < 0)
		return err;
	if (word && !node->plain)
		return yaml_fail(r, node, "%s: expected %s without quotes", p->name,
				 p->type == PARAM_UINT ? "a number" : "true or false");
	if (param_parse(p, conf, node->text, clause, sizeof(clause)) < 0)
		return yaml_fail(r, node, "%s: %s, found '%s'", p->name, clause, node->text);
	return 0;
}
