// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool's threads are called after it: "HikariPool-1 connection adder", the number being
 * unique in the process.  Names that somebody chose are seen where they are short: to the
 * kernel "orders connection adder" is "orders connecti", and "shop-database connection adder"
 * is "shop-database c".
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "lib/hikari.h"

#define CUT	    15
#define GIVEN	    "HikariPool-"
#define GIVEN_LEAST 2	/* " c": behind a name that HikariCP gave */
#define OTHER_LEAST 8	/* " connect": behind one of the application's */
#define HEAD	    7	/* and six behind two dots, where the middle is cut out */

/* How long the pool's name is in front of as much of `work` as fitted; 0: it is another's. */
static size_t name_before(const char *thread, const char *work)
{
	size_t given = strncmp(thread, GIVEN, strlen(GIVEN)) == 0 ? strlen(GIVEN) : 0;
	size_t least = given ? GIVEN_LEAST : OTHER_LEAST;
	size_t len = strnlen(thread, CUT);
	size_t at = given;

	while (given && at < len && isdigit((unsigned char)thread[at]))
		at++;
	while (!given && at < len && strncmp(thread + at, work, least) != 0)
		at++;
	if (at == given || len - at < least || strncmp(thread + at, work, len - at) != 0)
		return 0;
	return len == CUT || len - at == strlen(work) ? at : 0;
}

static bool is_cut(const char *thread, const char *end)
{
	return strnlen(thread, CUT) == CUT && strncmp(thread + HEAD, "..", 2) == 0 &&
	       strncmp(thread + HEAD + 2, end, CUT - HEAD - 2) == 0;
}

bool hikari_is_cut(const char *thread, char ret_keeper[static 16])
{
	if (!is_cut(thread, " adder"))
		return false;
	(void)snprintf(ret_keeper, 16, "%.*s..keeper", HEAD, thread);
	return true;
}

uint32_t hikari_dials_for(const char *thread)
{
	size_t len = is_cut(thread, " adder") ? HEAD : name_before(thread, " connection adder");

	return len ? (uint32_t)XXH3_64bits(thread, len) | 1 : 0;
}

bool hikari_may_borrow(const char *thread)
{
	return !name_before(thread, " connection adder") && !name_before(thread, " housekeeper") &&
	       !is_cut(thread, " adder") && !is_cut(thread, "keeper") &&
	       strncmp(thread, "ForkJoi", 7) != 0;
}
