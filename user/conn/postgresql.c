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

#include "conn/names.h"

#define PAIRS_AT 8

static void startup(const uint8_t *bytes, size_t len, char user[static NAME_LEN],
		    char database[static NAME_LEN])
{
	const char *said_user = NULL, *said_database = NULL;
	const char *key, *value;
	size_t at = PAIRS_AT;

	while ((key = names_next(bytes, len, &at)) && *key) {
		value = names_next(bytes, len, &at);
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
		names_set(user, said_user);
	if (said_database && *said_database)
		names_set(database, said_database);
}

/* The value says which kind; none of them when it is one of the words for no. */
static bool replicates(const uint8_t *bytes, size_t len)
{
	static const char *const no[] = { "false", "off", "no", "0" };
	const char *key, *value;
	size_t at = PAIRS_AT;

	while ((key = names_next(bytes, len, &at)) && *key) {
		value = names_next(bytes, len, &at);
		if (!value || strcmp(key, "replication") != 0)
			continue;
		for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
			if (strcmp(value, no[i]) == 0)
				return false;
		return true;
	}
	return !key;	/* the packet was cut short: it may be */
}

static const struct protocol postgresql = {
	.name = "postgresql",
	.wire = WIRE_POSTGRESQL,
	.dialect = SQL_POSTGRESQL,
	.usual_port = 5432,
	.server_comms = { "postgres" },
	.unix_name = ".s.PGSQL.",
	.startup = startup,
	.replicates = replicates,
	.goodbye_name = "Terminate",
	.goodbye = { 'X', 0, 0, 0, 4 },
	.goodbye_len = 5,
};
REGISTER(protocol, postgresql);
