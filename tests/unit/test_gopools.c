// SPDX-License-Identifier: GPL-2.0-or-later
/* An sql.DB in a process's memory, and the sockets of what lies idle in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gopools/handle.h"
#include "lib/cleanup.h"

#define BASE	   0xc000000000
#define ARENA	   65536
#define INTERFACE  20
#define POINTER	   22
#define SLICE	   23
#define STRUCTURE  25
#define WORD_KIND  2

/* ---- a process's memory */

struct arena {
	uint8_t bytes[ARENA];
	size_t used;
	unsigned int reads;
	uint64_t moving;	 /* this word changes ... */
	unsigned int moves_left; /* ... so many times more, at each reading */
};

static struct arena arena;

static bool read_arena(const struct go_span *spans, size_t n, void *arg)
{
	struct arena *a = arg;

	a->reads++;
	if (a->moves_left) {
		a->moves_left--;
		a->bytes[a->moving - BASE]++;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t at = spans[i].address - BASE;

		if (spans[i].address < BASE || at > ARENA || spans[i].size > ARENA - at)
			return false;
		memcpy(spans[i].to, a->bytes + at, spans[i].size);
	}
	return true;
}

static const struct go_memory memory = { read_arena, &arena };

static uint64_t take(size_t size)
{
	uint64_t at = BASE + arena.used;

	arena.used += (size + 15) & ~15UL;
	assert_true(arena.used <= ARENA);
	return at;
}

static void put(uint64_t at, uint64_t word)
{
	memcpy(arena.bytes + (at - BASE), &word, sizeof(word));
}

static uint64_t name(const char *text)
{
	size_t len = strlen(text);
	uint64_t at = take(len + 2);

	arena.bytes[at - BASE + 1] = (uint8_t)len;
	memcpy(arena.bytes + (at - BASE) + 2, text, len);
	return at;
}

static uint64_t type(uint8_t kind, uint64_t elem)
{
	uint64_t at = take(72);

	arena.bytes[at - BASE + 23] = kind | 0x20;	/* with a flag that means nothing here */
	put(at + 48, elem);
	return at;
}

static uint64_t structure(const char *package, size_t n, ...)
{
	uint64_t at = type(STRUCTURE, name(package));
	uint64_t fields = take(n * 24);
	va_list args;

	put(at + 56, fields);
	put(at + 64, n);
	va_start(args, n);
	for (size_t i = 0; i < n; i++) {
		put(fields + i * 24, name(va_arg(args, const char *)));
		put(fields + i * 24 + 8, va_arg(args, uint64_t));
		put(fields + i * 24 + 16, va_arg(args, uint64_t));
	}
	va_end(args);
	return at;
}

static uint64_t pointer_to(uint64_t elem)
{
	return type(POINTER, elem);
}

/* An interface at `at` that holds `data` of the dynamic type. */
static void hold(uint64_t at, uint64_t dynamic, uint64_t data)
{
	uint64_t table = take(32);

	put(table + 8, dynamic);
	put(at, table);
	put(at + 8, data);
}

/* ---- what Go programs have in it */

struct types {
	uint64_t address, unix_address, fd, tcp, interface, pq, pgx, wrapper, loop;
};

static struct types make_types(void)
{
	uint64_t word = type(WORD_KIND, 0), slice = type(SLICE, 0);
	struct types t = { .interface = type(INTERFACE, 0) };
	uint64_t pg_conn, conn, loop_pointer;

	t.address = structure("net", 3, "IP", slice, 0UL, "Port", word, 24UL, "Zone", slice, 32UL);
	t.unix_address = structure("net", 2, "Name", slice, 0UL, "Net", slice, 16UL);
	t.fd = structure("net", 4, "pfd", word, 0UL, "family", word, 56UL, "laddr", t.interface,
			 96UL, "raddr", t.interface, 112UL);
	t.tcp = structure("net", 1, "conn",
			  structure("net", 1, "fd", pointer_to(t.fd), 0UL), 0UL);
	t.pq = structure("github.com/lib/pq", 2, "c", t.interface, 0UL, "buf", word, 16UL);
	pg_conn = structure("pgconn", 2, "pid", word, 0UL, "conn", t.interface, 8UL);
	conn = structure("pgx", 2, "wbuf", slice, 0UL, "pgConn", pointer_to(pg_conn), 24UL);
	t.pgx = structure("stdlib", 1, "conn", pointer_to(conn), 0UL);
	t.wrapper = structure("instrumented", 2, "opts", word, 0UL, "Conn", t.interface, 8UL);
	loop_pointer = type(POINTER, 0);
	t.loop = structure("loop", 1, "conn", loop_pointer, 0UL);
	put(loop_pointer + 48, t.loop);
	return t;
}

static uint64_t make_address(const struct types *t, const uint8_t *ip, uint64_t len, uint64_t port)
{
	uint64_t at = take(64), bytes = take(16);

	(void)t;
	memcpy(arena.bytes + (bytes - BASE), ip, len);
	put(at, bytes);
	put(at + 8, len);
	put(at + 24, port);
	return at;
}

/* A net.Conn at `at`: 127.0.0.1:`port` to 10.0.0.9:5432. */
static void make_tcp(const struct types *t, uint64_t at, uint16_t port)
{
	static const uint8_t loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	static const uint8_t server[4] = { 10, 0, 0, 9 };
	uint64_t fd = take(160), tcp = take(8);

	hold(fd + 96, pointer_to(t->address), make_address(t, loopback, 16, port));
	hold(fd + 112, pointer_to(t->address), make_address(t, server, 4, 5432));
	put(tcp, fd);
	hold(at, pointer_to(t->tcp), tcp);
}

static void make_unix(const struct types *t, uint64_t at)
{
	uint64_t fd = take(160), tcp = take(8);

	hold(fd + 96, pointer_to(t->unix_address), take(64));
	hold(fd + 112, pointer_to(t->unix_address), take(64));
	put(tcp, fd);
	hold(at, pointer_to(t->tcp), tcp);
}

static struct go_layout layout;
static struct types types;
static uint64_t db, list;

#define LIST_ROOM 8

static void set_db(uint32_t field, uint64_t value)
{
	put(db + layout.at[field], value);
}

/* A driverConn of lib/pq's, in the list's next place. */
static uint64_t add_free(uint16_t port)
{
	uint64_t dc = take(144), pq = take(64), n;

	memcpy(&n, arena.bytes + (db - BASE) + layout.at[GO_DB_FREE_CONN] + 8, sizeof(n));
	put(dc + layout.at[GO_CONN_DB], db);
	put(dc + layout.at[GO_CONN_CREATED], 0x9000 + port);
	put(dc + layout.at[GO_CONN_CREATED] + 8, port);
	make_tcp(&types, pq, port);
	hold(dc + layout.at[GO_CONN_CI], pointer_to(types.pq), pq);
	put(list + n * 8, dc);
	set_db(GO_DB_FREE_CONN, list);
	put(db + layout.at[GO_DB_FREE_CONN] + 8, n + 1);
	put(db + layout.at[GO_DB_FREE_CONN] + 16, LIST_ROOM);
	return dc;
}

static int setup(void **state)
{
	const struct go_facts facts = { .read = true, .is_go = true, .version = "go1.19.8",
					.function_at = 1, .fields = { -1 } };

	(void)state;
	memset(&arena, 0, sizeof(arena));
	assert_int_equal(go_layout_of(&facts, &layout), 0);
	types = make_types();
	db = take(256);
	list = take(LIST_ROOM * 8);
	set_db(GO_DB_NUM_OPEN, 5);
	set_db(GO_DB_MAX_OPEN, 7);
	set_db(GO_DB_MAX_IDLE, 3);
	set_db(GO_DB_WAIT_COUNT, 11);
	set_db(GO_DB_WAIT_DURATION, 1234567);
	set_db(GO_DB_MAX_LIFETIME, 60000000000);
	return 0;
}

static void expect_socket(const struct handle_conn *c, uint16_t port)
{
	static const uint8_t loopback[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };
	static const uint8_t server[16] = { [10] = 0xff, 0xff, 10, 0, 0, 9 };

	assert_int_equal(c->socket, GO_SOCKET_TCP);
	assert_int_equal(c->local.port, port);
	assert_memory_equal(c->local.ip, loopback, 16);
	assert_int_equal(c->remote.port, 5432);
	assert_memory_equal(c->remote.ip, server, 16);
}

static struct handle_reading reading;

static uint8_t read_db(void)
{
	handle_read(&memory, &layout, db, &reading);
	return reading.state;
}

static void reads_numbers_and_sockets(void **state)
{
	(void)state;
	memset(&reading, 0, sizeof(reading));
	add_free(40001);
	add_free(40002);
	assert_int_equal(read_db(), HANDLE_READ);
	assert_int_equal(reading.open, 5);
	assert_int_equal(reading.max_open, 7);
	assert_int_equal(reading.max_idle, 3);
	assert_int_equal(reading.wait_count, 11);
	assert_int_equal(reading.wait_ns, 1234567);
	assert_int_equal(reading.max_lifetime_ns, 60000000000);
	assert_int_equal(reading.free_count, 2);
	expect_socket(&reading.free[0], 40001);
	expect_socket(&reading.free[1], 40002);
}

static void reads_nothing_twice_that_stands_still(void **state)
{
	(void)state;
	memset(&reading, 0, sizeof(reading));
	add_free(40001);
	assert_int_equal(read_db(), HANDLE_READ);
	set_db(GO_DB_WAIT_COUNT, 12);
	arena.reads = 0;
	assert_int_equal(read_db(), HANDLE_READ);
	assert_int_equal(arena.reads, 1);
	assert_int_equal(reading.wait_count, 12);
	/* Its list as it was, and another connection in it: one was closed in between. */
	set_db(GO_DB_NUM_CLOSED, 1);
	put(reading.free[0].at + layout.at[GO_CONN_CREATED], 0x9999);
	make_tcp(&types, take(16), 1);
	hold(reading.free[0].at + layout.at[GO_CONN_CI], pointer_to(types.pq),
	     BASE + arena.used - 16);
	assert_int_equal(read_db(), HANDLE_READ);
	assert_int_not_equal(reading.free[0].local.port, 40001);
}

static void follows_drivers_and_wrappers(void **state)
{
	uint64_t dc, pgx, conn, pg_conn, wrapper;

	(void)state;
	memset(&reading, 0, sizeof(reading));
	/* pgx: stdlib.Conn -> pgx.Conn -> pgconn.PgConn -> net.Conn */
	pgx = take(16);
	conn = take(32);
	pg_conn = take(32);
	put(pgx, conn);
	put(conn + 24, pg_conn);
	make_tcp(&types, pg_conn + 8, 40003);
	dc = add_free(1);
	hold(dc + layout.at[GO_CONN_CI], pointer_to(types.pgx), pgx);
	/* The same in something that counts and traces; a value here, not a pointer. */
	wrapper = take(32);
	hold(wrapper + 8, pointer_to(types.pgx), pgx);
	dc = add_free(2);
	hold(dc + layout.at[GO_CONN_CI], types.wrapper, wrapper);
	/* A Unix socket. */
	dc = add_free(3);
	make_unix(&types, pg_conn + 8 + 0);
	make_tcp(&types, pg_conn + 8, 40003);
	wrapper = take(32);
	make_unix(&types, wrapper);
	hold(dc + layout.at[GO_CONN_CI], pointer_to(types.pq), wrapper);
	assert_int_equal(read_db(), HANDLE_READ);
	expect_socket(&reading.free[0], 40003);
	expect_socket(&reading.free[1], 40003);
	assert_int_equal(reading.free[2].socket, GO_SOCKET_OTHER);
}

static void believes_no_nonsense(void **state)
{
	static const struct {
		uint32_t field, add;
		uint64_t value;
		uint8_t state;
	} lies[] = {
		{ GO_DB_NUM_OPEN, 0, (uint64_t)-1, HANDLE_WRONG },
		{ GO_DB_NUM_OPEN, 0, 1ULL << 60, HANDLE_WRONG },
		{ GO_DB_NUM_OPEN, 0, 0, HANDLE_WRONG },			/* fewer than are free */
		{ GO_DB_FREE_CONN, 8, 1ULL << 63, HANDLE_WRONG },	/* longer than its room */
		{ GO_DB_FREE_CONN, 16, 1ULL << 40, HANDLE_WRONG },
		{ GO_DB_FREE_CONN, 0, 0, HANDLE_WRONG },		/* nowhere */
		{ GO_DB_FREE_CONN, 0, 0xdead000, HANDLE_UNSTEADY },	/* not mapped */
		{ GO_DB_FREE_CONN, 0, BASE + ARENA - 4, HANDLE_UNSTEADY },
		{ GO_DB_WAIT_COUNT, 0, (uint64_t)-5, HANDLE_WRONG },
		{ GO_DB_CLOSED, 0, 2, HANDLE_WRONG },
		{ GO_DB_CLOSED, 0, 1, HANDLE_CLOSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		setup(state);
		memset(&reading, 0, sizeof(reading));
		add_free(40001);
		put(db + layout.at[lies[i].field] + lies[i].add, lies[i].value);
		assert_int_equal(read_db(), lies[i].state);
	}
	setup(state);
	db = 0;
	assert_int_equal(read_db(), HANDLE_WRONG);
	db = UINT64_MAX - 8;
	assert_int_equal(read_db(), HANDLE_WRONG);
}

static void asks_whose_a_connection_is(void **state)
{
	uint64_t dc;

	(void)state;
	memset(&reading, 0, sizeof(reading));
	dc = add_free(40001);
	put(dc + layout.at[GO_CONN_DB], db + 8);
	assert_int_equal(read_db(), HANDLE_UNSTEADY);
}

static void too_many_are_not_known(void **state)
{
	(void)state;
	memset(&reading, 0, sizeof(reading));
	add_free(40001);
	set_db(GO_DB_NUM_OPEN, HANDLE_FREE_MAX + 1);
	put(db + layout.at[GO_DB_FREE_CONN] + 8, HANDLE_FREE_MAX + 1);
	put(db + layout.at[GO_DB_FREE_CONN] + 16, HANDLE_FREE_MAX + 1);
	assert_int_equal(read_db(), HANDLE_UNSTEADY);
}

static void says_nothing_of_what_moves(void **state)
{
	(void)state;
	memset(&reading, 0, sizeof(reading));
	add_free(40001);
	arena.moving = db + layout.at[GO_DB_NUM_OPEN];
	arena.moves_left = 100;
	assert_int_equal(read_db(), HANDLE_UNSTEADY);
	arena.moves_left = 2;	/* between the two readings of the numbers, then no more */
	assert_int_equal(read_db(), HANDLE_READ);
}

static void goes_round_no_loop(void **state)
{
	uint64_t dc, loop = take(16);

	(void)state;
	memset(&reading, 0, sizeof(reading));
	put(loop, loop);
	dc = add_free(1);
	hold(dc + layout.at[GO_CONN_CI], pointer_to(types.loop), loop);
	/* A pointer to a pointer to itself. */
	dc = add_free(2);
	hold(dc + layout.at[GO_CONN_CI], pointer_to(types.loop), loop);
	put(types.loop + 48 + 16, 1ULL << 40);	/* and with fields without number */
	arena.reads = 0;
	assert_int_equal(read_db(), HANDLE_READ);
	assert_int_equal(reading.free[0].socket, GO_SOCKET_UNKNOWN);
	assert_true(arena.reads < 1000);
	put(types.loop + 48 + 16, 1);
	arena.reads = 0;
	assert_int_equal(read_db(), HANDLE_READ);
	assert_int_equal(reading.free[1].socket, GO_SOCKET_UNKNOWN);
	assert_true(arena.reads < 1000);
}

static void reads_offsets_of_old_types(void **state)
{
	uint64_t at = take(16), pq = take(64);
	struct addr local, remote;

	(void)state;
	make_tcp(&types, pq, 40001);
	hold(at, pointer_to(types.pq), pq);
	/* Twice the offset, and a bit, in 1.18: what is written for 1.19 leads astray there. */
	assert_int_equal(go_socket_find(&memory, 19, at, &local, &remote), GO_SOCKET_TCP);
	assert_int_equal(go_socket_find(&memory, 18, at, &local, &remote), GO_SOCKET_UNKNOWN);
}

static void knows_versions(void **state)
{
	static const struct {
		const char *version;
		int result;
		uint32_t open_at;
	} cases[] = {
		{ "go1.18", 0, 80 },	     { "go1.22.3", 0, 80 },
		{ "go1.23rc1", 0, 88 },	     { "go1.25.1", 0, 88 },
		{ "go1.17.5", -EOPNOTSUPP, 0 }, { "go1.99", -EOPNOTSUPP, 0 },
		{ "", -EOPNOTSUPP, 0 },	     { "devel +abc", -EOPNOTSUPP, 0 },
	};
	struct go_facts facts = { .read = true, .is_go = true, .function_at = 64 };
	struct go_layout l;

	(void)state;
	memset(facts.fields, 0xff, sizeof(facts.fields));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		(void)snprintf(facts.version, sizeof(facts.version), "%s", cases[i].version);
		assert_int_equal(go_layout_of(&facts, &l), cases[i].result);
		if (!cases[i].result)
			assert_int_equal(l.at[GO_DB_NUM_OPEN], cases[i].open_at);
	}
	facts.function_at = 0;
	assert_int_equal(go_layout_of(&facts, &l), -ENOENT);
}

static void believes_debug_information_first(void **state)
{
	struct go_facts facts = { .read = true, .is_go = true, .function_at = 64,
				  .version = "go1.40" };
	struct go_layout l;

	(void)state;
	for (int i = 0; i < GO_FIELD_MAX; i++)
		facts.fields[i] = 8 * i;
	facts.fields[GO_CONN_DB] = 0;
	facts.fields[GO_CONN_CREATED] = 16;
	facts.fields[GO_CONN_CI] = 48;
	assert_int_equal(go_layout_of(&facts, &l), 0);
	assert_int_equal(l.at[GO_DB_NUM_OPEN], 8 * GO_DB_NUM_OPEN);
	assert_int_equal(l.conn_bytes, 64);
	facts.fields[GO_DB_WAIT_COUNT] = 1000;	/* no sql.DB is as large */
	assert_int_equal(go_layout_of(&facts, &l), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_numbers_and_sockets, setup),
		cmocka_unit_test_setup(reads_nothing_twice_that_stands_still, setup),
		cmocka_unit_test_setup(follows_drivers_and_wrappers, setup),
		cmocka_unit_test_setup(believes_no_nonsense, setup),
		cmocka_unit_test_setup(asks_whose_a_connection_is, setup),
		cmocka_unit_test_setup(too_many_are_not_known, setup),
		cmocka_unit_test_setup(says_nothing_of_what_moves, setup),
		cmocka_unit_test_setup(goes_round_no_loop, setup),
		cmocka_unit_test_setup(reads_offsets_of_old_types, setup),
		cmocka_unit_test(knows_versions),
		cmocka_unit_test(believes_debug_information_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
