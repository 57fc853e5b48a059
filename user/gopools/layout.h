/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the fields of database/sql's own structures lie, in one build of a program. */
#ifndef PLIMSOLL_GOPOOLS_LAYOUT_H
#define PLIMSOLL_GOPOOLS_LAYOUT_H

#include "lib/symbols.h"

/* What is read of sql.DB and of its driverConn. */
#define GO_FIELDS(X)                                                                               \
	X(DB_WAIT_DURATION, "database/sql.DB", "waitDuration")                                     \
	X(DB_CONNECTOR, "database/sql.DB", "connector")                                            \
	X(DB_NUM_CLOSED, "database/sql.DB", "numClosed")                                           \
	X(DB_FREE_CONN, "database/sql.DB", "freeConn")                                             \
	X(DB_NUM_OPEN, "database/sql.DB", "numOpen")                                               \
	X(DB_OPENER, "database/sql.DB", "openerCh")                                                \
	X(DB_CLOSED, "database/sql.DB", "closed")                                                  \
	X(DB_MAX_IDLE, "database/sql.DB", "maxIdleCount")                                          \
	X(DB_MAX_OPEN, "database/sql.DB", "maxOpen")                                               \
	X(DB_MAX_LIFETIME, "database/sql.DB", "maxLifetime")                                       \
	X(DB_MAX_IDLE_TIME, "database/sql.DB", "maxIdleTime")                                      \
	X(DB_WAIT_COUNT, "database/sql.DB", "waitCount")                                           \
	X(CONN_DB, "database/sql.driverConn", "db")                                                \
	X(CONN_CREATED, "database/sql.driverConn", "createdAt")                                    \
	X(CONN_CI, "database/sql.driverConn", "ci")

enum go_field {
#define GO_FIELD_ENUM(id, type, field) GO_##id,
	GO_FIELDS(GO_FIELD_ENUM)
#undef GO_FIELD_ENUM
	GO_FIELD_MAX
};

_Static_assert(GO_FIELD_MAX <= GO_FIELDS_MAX, "all of them fit into a question");

struct go_layout {
	uint32_t minor; /* 19 of Go 1.19 */
	uint32_t at[GO_FIELD_MAX];
	uint32_t db_bytes, conn_bytes; /* that hold all of them */
};

#define GO_DB_BYTES   256 /* of an sql.DB: all its fields end before that */
#define GO_CONN_BYTES 96  /* of a driverConn, likewise */

/* What to ask about a program; the function is the one whose first argument is a pool. */
extern const struct go_question go_pool_question;

/*
 * By debug information where there is some, else by the version.  0; -ENOENT: the
 * program has no such pools; -EOPNOTSUPP: nobody knows this version's layout.
 */
int go_layout_of(const struct go_facts *facts, struct go_layout *ret);

#endif
