// SPDX-License-Identifier: GPL-2.0-or-later
/* From slots and records to connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conn.h"
#include "lib/clock.h"

#define ESTABLISHED 1
#define CLOSE_WAIT  8

static int setup(void **state)
{
	static struct conns t;

	if (conns_init(&t, 4096, "9a2b") < 0)
		return -1;
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	conns_done(*state);
	return 0;
}

static const uint8_t server[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 };

static struct slot ready(uint64_t cookie, char status)
{
	struct slot s = {
		.gen = 1,
		.cookie = cookie,
		.phase = PHASE_READY,
		.protocol = WIRE_POSTGRESQL,
		.status = (uint8_t)status,
		.tcp_state = ESTABLISHED,
		.tgid = 4711,
		.start_ticks = 99,
		.uid = 33,
		.rport = 5432,
		.comm = "billing",
	};

	memcpy(s.raddr, server, sizeof(server));
	return s;
}

static struct slot adopted(uint64_t cookie)
{
	struct slot s = ready(cookie, 0);

	s.phase = PHASE_ADOPTED;
	s.flags = SLOT_ADOPTED;
	s.protocol = WIRE_UNKNOWN;
	s.tgid = 0;
	s.start_ticks = 0;
	memset(s.comm, 0, sizeof(s.comm));
	return s;
}

static struct rec_startup startup(uint32_t slot, uint32_t gen, uint64_t cookie)
{
	static const char packet[] = "\0\0\0\x20\0\x03\0\0user\0app\0database\0shop\0";
	struct rec_startup r = {
		.hdr = { REC_STARTUP, sizeof(r), slot, gen, 0, cookie, 0 },
		.size = sizeof(packet),
		.copied = sizeof(packet),
	};

	memcpy(r.bytes, packet, sizeof(packet));
	return r;
}

static void apply_record(struct conns *t, const struct rec_startup *r)
{
	conns_apply_record(t, &r->hdr, sizeof(*r));
}

static void hold(struct conns *t, uint64_t cookie, uint32_t tgid, uint32_t ticks, uint32_t fd)
{
	struct holder h = {
		.cookie = cookie,
		.tgid = tgid,
		.fd = fd,
		.start_ticks = ticks,
		.uid = 1000,
		.comm = "worker",
	};

	conns_apply_holder(t, &h);
}

static void a_slot_becomes_a_connection(void **state)
{
	struct slot s = ready(0x1f3, 'I');
	struct conn *c = conns_apply_slot(*state, 7, &s);
	char text[ADDR_TEXT_LEN];

	assert_string_equal(c->id, "c9a2b.1f3");
	assert_int_equal(c->pid, 4711);
	assert_int_equal(c->start_ticks, 99);
	assert_string_equal(c->comm, "billing");
	assert_string_equal(c->protocol->name, "postgresql");
	assert_int_equal(c->evidence, EVIDENCE_WIRE);
	assert_string_equal(addr_format(&c->remote, text), "10.0.0.2:5432");
	assert_int_equal(c->holders, HOLDERS_UNKNOWN);
	assert_ptr_equal(conns_find_id(*state, "c9a2b.1f3"), c);
	assert_ptr_equal(conns_find_cookie(*state, 0x1f3), c);
	assert_null(conns_find_id(*state, "c9a2c.1f3"));
	assert_null(conns_find_id(*state, "c9a2b.1f4"));
	assert_null(conns_find_id(*state, "nonsense"));
}

static void activity_is_what_the_wire_says(void **state)
{
	static const struct {
		uint8_t phase, flags, status, pending;
		enum activity activity;
		enum stage stage;
		bool uncertain;
	} rows[] = {
		{ PHASE_OPENING, 0, 0, 0, ACTIVITY_STARTING, STAGE_ESTABLISHING, false },
		{ PHASE_HELLO, 0, 0, 0, ACTIVITY_STARTING, STAGE_ESTABLISHING, false },
		{ PHASE_NEGOTIATE, 0, 0, 0, ACTIVITY_STARTING, STAGE_ESTABLISHING, false },
		{ PHASE_AUTH, SLOT_BUSY, 0, 1, ACTIVITY_STARTING, STAGE_ESTABLISHING, false },
		{ PHASE_READY, 0, 'I', 0, ACTIVITY_IDLE, STAGE_READY, false },
		{ PHASE_READY, 0, 'T', 0, ACTIVITY_IDLE_IN_TXN, STAGE_READY, false },
		{ PHASE_READY, 0, 'E', 0, ACTIVITY_FAILED_TXN, STAGE_READY, false },
		{ PHASE_READY, 0, 0, 0, ACTIVITY_UNKNOWN, STAGE_READY, false },
		{ PHASE_READY, SLOT_BUSY, 'T', 0, ACTIVITY_BUSY, STAGE_READY, false },
		{ PHASE_READY, 0, 'T', 1, ACTIVITY_BUSY, STAGE_READY, false },
		{ PHASE_READY, SLOT_UNFRAMED, 'T', 0, ACTIVITY_UNKNOWN, STAGE_READY, true },
		{ PHASE_READY, SLOT_UNCOUNTED, 'T', 0, ACTIVITY_UNKNOWN, STAGE_READY, true },
		{ PHASE_READY, SLOT_UNCOUNTED, 'T', 1, ACTIVITY_BUSY, STAGE_READY, true },
		{ PHASE_BLIND, SLOT_TLS, 0, 0, ACTIVITY_UNKNOWN, STAGE_READY, false },
		{ PHASE_ADOPTED, SLOT_ADOPTED, 0, 0, ACTIVITY_UNKNOWN, STAGE_READY, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slot s = ready(1000 + i, (char)rows[i].status);
		struct conn *c;

		s.phase = rows[i].phase;
		s.flags = rows[i].flags;
		s.pending = rows[i].pending;
		c = conns_apply_slot(*state, (uint32_t)i, &s);
		assert_string_equal(activity_name(c->activity), activity_name(rows[i].activity));
		assert_string_equal(stage_name(c->stage), stage_name(rows[i].stage));
		assert_int_equal(c->uncertain, rows[i].uncertain);
	}
}

static void stage_follows_tcp(void **state)
{
	static const uint8_t over[] = { 4, 5, 6, 7, 9, 11 };
	struct slot s = ready(1, 'T');

	s.tcp_state = CLOSE_WAIT;
	assert_int_equal(conns_apply_slot(*state, 0, &s)->stage, STAGE_DEGRADED);
	for (size_t i = 0; i < sizeof(over); i++) {
		s.tcp_state = over[i];
		assert_int_equal(conns_apply_slot(*state, 0, &s)->stage, STAGE_TERMINATED);
	}
	s.tcp_state = ESTABLISHED;
	assert_int_equal(conns_apply_slot(*state, 0, &s)->stage, STAGE_READY);
	s.phase = PHASE_CLOSED;
	assert_int_equal(conns_apply_slot(*state, 0, &s)->stage, STAGE_TERMINATED);
}

static void encryption_is_told_apart(void **state)
{
	struct slot s = ready(1, 0);
	struct conn *c;

	s.phase = PHASE_BLIND;
	s.flags = SLOT_TLS;
	c = conns_apply_slot(*state, 0, &s);
	assert_true(c->tls);
	assert_false(c->gss);
	s.flags = SLOT_GSS;
	c = conns_apply_slot(*state, 0, &s);
	assert_false(c->tls);
	assert_true(c->gss);
}

static void a_free_slot_ends_its_connection(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'I');

	assert_non_null(conns_apply_slot(t, 9, &s));
	assert_int_equal(t->high, 10);
	s.phase = PHASE_FREE;
	assert_null(conns_apply_slot(t, 9, &s));
	assert_null(conns_find_cookie(t, 1));
	assert_int_equal(t->open, 0);
	assert_int_equal(t->closed, 1);
	assert_int_equal(t->high, 0);
}

static void never_begins_with_the_end(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'I');

	s.phase = PHASE_CLOSED;
	assert_null(conns_apply_slot(t, 0, &s));
	s = ready(0, 'I');
	assert_null(conns_apply_slot(t, 0, &s));
	s = ready(1, 'I');
	assert_null(conns_apply_slot(t, t->capacity, &s));
	assert_int_equal(t->open, 0);
}

static void a_reused_slot_inherits_nothing(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'E');
	struct rec_startup r = startup(3, 1, 1);
	struct conn *c = conns_apply_slot(t, 3, &s);

	apply_record(t, &r);
	conns_holders_begin(t);
	hold(t, 1, 4711, 99, 5);
	conns_holders_end(t);
	c->defused_rx_bytes = 77;
	assert_string_equal(c->user, "app");
	assert_int_equal(c->holders, 1);

	s = ready(2, 'T');
	s.gen = 2;
	s.tgid = 12;
	c = conns_apply_slot(t, 3, &s);
	assert_string_equal(c->id, "c9a2b.2");
	assert_string_equal(c->user, "");
	assert_string_equal(c->database, "");
	assert_int_equal(c->holders, HOLDERS_UNKNOWN);
	assert_int_equal(c->pid, 12);
	assert_int_equal(c->defused_rx_bytes, 0);
	assert_null(conns_find_cookie(t, 1));
	assert_int_equal(t->closed, 1);
	assert_int_equal(t->open, 1);
}

static void same_generation_other_cookie_is_another(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');

	(void)conns_apply_slot(t, 3, &s);
	s.cookie = 2;
	assert_string_equal(conns_apply_slot(t, 3, &s)->id, "c9a2b.2");
	assert_int_equal(t->closed, 1);
}

static void same_cookie_other_generation_is_another(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'E');

	conns_apply_slot(t, 3, &s)->defused_rx_bytes = 7;
	s.gen = 2;
	assert_int_equal(conns_apply_slot(t, 3, &s)->defused_rx_bytes, 0);
	assert_int_equal(t->closed, 1);
}

static void a_cookie_names_one_entry(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');

	(void)conns_apply_slot(t, 3, &s);
	assert_int_equal(conns_apply_slot(t, 5, &s)->slot, 5);
	assert_int_equal(t->open, 1);
	assert_int_equal(conns_find_cookie(t, 1)->slot, 5);
}

static void startup_after_its_slot(void **state)
{
	struct slot s = ready(1, 'I');
	struct rec_startup r = startup(2, 1, 1);
	struct conn *c = conns_apply_slot(*state, 2, &s);

	apply_record(*state, &r);
	assert_string_equal(c->user, "app");
	assert_string_equal(c->database, "shop");
}

static void startup_before_its_slot(void **state)
{
	struct slot s = ready(1, 'I');
	struct rec_startup r = startup(2, 1, 1);

	apply_record(*state, &r);
	assert_string_equal(conns_apply_slot(*state, 2, &s)->user, "app");
}

static void startup_before_it_is_recognised(void **state)
{
	struct slot s = ready(1, 0);
	struct rec_startup r = startup(2, 1, 1);

	s.phase = PHASE_HELLO;
	s.protocol = WIRE_UNKNOWN;
	(void)conns_apply_slot(*state, 2, &s);
	apply_record(*state, &r);
	s.phase = PHASE_AUTH;
	s.protocol = WIRE_POSTGRESQL;
	assert_string_equal(conns_apply_slot(*state, 2, &s)->user, "app");
}

static void startup_of_another_life_is_ignored(void **state)
{
	struct slot s = ready(5, 'I');
	struct rec_startup late, foreign;
	struct conn *c;

	s.gen = 4;
	late = startup(2, 3, 4);
	foreign = startup(2, 4, 6);
	c = conns_apply_slot(*state, 2, &s);
	apply_record(*state, &late);
	apply_record(*state, &foreign);
	c = conns_apply_slot(*state, 2, &s);
	assert_string_equal(c->user, "");
}

static void malformed_records_are_ignored(void **state)
{
	struct slot s = ready(1, 'I');
	struct rec_startup r = startup(2, 1, 1);
	struct conn *c = conns_apply_slot(*state, 2, &s);

	r.copied = STARTUP_MAX + 1;
	apply_record(*state, &r);
	r = startup(2, 1, 1);
	r.hdr.len = sizeof(r) - 1;
	apply_record(*state, &r);
	r = startup(2, 1, 1);
	conns_apply_record(*state, &r.hdr, sizeof(r) - 1);
	conns_apply_record(*state, &r.hdr, sizeof(r.hdr) - 1);
	r.hdr.type = 77;
	apply_record(*state, &r);
	assert_string_equal(c->user, "");
	r = startup(4000000, 1, 1);
	apply_record(*state, &r);
}

static void a_closed_record_ends_only_its_own(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'I');
	struct rec_closed r = { .hdr = { REC_CLOSED, sizeof(r), 2, 1, 0, 9, 0 } };

	(void)conns_apply_slot(t, 2, &s);
	conns_apply_record(t, &r.hdr, sizeof(r));
	assert_int_equal(t->open, 1);
	r.hdr.cookie = 1;
	conns_apply_record(t, &r.hdr, sizeof(r.hdr));
	assert_int_equal(t->open, 1);
	r.queries = 17;
	conns_apply_record(t, &r.hdr, sizeof(r));
	assert_int_equal(t->open, 0);
	assert_int_equal(t->ended_count, 1);
	assert_int_equal(t->ended[0].queries, 17);
	assert_string_equal(t->ended[0].protocol->name, "postgresql");
}

static void defused_lasts_as_long_as_the_failed_state(void **state)
{
	struct slot s = ready(1, 'E');
	struct conn *c = conns_apply_slot(*state, 0, &s);

	c->defused_rx_bytes = 500;
	assert_int_equal(conns_apply_slot(*state, 0, &s)->defused_rx_bytes, 500);
	s.status = 'I';
	assert_int_equal(conns_apply_slot(*state, 0, &s)->defused_rx_bytes, 0);
}

static void holders_are_processes(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');
	struct conn *c = conns_apply_slot(t, 0, &s);

	conns_holders_begin(t);
	hold(t, 1, 4711, 99, 5);
	hold(t, 1, 4711, 99, 6);
	hold(t, 2, 4712, 99, 6);
	conns_holders_end(t);
	assert_int_equal(c->holders, 1);
	assert_int_equal(c->pid, 4711);

	conns_holders_begin(t);
	hold(t, 1, 4711, 99, 5);
	hold(t, 1, 5000, 120, 5);
	conns_holders_end(t);
	assert_int_equal(c->holders, 2);
	assert_int_equal(c->pid, 4711);

	conns_holders_begin(t);
	conns_holders_end(t);
	assert_int_equal(c->holders, HOLDERS_UNKNOWN);
	assert_int_equal(c->pid, 4711);
}

static void it_moves_to_its_only_holder(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');
	struct conn *c = conns_apply_slot(t, 0, &s);

	conns_holders_begin(t);
	hold(t, 1, 5000, 120, 5);
	conns_holders_end(t);
	c = conns_apply_slot(t, 0, &s);
	assert_int_equal(c->pid, 5000);
	assert_int_equal(c->start_ticks, 120);
	assert_int_equal(c->uid, 1000);
	assert_string_equal(c->comm, "worker");
	assert_int_equal(c->holders, 1);
}

static void another_process_of_the_same_pid_is_another(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');
	struct conn *c = conns_apply_slot(t, 0, &s);

	conns_holders_begin(t);
	hold(t, 1, 4711, 5555, 5);
	conns_holders_end(t);
	assert_int_equal(c->start_ticks, 5555);
}

static void it_does_not_move_to_one_of_several(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 'T');
	struct conn *c = conns_apply_slot(t, 0, &s);

	conns_holders_begin(t);
	hold(t, 1, 5000, 120, 5);
	hold(t, 1, 5001, 121, 5);
	conns_holders_end(t);
	assert_int_equal(c->pid, 4711);
	assert_int_equal(c->holders, 2);
}

static void an_adopted_one_gets_the_oldest_holder(void **state)
{
	struct conns *t = *state;
	struct slot s = adopted(1);
	struct conn *c = conns_apply_slot(t, 0, &s);

	assert_true(c->adopted);
	assert_int_equal(c->pid, 0);
	conns_holders_begin(t);
	hold(t, 1, 5001, 130, 5);
	hold(t, 1, 5000, 120, 5);
	hold(t, 1, 5002, 140, 5);
	conns_holders_end(t);
	c = conns_apply_slot(t, 0, &s);
	assert_int_equal(c->pid, 5000);
	assert_int_equal(c->holders, 3);
}

static void guesses_by_endpoint_before_port(void **state)
{
	struct conns *t = *state;
	struct slot known = ready(1, 'I'), same = adopted(2), usual = adopted(3),
		    other = adopted(4);

	known.rport = same.rport = 6000;
	usual.rport = 5432;
	other.rport = 443;
	(void)conns_apply_slot(t, 0, &known);
	(void)conns_apply_slot(t, 1, &same);
	(void)conns_apply_slot(t, 2, &usual);
	(void)conns_apply_slot(t, 3, &other);
	conns_guess_protocols(t);
	assert_int_equal(t->table[1].evidence, EVIDENCE_ENDPOINT);
	assert_int_equal(t->table[2].evidence, EVIDENCE_PORT);
	assert_string_equal(t->table[2].protocol->name, "postgresql");
	assert_null(t->table[3].protocol);
	assert_true(conn_is_listed(&t->table[1]));
	assert_false(conn_is_listed(&t->table[3]));
}

static void the_same_address_in_another_namespace_is_no_guess(void **state)
{
	struct conns *t = *state;
	struct slot known = ready(1, 'I'), elsewhere = adopted(2);

	known.rport = elsewhere.rport = 6000;
	elsewhere.netns = 7;
	(void)conns_apply_slot(t, 0, &known);
	(void)conns_apply_slot(t, 1, &elsewhere);
	conns_guess_protocols(t);
	assert_null(t->table[1].protocol);
}

static void a_new_connection_is_not_guessed(void **state)
{
	struct conns *t = *state;
	struct slot s = ready(1, 0);

	s.phase = PHASE_HELLO;
	s.protocol = WIRE_UNKNOWN;
	(void)conns_apply_slot(t, 0, &s);
	conns_guess_protocols(t);
	assert_null(t->table[0].protocol);
	assert_false(conn_is_listed(&t->table[0]));
}

static void its_own_bytes_replace_a_guess(void **state)
{
	struct conns *t = *state;
	struct slot s = adopted(1);
	struct conn *c = conns_apply_slot(t, 0, &s);

	conns_guess_protocols(t);
	assert_int_equal(c->evidence, EVIDENCE_PORT);
	s.phase = PHASE_READY;
	s.protocol = WIRE_POSTGRESQL;
	s.status = 'T';
	c = conns_apply_slot(t, 0, &s);
	assert_int_equal(c->evidence, EVIDENCE_WIRE);
	assert_int_equal(c->activity, ACTIVITY_IDLE_IN_TXN);
	assert_true(c->adopted);
	assert_false(c->uncertain);
}

static void hello_and_the_end_are_not_listed(void **state)
{
	struct slot s = ready(1, 'I');

	s.phase = PHASE_HELLO;
	assert_false(conn_is_listed(conns_apply_slot(*state, 0, &s)));
	s.phase = PHASE_NEGOTIATE;
	assert_true(conn_is_listed(conns_apply_slot(*state, 0, &s)));
	s.tcp_state = 4;
	assert_false(conn_is_listed(conns_apply_slot(*state, 0, &s)));
}

static void many_come_and_go(void **state)
{
	struct conns *t = *state;

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = round % 3; i < t->capacity; i += 3) {
			struct slot s = ready(1 + i + (uint64_t)round * t->capacity, 'I');

			s.gen = round;
			(void)conns_apply_slot(t, i, &s);
		}
		conns_for_each(t, c)
			assert_ptr_equal(conns_find_cookie(t, c->cookie), c);
	}
	assert_int_equal(t->open, t->capacity);
	for (uint32_t i = 0; i < t->capacity; i++)
		(void)conns_apply_slot(t, i, &(struct slot){ 0 });
	assert_int_equal(t->open, 0);
	assert_int_equal(t->high, 0);
	for (uint32_t i = 0; i <= t->by_cookie.mask; i++)
		assert_int_equal(t->by_cookie.cells[i].element, 0);
}

static void quiet_never_wraps(void **state)
{
	struct conn c = { .last_ns = 100 };

	(void)state;
	assert_int_equal(conn_quiet_ns(&c, 99), 0);
	assert_int_equal(conn_quiet_ns(&c, 150), 50);
}

/* ---- Unix sockets */

static struct slot through_unix(struct slot s)
{
	memset(s.raddr, 0, sizeof(s.raddr));
	memset(s.laddr, 0, sizeof(s.laddr));
	s.laddr[0] = s.laddr[1] = s.raddr[0] = s.raddr[1] = UNIX_MARK;
	s.rport = s.lport = 0;
	return s;
}

static struct rec_path path_of(uint32_t slot, uint64_t cookie, const char *listens,
			       const char *path)
{
	struct rec_path r = { .hdr = { REC_PATH, sizeof(r), slot, 1, 0, cookie, 0 } };

	(void)snprintf(r.server, sizeof(r.server), "%s", listens);
	(void)snprintf(r.path, sizeof(r.path), "%s", path);
	return r;
}

static void knows_a_unix_socket(void **state)
{
	struct conns *t = *state;
	struct slot s = through_unix(ready(9, 'T'));
	struct rec_path r = path_of(2, 9, "", "/run/.s.PGSQL.5432");
	const struct conn *c = conns_apply_slot(t, 2, &s);
	char text[ADDR_TEXT_LEN];

	assert_true(conn_is_unix(c));
	assert_string_equal(addr_format(&c->remote, text), "unix");
	conns_apply_record(t, &r.hdr, sizeof(r));
	assert_string_equal(addr_format(&c->remote, text), "unix:/run/.s.PGSQL.5432");
	assert_string_equal(addr_format(&c->local, text), "unix");
	assert_int_equal(c->activity, ACTIVITY_IDLE_IN_TXN);
	assert_int_equal(c->evidence, EVIDENCE_WIRE);
	c = conns_apply_slot(t, 2, &s);
	assert_string_equal(addr_format(&c->remote, text), "unix:/run/.s.PGSQL.5432");
}

static void takes_no_path_of_another(void **state)
{
	struct conns *t = *state;
	struct slot s = through_unix(ready(9, 'I'));
	struct rec_path r = path_of(2, 8, "", "/run/other");
	const struct conn *c = conns_apply_slot(t, 2, &s);
	char text[ADDR_TEXT_LEN];

	conns_apply_record(t, &r.hdr, sizeof(r));
	r = path_of(2, 9, "", "/run/short");
	conns_apply_record(t, &r.hdr, sizeof(r) - 1);
	assert_string_equal(addr_format(&c->remote, text), "unix");
}

static void adopted_through(struct conns *t, const char *server_comm, const char *path,
			    const char *protocol, enum evidence evidence)
{
	struct slot s = through_unix(adopted(9));
	struct rec_path r = path_of(2, 9, server_comm, path);
	const struct conn *c;

	s.protocol = WIRE_UNKNOWN;
	c = conns_apply_slot(t, 2, &s);
	conns_apply_record(t, &r.hdr, sizeof(r));
	if (protocol)
		assert_string_equal(c->protocol->name, protocol);
	else
		assert_null(c->protocol);
	assert_int_equal(c->evidence, evidence);
	assert_int_equal(c->activity, ACTIVITY_UNKNOWN);
	s.phase = PHASE_FREE;
	(void)conns_apply_slot(t, 2, &s);
}

static void guesses_what_an_old_one_speaks(void **state)
{
	adopted_through(*state, "postgres", "/any/path", "postgresql", EVIDENCE_SERVER);
	adopted_through(*state, "mariadbd", "/run/mysqld/mysqld.sock", "mysql", EVIDENCE_SERVER);
	adopted_through(*state, "pgbouncer", "/tmp/.s.PGSQL.6432", "postgresql", EVIDENCE_PORT);
	adopted_through(*state, "systemd", "/run/.s.PGSQL.d/bus", NULL, EVIDENCE_NONE);
	adopted_through(*state, "", "@abstract", NULL, EVIDENCE_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_slot_becomes_a_connection),
		TEST(activity_is_what_the_wire_says),
		TEST(stage_follows_tcp),
		TEST(encryption_is_told_apart),
		TEST(a_free_slot_ends_its_connection),
		TEST(never_begins_with_the_end),
		TEST(a_reused_slot_inherits_nothing),
		TEST(same_generation_other_cookie_is_another),
		TEST(same_cookie_other_generation_is_another),
		TEST(a_cookie_names_one_entry),
		TEST(startup_after_its_slot),
		TEST(startup_before_its_slot),
		TEST(startup_before_it_is_recognised),
		TEST(startup_of_another_life_is_ignored),
		TEST(malformed_records_are_ignored),
		TEST(a_closed_record_ends_only_its_own),
		TEST(defused_lasts_as_long_as_the_failed_state),
		TEST(holders_are_processes),
		TEST(it_moves_to_its_only_holder),
		TEST(another_process_of_the_same_pid_is_another),
		TEST(it_does_not_move_to_one_of_several),
		TEST(an_adopted_one_gets_the_oldest_holder),
		TEST(guesses_by_endpoint_before_port),
		TEST(the_same_address_in_another_namespace_is_no_guess),
		TEST(a_new_connection_is_not_guessed),
		TEST(its_own_bytes_replace_a_guess),
		TEST(hello_and_the_end_are_not_listed),
		TEST(many_come_and_go),
		TEST(quiet_never_wraps),
		TEST(knows_a_unix_socket),
		TEST(takes_no_path_of_another),
		TEST(guesses_what_an_old_one_speaks),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
