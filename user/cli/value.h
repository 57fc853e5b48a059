/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of a JSON object as a person reads them; what is absent or null is "-". */
#ifndef PLIMSOLL_CLI_VALUE_H
#define PLIMSOLL_CLI_VALUE_H

#include <jansson.h>

#include "cli/table.h"

struct cell value_text(json_t *o, const char *key);

/* "350ms", "4.2s", "3m12s", "2h05m", "3d04h". */
struct cell value_duration(json_t *o, const char *key);

/* Microseconds as "85us", "1.2ms", "2.1s". */
struct cell value_us(json_t *o, const char *key);

/* "yes" or "no". */
struct cell value_bool(json_t *o, const char *key);

/* "a/b" of two members. */
struct cell value_pair(json_t *o, const char *first, const char *second);

/* The day and time of an RFC 3339 text, to the second. */
struct cell value_time(json_t *o, const char *key);

#endif
