// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "cli/table.h"
#include "lib/cleanup.h"
#include "lib/text.h"

#define NARROWEST  5	/* of a column that was cut */
#define CELL_BYTES 512
#define NOTE_INDENT 4

struct row {
	char **cells;
	char *note;
	enum tone tone;
};

struct table {
	const struct column *columns;
	size_t column_count;
	struct row *rows;
	size_t count, capacity;
};

/* --- text ----------------------------------------------------------------- */

/* The character at `s` and its length in bytes; the text is valid UTF-8. */
static size_t decode(const char *s, wchar_t *ret)
{
	const unsigned char *b = (const unsigned char *)s;
	size_t len = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? b[0] : b[0] & (0xffU >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return i;
		c = c << 6 | (b[i] & 0x3fU);
	}
	*ret = (wchar_t)c;
	return len;
}

static size_t char_columns(wchar_t c)
{
	int n = c < 0x80 ? 1 : wcwidth(c);

	return n < 0 ? 1 : (size_t)n;
}

size_t text_columns(const char *text)
{
	size_t n = 0;
	wchar_t c = 0;

	while (*text) {
		text += decode(text, &c);
		n += char_columns(c);
	}
	return n;
}

/* Bytes of `text` that fit into `width` columns. */
static size_t head_bytes(const char *text, size_t width)
{
	size_t used = 0, n = 0;
	wchar_t c = 0;

	while (text[used]) {
		size_t len = decode(text + used, &c);

		n += char_columns(c);
		if (n > width)
			break;
		used += len;
	}
	return used;
}

/* Where the last `width` columns of `text` begin. */
static const char *tail(const char *text, size_t width)
{
	size_t skip = text_columns(text);
	wchar_t c = 0;

	while (*text && skip > width) {
		text += decode(text, &c);
		skip -= char_columns(c);
	}
	return text;
}

void text_fit(const char *text, size_t width, enum cut cut, bool utf8, char *out, size_t out_size)
{
	const char *mark = utf8 ? "\u2026" : "~", *end = "";
	size_t head;

	if (text_columns(text) <= width) {
		(void)snprintf(out, out_size, "%s", text);
		return;
	}
	head = width ? width - 1 : 0;
	if (cut == CUT_MIDDLE) {
		end = tail(text, head / 2);
		head -= head / 2;
	}
	(void)snprintf(out, out_size, "%.*s%s%s", (int)head_bytes(text, head), text,
		       width ? mark : "", end);
}

/* --- the table ------------------------------------------------------------ */

int table_new(struct table **ret, const struct column *columns, size_t count)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->columns = columns;
	t->column_count = count;
	*ret = t;
	return 0;
}

static void free_row(const struct table *t, struct row *row)
{
	for (size_t i = 0; row->cells && i < t->column_count; i++)
		free(row->cells[i]);
	free(row->cells);
	free(row->note);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free_row(t, &t->rows[i]);
	free(t->rows);
	free(t);
}

static int grow(struct table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 64;
	struct row *rows;

	if (t->count < t->capacity)
		return 0;
	rows = reallocarray(t->rows, capacity, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	t->capacity = capacity;
	return 0;
}

static char *escaped(const char *text)
{
	char clean[CELL_BYTES];

	text_escape(text, clean, sizeof(clean));
	return strdup(clean);
}

int table_add(struct table *t, const struct cell *cells, enum tone tone, const char *note)
{
	struct row row = { .tone = tone };
	bool whole;

	if (grow(t) < 0)
		return -ENOMEM;
	row.cells = calloc(t->column_count, sizeof(*row.cells));
	whole = row.cells != NULL;
	for (size_t i = 0; whole && i < t->column_count; i++) {
		row.cells[i] = escaped(cells[i].text);
		whole = row.cells[i] != NULL;
	}
	if (note)
		row.note = escaped(note);
	if (!whole || (note && !row.note)) {
		free_row(t, &row);
		return -ENOMEM;
	}
	t->rows[t->count++] = row;
	return 0;
}

/* --- the layout ----------------------------------------------------------- */

static size_t total(const size_t *widths, size_t count, size_t gap)
{
	size_t sum = gap * (count - 1);

	for (size_t i = 0; i < count; i++)
		sum += widths[i];
	return sum;
}

static void measure(const struct table *t, size_t *widths)
{
	for (size_t i = 0; i < t->column_count; i++) {
		widths[i] = text_columns(t->columns[i].head);
		for (size_t r = 0; r < t->count; r++) {
			size_t n = text_columns(t->rows[r].cells[i]);

			if (n > widths[i])
				widths[i] = n;
		}
	}
}

/* Takes a column from the widest that may lose one; false: none may. */
static bool squeeze(const struct table *t, size_t *widths)
{
	size_t widest = t->column_count;

	for (size_t i = 0; i < t->column_count; i++) {
		if (t->columns[i].cut == CUT_NEVER || widths[i] <= NARROWEST)
			continue;
		if (widest == t->column_count || widths[i] > widths[widest])
			widest = i;
	}
	if (widest == t->column_count)
		return false;
	widths[widest]--;
	return true;
}

/* Wide gaps where there is room for them. */
static size_t lay_out(const struct table *t, const struct style *style, size_t *widths)
{
	measure(t, widths);
	if (total(widths, t->column_count, 2) <= style->width)
		return 2;
	while (total(widths, t->column_count, 1) > style->width && squeeze(t, widths))
		;
	return 1;
}

static void print_cell(const struct column *column, const char *text, size_t width, bool last,
		       const struct style *style, FILE *out)
{
	char fit[CELL_BYTES + 8];
	size_t used;

	if (column->cut == CUT_NEVER)
		(void)snprintf(fit, sizeof(fit), "%s", text);
	else
		text_fit(text, width, column->cut, style->utf8, fit, sizeof(fit));
	used = text_columns(fit);
	if (column->align == ALIGN_RIGHT)
		(void)fprintf(out, "%*s", (int)(width > used ? width - used : 0), "");
	(void)fputs(fit, out);
	/* No blanks at the end of a line. */
	if (column->align == ALIGN_LEFT && !last)
		(void)fprintf(out, "%*s", (int)(width > used ? width - used : 0), "");
}

static void print_note(const char *note, const struct style *style, FILE *out)
{
	char fit[CELL_BYTES + 8];
	size_t width = style->width > NOTE_INDENT ? style->width - NOTE_INDENT : 0;

	text_fit(note, width, CUT_END, style->utf8, fit, sizeof(fit));
	(void)fprintf(out, "%*s%s\n", NOTE_INDENT, "", fit);
}

static void print_row(const struct table *t, const struct row *row, const size_t *widths,
		      size_t gap, const struct style *style, FILE *out)
{
	static const char *const tones[] = { "", "\033[33m", "\033[31m" };
	bool coloured = style->colour && row->tone != TONE_PLAIN;

	(void)fputs(coloured ? tones[row->tone] : "", out);
	for (size_t i = 0; i < t->column_count; i++) {
		(void)fprintf(out, "%*s", (int)(i ? gap : 0), "");
		print_cell(&t->columns[i], row->cells[i], widths[i], i + 1 == t->column_count,
			   style, out);
	}
	(void)fputs(coloured ? "\033[0m\n" : "\n", out);
	if (row->note)
		print_note(row->note, style, out);
}

void table_print(const struct table *t, const struct style *style, FILE *out)
{
	_free_ size_t *widths = calloc(t->column_count, sizeof(*widths));
	_free_ char **heads = calloc(t->column_count, sizeof(*heads));
	struct row head = { .cells = heads };
	size_t gap;

	if (!widths || !heads)
		return;
	for (size_t i = 0; i < t->column_count; i++)
		heads[i] = (char *)(uintptr_t)t->columns[i].head;
	gap = lay_out(t, style, widths);
	print_row(t, &head, widths, gap, style, out);
	for (size_t i = 0; i < t->count; i++)
		print_row(t, &t->rows[i], widths, gap, style, out);
}
