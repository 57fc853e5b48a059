// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * postgresql: what its start-up packet says.
 *
 * StartupMessage: length and version, four bytes each, then pairs of
 * NUL-terminated strings, then one NUL.  It comes from somebody else's process
 * and may be cut short: a name counts only when its end was seen, an absent
 * database only when the end of the packet was, and a name too long for us is
 * cut rather than dropped.
 */
#include <string.h>

#include "conn.h"

#define PAIRS_AT 8

/* The string at *at, moving *at behind its end; NULL when it has none. */
static const char *next_string(const uint8_t *bytes, size_t len, size_t *at)
{
	const uint8_t *end = *at < len ? memchr(bytes + *at, 0, len - *at) : NULL;
	const char *s = (const char *)bytes + *at;

	if (!end)
		return NULL;
	*at = (size_t)(end - bytes) + 1;
	return s;
}

/* Zero-filled to its end, so that equal names are equal bytes. */
static void set_name(char name[static NAME_LEN], const char *text)
{
	size_t len = strnlen(text, NAME_LEN - 1);

	memset(name, 0, NAME_LEN);
	memcpy(name, text, len);
}

static void startup(const uint8_t *bytes, size_t len, char user[static NAME_LEN],
		    char database[static NAME_LEN])
{
	const char *said_user = NULL, *said_database = NULL;
	const char *key, *value;
	size_t at = PAIRS_AT;

	while ((key = next_string(bytes, len, &at)) && *key) {
		value = next_string(bytes, len, &at);
		if (!value)
			break;
		if (strcmp(key, "user") == 0)
			said_user = value;
		else if (strcmp(key, "database") == 0)
			said_database = value;
	}
	/* The server takes an absent database, and an empty one, for the user's name. */
	if (key && !*key && (!said_database || !*said_database))
		said_database = said_user;
	if (said_user && *said_user)
		set_name(user, said_user);
	if (said_database && *said_database)
		set_name(database, said_database);
}

static const struct protocol postgresql = {
	.name = "postgresql",
	.wire = WIRE_POSTGRESQL,
	.dialect = SQL_POSTGRESQL,
	.usual_port = 5432,
	.server_comm = "postgres",
	.startup = startup,
};
REGISTER(protocol, postgresql);
