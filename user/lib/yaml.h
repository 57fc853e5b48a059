/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict reading of YAML into a small tree that remembers where each node was
 * written.
 *
 * Refused, each with its place: anchors, aliases, tags, more than one document,
 * a key that is no plain text, a key twice in one mapping, more than YAML_DEPTH
 * levels, more than YAML_BYTES, bytes that are no UTF-8.  So the size of a tree
 * is bounded by the size of its file.  An empty file is an empty mapping.
 */
#ifndef PLIMSOLL_YAML_H
#define PLIMSOLL_YAML_H

#include <stdbool.h>
#include <stddef.h>

#define YAML_BYTES (1 << 20)
#define YAML_DEPTH 16
#define YAML_KEYS  256		/* in one mapping; keeps the search for doubles cheap */

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_kind kind;
	size_t line, column;		/* from 1; columns are characters */
	bool plain;			/* a scalar written without quotes */
	char *text;			/* of a scalar, without NUL inside */
	struct yaml_node *first, *last;	/* items of a sequence, keys of a mapping */
	size_t count;			/* of them */
	struct yaml_node *next;		/* item or key */
	struct yaml_node *value;	/* of a key */
};

/* Whose errors they are, and where the one line that says so is written. */
struct yaml_report {
	const char *file;
	char *why;
	size_t why_size;
};

/* Writes "FILE:LINE:COLUMN: reason" and returns -EINVAL. */
int yaml_fail(const struct yaml_report *r, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* 0 and a tree that is the caller's, or a negative errno after a report. */
int yaml_tree_parse(const struct yaml_report *r, const void *bytes, size_t size,
		    struct yaml_node **ret);

/* The same of the file called r->file; a file that cannot be read has no line to name. */
int yaml_tree_load(const struct yaml_report *r, struct yaml_node **ret);

void yaml_tree_free(struct yaml_node *root);

#endif
