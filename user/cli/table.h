/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table on a terminal: aligned, headed, and no wider than it may be. */
#ifndef PLIMSOLL_CLI_TABLE_H
#define PLIMSOLL_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum align { ALIGN_LEFT, ALIGN_RIGHT };

/* What may go when there is no room: ids and numbers never, of addresses the middle. */
enum cut { CUT_NEVER, CUT_END, CUT_MIDDLE };

enum tone { TONE_PLAIN, TONE_WARN, TONE_BAD };

struct column {
	const char *head;
	enum align align;
	enum cut cut;
};

struct style {
	size_t width;
	bool utf8;	/* the terminal shows it: an ellipsis may be one character */
	bool colour;
};

/* The text of a cell, held by value so that a row is one initializer. */
struct cell {
	char text[256];
};

struct table;

/* `columns` must outlive the table.  0 or -ENOMEM. */
int table_new(struct table **ret, const struct column *columns, size_t count);
void table_free(struct table *t);

/*
 * Adds a row of as many cells as there are columns; the texts are copied and
 * escaped.  `note` is a line under the row, or NULL.  0 or -ENOMEM.
 */
int table_add(struct table *t, const struct cell *cells, enum tone tone, const char *note);

/* Prints the head and every row. */
void table_print(const struct table *t, const struct style *style, FILE *out);

/* Columns that `text` (valid UTF-8) takes on the terminal. */
size_t text_columns(const char *text);

/* `text` in at most `width` columns; cut where `cut` says (never: at the end). */
void text_fit(const char *text, size_t width, enum cut cut, bool utf8, char *out, size_t out_size);

#endif
