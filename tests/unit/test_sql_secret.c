// SPDX-License-Identifier: GPL-2.0-or-later
#include "sql_kit.h"

static void blanks_credentials(void **state)
{
	static const struct sample samples[] = {
		{ "alter role r with login", "ALTER …", SAME },
		{ "ALTER USER u PASSWORD 'p'", "ALTER …", SAME },
		{ "alter user u identified by 'p'", "ALTER …", SAME },
		{ "create user u", "CREATE …", SAME },
		{ "create /* x */ user u", "CREATE …", SAME },
		{ "create or replace user u", "CREATE …", SAME },
		{ "create role r", "CREATE …", SAME },
		{ "create group g", "CREATE …", SAME },
		{ "create user mapping for u server s", "CREATE …", SAME },
		{ "create subscription s connection 'c'", "CREATE …", SAME },
		{ "alter subscription s disable", "ALTER …", SAME },
		{ "create server s foreign data wrapper w", "CREATE …", SAME },
		{ "create foreign table t (a int) server s", "CREATE …", SAME },
		{ "import foreign schema s from server x into y options ( a 'b')", "IMPORT …",
		  SAME },
		{ "select f(options (a))", "SELECT …", SAME },
		{ "select options from t", "select options from t", SAME },
		{ "grant all on t to u identified by 'p'", "GRANT …", SAME },
		{ "grant select on t to u", "grant select on t to u", SAME },
		{ "set password = 'p'", "SET …", SAME },
		{ "set password for u = 'p'", "SET …", SAME },
		{ "start replica user='u' password='p'", "START …", SAME },
		{ "change master to master_host = 'h'", "CHANGE …", SAME },
		{ "change replication source to x = 'h'", "CHANGE …", SAME },
		{ "do $$ begin end $$", "DO …", SAME },
		{ "do sleep(5)", "DO …", SAME },
		{ "begin; do sleep(5)", "BEGIN …", SAME },
		{ "begin; alter user u", "BEGIN …", SAME },
		{ "copy t from program 'cat x'", "COPY …", SAME },
		{ "copy t to program 'cat > x'", "COPY …", SAME },
		{ "copy t from stdin", "copy t from stdin", SAME },
		{ "copy t from '/tmp/x'", "copy t from ?", SAME },
		{ "select program from t", "select program from t", SAME },
		{ "create table user (a int)", "create table user (a int)", SAME },
		{ "create table t (server int)", "create table t (server int)", SAME },
		{ "create index user on t (a)", "create index user on t (a)", SAME },
		{ "alter table role add a int", "alter table role add a int", SAME },
		{ "select password_hash from t", "select password_hash from t", SAME },
		{ "select password from t", "SELECT …", SAME },
		{ "select user, role from server", "select user, role from server", SAME },
		{ "drop user u", "drop user u", SAME },
		{ "update t set do = 1", "update t set do = ?", SAME },
		{ "select dblink('host=h password=p', 'select 1')", "select dblink(?)", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

/* The value of a setting may be a bare word. */
static void hides_settings(void **state)
{
	static const struct sample samples[] = {
		{ "set app.token = deadbeef", "set app.token = ?", SAME },
		{ "set app.token=deadbeef", "set app.token=?", SAME },
		{ "set app.token to deadbeef", "set app.token to ?", SAME },
		{ "set local app.token to dead beef", "set local app.token to ?", SAME },
		{ "set session app.token to \"dead\"", "set session app.token to ?", SAME },
		{ "set search_path to a, b", "set search_path to ?, ?", "set search_path to ?, b" },
		{ "set a = b, c = d", "set a = ?, ? = ?", "set a = ?, c = ?" },
		{ "set autocommit = on", "set autocommit = on", SAME },
		{ "set autocommit = 0", "set autocommit = ?", SAME },
		{ "set a to default", "set a to default", SAME },
		{ "set @a = b", "set @a = ?", SAME },
		{ "set @a := b", "set @a := ?", SAME },
		{ "set @a = `b`", "set @a = `?`", "set @a = ?" },
		{ "set names utf8mb4", "set names utf8mb4", SAME },
		{ "set transaction isolation level serializable",
		  "set transaction isolation level serializable", SAME },
		{ "set a = b; select c = d", "set a = ?; select c = d", SAME },
		{ "alter system set a = b", "alter system set a = ?", SAME },
		{ "alter database d set a to b", "alter database d set a to ?", SAME },
		{ "alter table t rename to u", "alter table t rename to u", SAME },
		{ "update t set a = b where c = d", "update t set a = b where c = d", SAME },
	};

	(void)state;
	run(samples, ARRAY_SIZE(samples), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanks_credentials),
		cmocka_unit_test(hides_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
