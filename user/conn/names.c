// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "conn/names.h"

const char *names_next(const uint8_t *bytes, size_t len, size_t *at)
{
	const uint8_t *end = *at < len ? memchr(bytes + *at, 0, len - *at) : NULL;
	const char *s = (const char *)bytes + *at;

	if (!end)
		return NULL;
	*at = (size_t)(end - bytes) + 1;
	return s;
}

void names_set(char name[static NAME_LEN], const char *text)
{
	size_t len = strnlen(text, NAME_LEN - 1);

	memset(name, 0, NAME_LEN);
	memcpy(name, text, len);
}
