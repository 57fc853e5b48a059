/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a mapping may hold: a table of keys, each with the function that reads its
 * value.  Whatever is not in the table is an error, with the nearest key that is.
 *
 * All return 0 or a negative errno after a report.
 */
#ifndef PLIMSOLL_SCHEMA_H
#define PLIMSOLL_SCHEMA_H

#include "lib/param.h"
#include "lib/yaml.h"

typedef int (*schema_fn)(const struct yaml_report *r, const struct yaml_node *value, void *into);

struct schema_key {
	const char *name;	/* NULL ends a table */
	schema_fn read;
};

/* `node` must be a mapping with keys of `keys` only; reads them in the file's order. */
int schema_mapping(const struct yaml_report *r, const struct yaml_node *node,
		   const struct schema_key *keys, void *into);

/* `node` must be a sequence; reads each item. */
int schema_sequence(const struct yaml_report *r, const struct yaml_node *node, schema_fn read,
		    void *into);

/* `node` must be of `kind`; a value left out is of none. */
int schema_kind(const struct yaml_report *r, const struct yaml_node *node, enum yaml_kind kind);

/* `node` must be text, and not empty. */
int schema_text(const struct yaml_report *r, const struct yaml_node *node);

/* The same into a field, which it must fit. */
int schema_field(const struct yaml_report *r, const struct yaml_node *node, char *out,
		 size_t out_size);

/* `node` must be what `p` says; stored in `conf`. */
int schema_param(const struct yaml_report *r, const struct yaml_node *node, const struct param *p,
		 void *conf);

/* Looks for the word that somebody may have meant. */
struct schema_guess {
	const char *wanted;
	const char *nearest;	/* NULL: none is near */
	size_t distance;
};

void schema_guess_offer(struct schema_guess *g, const char *word);

/* Fails with "unknown WHAT 'wanted'" and the nearest of the words offered. */
int schema_unknown(const struct yaml_report *r, const struct yaml_node *node, const char *what,
		   const struct schema_guess *g);

#endif
