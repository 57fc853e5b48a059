/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLIMSOLL_SIM_NAMED_H
#define PLIMSOLL_SIM_NAMED_H

#include <stdbool.h>
#include <string.h>

/* Whether `name` is in `list`: "all", or names with commas between. */
static inline bool is_named(const char *name, const char *list)
{
	size_t len = strlen(name);

	if (strcmp(list, "all") == 0)
		return true;
	for (const char *at = list; (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ',') && (at[len] == ',' || !at[len]))
			return true;
	return false;
}

#endif
