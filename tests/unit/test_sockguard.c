// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sockguard.h"

struct pair {
	int owner, ours, server;	/* `ours`: a duplicate of the owner's */
	struct sockguard g;
};

static void set(int sock, int level, int option, int value)
{
	assert_int_equal(setsockopt(sock, level, option, &value, sizeof(value)), 0);
}

static int get(int sock, int level, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(sock, level, option, &value, &size), 0);
	return value;
}

static void await(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 2000), 1);
}

/* A connection over loopback; the test is skipped where the switch may not be turned. */
static struct pair connected(void)
{
	struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pair p;
	int r;

	assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &size), 0);
	p.owner = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p.owner, (struct sockaddr *)&where, sizeof(where)), 0);
	p.server = accept(listener, NULL, NULL);
	p.ours = dup(p.owner);
	(void)close(listener);
	r = sockguard_init(&p.g, p.ours);
	if (r == -EPERM)
		skip();
	assert_int_equal(r, 0);
	return p;
}

static void disconnect(struct pair *p)
{
	sockguard_done(&p->g);
	(void)close(p->ours);
	(void)close(p->owner);
	(void)close(p->server);
}

static void ask_and_answer(struct pair *p)
{
	char buf[16];

	assert_int_equal(sockguard_send(&p->g, "question", 8), 0);
	await(p->server);
	assert_int_equal(recv(p->server, buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "question", 8);
	assert_int_equal(send(p->server, "answer", 6, 0), 6);
	await(p->ours);
}

static void answer_is_ours(void **state)
{
	struct pair p = connected();
	char buf[16];

	(void)state;
	assert_int_equal(sockguard_take(&p.g, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EAGAIN);
	ask_and_answer(&p);
	assert_int_equal(recv(p.owner, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(send(p.owner, "x", 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sockguard_take(&p.g, buf, 2), 2);
	assert_int_equal(sockguard_take(&p.g, buf + 2, sizeof(buf) - 2), 4);
	assert_memory_equal(buf, "answer", 6);
	assert_int_equal(sockguard_off(&p.g), 0);
	assert_int_equal(recv(p.owner, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(p.owner, "mine", 4, 0), 4);
	assert_int_equal(recv(p.server, buf, sizeof(buf), 0), 4);
	assert_int_equal(send(p.server, "yours", 5, 0), 5);
	assert_int_equal(recv(p.owner, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "yours", 5);
	disconnect(&p);
}

static void settings_stay(void **state)
{
	(void)state;
	for (int on = 0; on < 2; on++) {
		struct pair p = connected();
		char buf[16];

		set(p.owner, SOL_SOCKET, SO_REUSEADDR, on);
		set(p.owner, IPPROTO_TCP, TCP_NODELAY, on);
		sockguard_done(&p.g);
		assert_int_equal(sockguard_init(&p.g, p.ours), 0);
		ask_and_answer(&p);
		assert_int_equal(sockguard_take(&p.g, buf, sizeof(buf)), 6);
		assert_int_equal(sockguard_off(&p.g), 0);
		assert_int_equal(get(p.owner, SOL_SOCKET, SO_REUSEADDR), on);
		assert_int_equal(get(p.owner, IPPROTO_TCP, TCP_NODELAY), on);
		disconnect(&p);
	}
}

/* We die in the middle: the owner gets an error, never the answer. */
static void outlives_us(void **state)
{
	struct pair p = connected();
	char buf[16];

	(void)state;
	ask_and_answer(&p);
	sockguard_done(&p.g);
	(void)close(p.ours);
	p.ours = dup(p.owner);
	assert_int_equal(recv(p.owner, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPERM);
	assert_true(sockguard_is_on(p.ours));
	/* And who comes after us makes it known to both ends. */
	assert_int_equal(sockguard_cut(p.ours), 0);
	assert_false(sockguard_is_on(p.owner));
	await(p.server);
	assert_int_equal(recv(p.server, buf, sizeof(buf), 0), 0);
	assert_int_equal(send(p.owner, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	disconnect(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_is_ours),
		cmocka_unit_test(settings_stay),
		cmocka_unit_test(outlives_us),
	};

	return cmocka_run_group_tests_name("sockguard", tests, NULL, NULL);
}
