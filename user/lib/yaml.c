// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Built on libyaml's events, not on its documents: only events still know of
 * anchors and tags, and only here can a level or a key too many be refused before
 * memory is spent on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "lib/cleanup.h"
#include "lib/text.h"
#include "lib/yaml.h"

struct builder {
	const struct yaml_report *report;
	const unsigned char *bytes;
	yaml_parser_t parser;
	struct yaml_node *open[YAML_DEPTH]; /* the containers around the next node */
	size_t depth;
	struct yaml_node *root;
	unsigned documents;
};

static void write_why(const struct yaml_report *r, const char *line)
{
	text_escape(line, r->why, r->why_size);
}

int yaml_fail(const struct yaml_report *r, const struct yaml_node *at, const char *fmt, ...)
{
	char reason[512], line[1024];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	(void)snprintf(line, sizeof(line), "%s:%zu:%zu: %s", r->file, at->line, at->column, reason);
	write_why(r, line);
	return -EINVAL;
}

static int fail_without_place(const struct yaml_report *r, int err, const char *what)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "%s: %s", r->file, what);
	write_why(r, line);
	return err;
}

void yaml_tree_free(struct yaml_node *root)
{
	struct yaml_node *next;

	if (!root)
		return;
	for (struct yaml_node *child = root->first; child; child = next) {
		next = child->next;
		yaml_tree_free(child);
	}
	yaml_tree_free(root->value);
	free(root->text);
	free(root);
}

static struct yaml_node place(const yaml_mark_t *mark)
{
	return (struct yaml_node){ .line = mark->line + 1, .column = mark->column + 1 };
}

/* The reader counts bytes where the parser counts lines. */
static struct yaml_node place_of_byte(const struct builder *b, size_t offset)
{
	struct yaml_node at = { .line = 1, .column = 1 };

	for (size_t i = 0; i < offset; i++) {
		if (b->bytes[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if ((b->bytes[i] & 0xc0) != 0x80) {
			at.column++;
		}
	}
	return at;
}

static int parser_failed(const struct builder *b)
{
	const yaml_parser_t *p = &b->parser;
	struct yaml_node at = place(&p->problem_mark);
	bool utf8 = p->problem && strstr(p->problem, "UTF-8");

	if (p->error == YAML_MEMORY_ERROR)
		return fail_without_place(b->report, -ENOMEM, "out of memory");
	if (p->error == YAML_READER_ERROR) {
		at = place_of_byte(b, p->problem_offset);
		return yaml_fail(b->report, &at, "%s%s", utf8 ? "not UTF-8: " : "", p->problem);
	}
	if (p->context)
		return yaml_fail(b->report, &at, "%s, %s", p->problem, p->context);
	return yaml_fail(b->report, &at, "%s", p->problem);
}

static int add_key(const struct builder *b, struct yaml_node *mapping, struct yaml_node *key)
{
	if (key->kind != YAML_SCALAR)
		return yaml_fail(b->report, key, "a key must be text, not a list or mapping");
	if (mapping->count == YAML_KEYS)
		return yaml_fail(b->report, key, "more than %d keys in one mapping", YAML_KEYS);
	for (const struct yaml_node *k = mapping->first; k; k = k->next)
		if (!strcmp(k->text, key->text))
			return yaml_fail(b->report, key, "duplicate key '%s' (first on line %zu)",
					 key->text, k->line);
	return 0;
}

/* Hangs `n` where the next node belongs.  On failure it is still the caller's. */
static int add(struct builder *b, struct yaml_node *n)
{
	struct yaml_node *around = b->depth ? b->open[b->depth - 1] : NULL;
	int r;

	if (!around) {
		b->root = n;
		return 0;
	}
	if (around->kind == YAML_MAPPING && around->last && !around->last->value) {
		around->last->value = n;
		return 0;
	}
	if (around->kind == YAML_MAPPING) {
		r = add_key(b, around, n);
		if (r < 0)
			return r;
	}
	if (around->last)
		around->last->next = n;
	else
		around->first = n;
	around->last = n;
	around->count++;
	return 0;
}

static int add_new(struct builder *b, const yaml_event_t *e, enum yaml_kind kind, const char *text)
{
	struct yaml_node *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return fail_without_place(b->report, -ENOMEM, "out of memory");
	*n = place(&e->start_mark);
	n->kind = kind;
	if (text) {
		n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		n->text = strdup(text);
		if (!n->text) {
			free(n);
			return fail_without_place(b->report, -ENOMEM, "out of memory");
		}
	}
	r = add(b, n);
	if (r < 0)
		yaml_tree_free(n);
	else if (!text)
		b->open[b->depth++] = n;
	return r;
}

static int refuse_extras(const struct builder *b, const yaml_event_t *e, const void *anchor,
			 const void *tag)
{
	struct yaml_node at = place(&e->start_mark);

	if (anchor)
		return yaml_fail(b->report, &at, "anchors (&) are not allowed here");
	if (tag)
		return yaml_fail(b->report, &at, "tags (!) are not allowed here");
	return 0;
}

static int take_scalar(struct builder *b, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	struct yaml_node at = place(&e->start_mark);
	int r = refuse_extras(b, e, e->data.scalar.anchor, e->data.scalar.tag);

	if (r < 0)
		return r;
	if (strlen(text) != e->data.scalar.length)
		return yaml_fail(b->report, &at, "text with a NUL character inside");
	return add_new(b, e, YAML_SCALAR, text);
}

static int take_start(struct builder *b, const yaml_event_t *e)
{
	bool mapping = e->type == YAML_MAPPING_START_EVENT;
	const void *anchor = mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
	const void *tag = mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag;
	struct yaml_node at = place(&e->start_mark);
	int r = refuse_extras(b, e, anchor, tag);

	if (r < 0)
		return r;
	if (b->depth == YAML_DEPTH)
		return yaml_fail(b->report, &at, "more than %d levels deep", YAML_DEPTH);
	return add_new(b, e, mapping ? YAML_MAPPING : YAML_SEQUENCE, NULL);
}

static int take_event(struct builder *b, const yaml_event_t *e)
{
	struct yaml_node at = place(&e->start_mark);

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			return yaml_fail(b->report, &at, "more than one document in the file");
		return 0;
	case YAML_ALIAS_EVENT:
		return yaml_fail(b->report, &at,
				 "aliases (*) are not allowed here; "
				 "put a text that begins with * in quotes");
	case YAML_SCALAR_EVENT:
		return take_scalar(b, e);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return take_start(b, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

static int build(struct builder *b)
{
	bool done = false;
	yaml_event_t e;
	int r;

	while (!done) {
		if (!yaml_parser_parse(&b->parser, &e))
			return parser_failed(b);
		done = e.type == YAML_STREAM_END_EVENT;
		r = take_event(b, &e);
		yaml_event_delete(&e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A file of comments alone, with or without a `---`, says nothing and is right. */
static int mend_empty(struct builder *b)
{
	if (!b->root)
		b->root = calloc(1, sizeof(*b->root));
	if (!b->root)
		return fail_without_place(b->report, -ENOMEM, "out of memory");
	if (!b->root->line || (b->root->plain && !b->root->text[0])) {
		free(b->root->text);
		*b->root = (struct yaml_node){ .kind = YAML_MAPPING, .line = 1, .column = 1 };
	}
	return 0;
}

int yaml_tree_parse(const struct yaml_report *r, const void *bytes, size_t size,
		    struct yaml_node **ret)
{
	struct builder b = { .report = r, .bytes = bytes };
	int err;

	if (size > YAML_BYTES)
		return fail_without_place(r, -EFBIG, "larger than 1 MiB");
	/* libyaml would count the byte order mark as a column. */
	if (size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3)) {
		b.bytes += 3;
		size -= 3;
	}
	if (!yaml_parser_initialize(&b.parser))
		return fail_without_place(r, -ENOMEM, "out of memory");
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, b.bytes, size);
	err = build(&b);
	yaml_parser_delete(&b.parser);
	if (!err)
		err = mend_empty(&b);
	if (err < 0) {
		yaml_tree_free(b.root);
		return err;
	}
	*ret = b.root;
	return 0;
}

int yaml_tree_load(const struct yaml_report *r, struct yaml_node **ret)
{
	_free_ unsigned char *bytes = malloc(YAML_BYTES + 1);
	_close_ int fd = open(r->file, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fail_without_place(r, -errno, strerror(errno));
	if (!bytes)
		return fail_without_place(r, -ENOMEM, "out of memory");
	while (n && used <= YAML_BYTES) {
		n = read(fd, bytes + used, YAML_BYTES + 1 - used);
		if (n < 0 && errno != EINTR)
			return fail_without_place(r, -errno, strerror(errno));
		used += n > 0 ? (size_t)n : 0;
	}
	return yaml_tree_parse(r, bytes, used, ret);
}
