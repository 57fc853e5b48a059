// SPDX-License-Identifier: GPL-2.0-or-later
/* What a former life left shut to its owner is cut, and nothing else is. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sockguard.h"
#include "repair.h"

static struct {
	int owner, server;
	uint64_t cookie;
	struct sockguard guard;
	uint32_t holders;	/* of which the owner is the first */
} w;

static int holders(uint64_t cookie, uint32_t *ret_count, struct holder *ret_one, void *arg)
{
	(void)arg;
	*ret_count = cookie ? w.holders : 0;
	*ret_one = (struct holder){ .tgid = (uint32_t)getpid(), .fd = (uint32_t)w.owner };
	return 0;
}

static const struct repair_world world = { .holders = holders };

static int setup(void **state)
{
	struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where), len = sizeof(w.cookie);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	w.holders = 1;
	w.owner = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&where, sizeof(where)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&where, &size) ||
	    connect(w.owner, (struct sockaddr *)&where, sizeof(where)))
		return -1;
	w.server = accept(listener, NULL, NULL);
	(void)close(listener);
	return getsockopt(w.owner, SOL_SOCKET, SO_COOKIE, &w.cookie, &len);
}

static int teardown(void **state)
{
	(void)state;
	(void)close(w.owner);
	(void)close(w.server);
	return 0;
}

/* As a repair leaves it that was killed behind its question. */
static void leave_shut(void)
{
	int r = sockguard_init(&w.guard, w.owner);
	char buf[16];

	if (r == -EPERM)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(sockguard_send(&w.guard, "question", 8), 0);
	assert_int_equal(recv(w.server, buf, sizeof(buf), 0), 8);
	sockguard_done(&w.guard);
	assert_true(sockguard_is_on(w.owner));
}

static void assert_works(void)
{
	char byte;

	assert_int_equal(send(w.owner, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(w.server, &byte, 1, 0), 1);
}

static void what_is_shut_is_cut(void **state)
{
	(void)state;
	leave_shut();
	assert_int_equal(repair_undo(w.cookie, &world), 1);
	assert_false(sockguard_is_on(w.owner));
	assert_int_equal(send(w.owner, "x", 1, MSG_NOSIGNAL), -1);
	/* Once. */
	assert_int_equal(repair_undo(w.cookie, &world), 0);
}

static void what_is_open_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(repair_undo(w.cookie, &world), 0);
	assert_works();
}

static void another_socket_in_its_place_is_left_alone(void **state)
{
	(void)state;
	leave_shut();
	assert_int_equal(repair_undo(w.cookie + 1, &world), 0);
	assert_true(sockguard_is_on(w.owner));
}

static void what_nobody_holds_is_gone(void **state)
{
	(void)state;
	leave_shut();
	w.holders = 0;
	assert_int_equal(repair_undo(w.cookie, &world), 0);
	assert_true(sockguard_is_on(w.owner));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_shut_is_cut),
		TEST(what_is_open_is_left_alone),
		TEST(another_socket_in_its_place_is_left_alone),
		TEST(what_nobody_holds_is_gone),
	};

	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
