/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One setting, declared by the file that uses it: name, help, type, place,
 * default and limits in one row.  Configuration parsing, checks and
 * documentation walk these rows and know no plug-in by name.
 */
#ifndef PLIMSOLL_PARAM_H
#define PLIMSOLL_PARAM_H

#include <stddef.h>
#include <stdint.h>

enum param_type {
	PARAM_NS,	/* uint64_t nanoseconds, written 250ms 30s 5min 2h 1d */
	PARAM_UINT,	/* uint64_t, written in digits */
	PARAM_PCT,	/* uint64_t percent, written 10% */
	PARAM_BOOL,	/* uint64_t 0 or 1, written true or false */
};

struct param {
	const char *name;	/* NULL ends a table */
	const char *help;
	enum param_type type;
	size_t offset;		/* in the struct the table describes */
	uint64_t value, min, max;	/* default and limits, in the type's unit */
};

/* Writes every default of `table` into `conf`. */
void param_defaults(const struct param *table, void *conf);

/* The row called `name`, or NULL. */
const struct param *param_find(const struct param *table, const char *name);

/*
 * Reads `text` as the type of `p` and stores it.  Returns 0, or -EINVAL / -ERANGE
 * with one clause in `why` that says what was expected; `conf` is then untouched.
 */
int param_parse(const struct param *p, void *conf, const char *text, char *why, size_t why_size);

/* A duration on its own: 0 and *ret_ns, or -EINVAL, or -ERANGE when it does not fit. */
int param_duration(const char *text, uint64_t *ret_ns);

/* A rate, "5/s" "5/min" "5/h": how many in how long.  0, -EINVAL or -ERANGE. */
int param_rate(const char *text, uint64_t *ret_count, uint64_t *ret_ns);

#endif
