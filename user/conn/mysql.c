// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mysql: MySQL and MariaDB.  Their login also holds the password's scramble, so
 * what comes of it is made by the kernel side: capabilities, user, database
 * (struct rec_startup).  A name counts only when its end was seen; one that is
 * empty counts too, for COM_CHANGE_USER may leave a database.
 */
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

static const struct protocol mysql = {
	.name = "mysql",
	.wire = WIRE_MYSQL,
	.dialect = SQL_MYSQL,
	.usual_port = 3306,
	.server_comms = { "mariadbd", "mysqld" },
	.startup = startup,
	.goodbye_name = "COM_QUIT",
	.goodbye = { 1, 0, 0, 0, 1 },
	.goodbye_len = 5,
};
REGISTER(protocol, mysql);
