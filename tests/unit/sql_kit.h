/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of statements and their shapes. */
#ifndef PLIMSOLL_TESTS_SQL_KIT_H
#define PLIMSOLL_TESTS_SQL_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sql.h"

#define SAME NULL /* MySQL's shape is PostgreSQL's */

struct sample {
	const char *in, *postgresql, *mysql;
};

static const char *const dialects[] = { "postgresql", "mysql" };

static inline void expect(enum sql_dialect d, const char *in, size_t len, bool cut,
			  const char *want)
{
	char out[512];
	size_t n;

	memset(out, 'x', sizeof(out));
	n = sql_redact(d, in, len, cut, out, sizeof(out));
	if (strcmp(out, want) || n != strlen(out))
		fail_msg("%s%s: %s\n  is   %s\n  want %s", dialects[d], cut ? ", cut" : "", in, out,
			 want);
}

static inline void run(const struct sample *samples, size_t count, bool cut)
{
	for (size_t i = 0; i < count; i++) {
		const struct sample *s = &samples[i];

		expect(SQL_POSTGRESQL, s->in, strlen(s->in), cut, s->postgresql);
		expect(SQL_MYSQL, s->in, strlen(s->in), cut, s->mysql ?: s->postgresql);
	}
}

#endif
