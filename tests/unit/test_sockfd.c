// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sockfd.h"

#define ESTABLISHED 1
#define CLOSE_WAIT  8

struct pair {
	int client, server;
	struct sock_name name;	/* of the client's socket */
};

static struct pair connected(void)
{
	struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where), len = sizeof(uint64_t);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pair p = { .name.pid = (uint32_t)getpid() };

	assert_int_equal(bind(listener, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &size), 0);
	p.client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p.client, (struct sockaddr *)&where, sizeof(where)), 0);
	p.server = accept(listener, NULL, NULL);
	assert_true(p.server >= 0);
	(void)close(listener);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_COOKIE, &p.name.cookie, &len), 0);
	return p;
}

/* The number that the next descriptor gets: one that was left open moves it. */
static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	assert_int_equal(close(fd), 0);
	return fd;
}

static void a_duplicate_is_the_same_socket(void **state)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), ours;
	struct pair p = connected();
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	(void)state;
	ours = sockfd_duplicate(pidfd, p.client, p.name.cookie);
	assert_true(ours >= 0 && ours != p.client);
	assert_int_equal(getsockopt(ours, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	assert_int_equal(cookie, p.name.cookie);
	(void)close(ours);
	(void)close(p.client);
	(void)close(p.server);
	(void)close(pidfd);
}

static void what_is_another_by_now_is_not_duplicated(void **state)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), before;
	struct pair p = connected();

	(void)state;
	before = next_fd();
	assert_int_equal(sockfd_duplicate(pidfd, p.server, p.name.cookie), -ENOENT);
	assert_int_equal(sockfd_duplicate(pidfd, pidfd, p.name.cookie), -ENOENT);
	assert_int_equal(next_fd(), before);
	(void)close(p.client);
	assert_int_equal(sockfd_duplicate(pidfd, p.client, p.name.cookie), -ENOENT);
	(void)close(p.server);
	(void)close(pidfd);
}

static void a_socket_tells_its_bytes_and_queues(void **state)
{
	struct pair p = connected();
	struct sock_facts f;
	char read_some[2];

	(void)state;
	assert_int_equal(send(p.server, "hello", 5, 0), 5);
	assert_int_equal(recv(p.client, read_some, 2, MSG_WAITALL), 2);
	assert_int_equal(sockfd_ask(&p.name, &f), 0);
	assert_int_equal(f.tcp_state, ESTABLISHED);
	assert_int_equal(f.unread, 3);
	assert_int_equal(f.unacked, 0);
	assert_int_equal(f.bytes_received, 5);
	(void)close(p.server);
	assert_int_equal(sockfd_ask(&p.name, &f), 0);
	assert_int_equal(f.tcp_state, CLOSE_WAIT);
	(void)close(p.client);
}

static void what_nobody_has_open_is_gone(void **state)
{
	struct pair p = connected();
	struct sock_name gone = p.name, nobody = p.name;
	struct sock_facts f;

	(void)state;
	gone.cookie = ~0ULL;
	nobody.pid = 1U << 21;
	assert_int_equal(sockfd_ask(&gone, &f), -ENOENT);
	assert_int_equal(sockfd_ask(&nobody, &f), -ENOENT);
	(void)close(p.client);
	(void)close(p.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duplicate_is_the_same_socket),
		cmocka_unit_test(what_is_another_by_now_is_not_duplicated),
		cmocka_unit_test(a_socket_tells_its_bytes_and_queues),
		cmocka_unit_test(what_nobody_has_open_is_gone),
	};

	return cmocka_run_group_tests_name("sockfd", tests, NULL, NULL);
}
