// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mysql: MySQL and MariaDB.  Their login also holds the password's scramble, so
 * what comes of it is made by the kernel side: capabilities, user, database
 * (struct rec_startup).  A name counts only when its end was seen; one that is
 * empty counts too, for COM_CHANGE_USER may leave a database.
 */
#include <stdio.h>
#include <string.h>

#include "conn/names.h"

#define NAMES_AT 4

static void startup(const uint8_t *bytes, size_t len, char user[static NAME_LEN],
		    char database[static NAME_LEN])
{
	size_t at = NAMES_AT;
	const char *said_user = names_next(bytes, len, &at);
	const char *said_database = said_user ? names_next(bytes, len, &at) : NULL;

	if (said_user)
		names_set(user, said_user);
	if (said_database)
		names_set(database, said_database);
}

#define COM_INIT_DB 2

/* The end of an identifier between backticks, of which two stand for one; copied without. */
static const char *unquote(const char *at, char *out, size_t size)
{
	size_t n = 0;

	for (; *at && (*at != '`' || at[1] == '`'); at++) {
		at += *at == '`';
		if (n + 1 < size)
			out[n++] = *at;
	}
	out[n] = '\0';
	return *at ? at + 1 : at;
}

/*
 * COM_INIT_DB brings the name, a query is "USE name".  Where anything follows that may be
 * another statement, the last word is not ours to guess.
 */
static void use(const char *command, char database[static NAME_LEN])
{
	static const char blanks[] = " \t\r\n";
	char name[256] = "";
	const char *at = command + 1;

	if (command[0] == COM_INIT_DB) {
		names_set(database, at);
		return;
	}
	if (!command[0])
		return;
	if (!at[0] && at[1] == 1)	/* no attributes */
		at += 2;
	at += strspn(at, blanks);
	at += strlen("use");
	at += strspn(at, blanks);
	if (*at == '`') {
		at = unquote(at + 1, name, sizeof(name));
	} else {
		size_t n = strcspn(at, " \t\r\n;");

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
		at += n;
	}
	at += strspn(at, " \t\r\n;");
	if (!*at)
		names_set(database, name);
}

static const struct protocol mysql = {
	.name = "mysql",
	.wire = WIRE_MYSQL,
	.dialect = SQL_MYSQL,
	.usual_port = 3306,
	.server_comms = { "mariadbd", "mysqld" },
	.startup = startup,
	.use = use,
	.goodbye_name = "COM_QUIT",
	.goodbye = { 1, 0, 0, 0, 1 },
	.goodbye_len = 5,
};
REGISTER(protocol, mysql);
