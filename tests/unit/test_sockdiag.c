// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's own word on a socket, and its end, by netlink.  That nobody is its owner keeps
 * the other way (lib/sockfd.h) out of it.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/sockdiag.h"

#define ESTABLISHED 1
#define CLOSE_WAIT  8
#define PATIENCE_MS 2000
#define NOBODY	    (1U << 23)	/* beyond any process */

struct pair {
	int client, server;
	struct sock_name name;	/* of the client's socket */
};

static uint32_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : (uint32_t)st.st_ino;
}

static struct addr address(const struct sockaddr_in *in)
{
	struct addr a = { .ip = { [10] = 0xff, [11] = 0xff }, .port = ntohs(in->sin_port) };

	memcpy(a.ip + 12, &in->sin_addr, 4);
	return a;
}

/* A client that has 5 bytes to read; `client` -1 where something failed. */
static struct pair connected(void)
{
	struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in ours = {};
	socklen_t size = sizeof(where), len = sizeof(uint64_t);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct pair p = { .client = -1, .name.pid = NOBODY };
	int client = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd heard = { .fd = client, .events = POLLIN };

	if (bind(listener, (struct sockaddr *)&where, sizeof(where)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&where, &size) ||
	    connect(client, (struct sockaddr *)&where, sizeof(where)))
		return p;
	p.server = accept(listener, NULL, NULL);
	(void)close(listener);
	if (send(p.server, "hello", 5, 0) != 5 || poll(&heard, 1, PATIENCE_MS) != 1 ||
	    getsockname(client, (struct sockaddr *)&ours, &size) ||
	    getsockopt(client, SOL_SOCKET, SO_COOKIE, &p.name.cookie, &len))
		return p;
	p.name.local = address(&ours);
	p.name.remote = address(&where);
	p.name.netns = own_netns();
	p.client = client;
	return p;
}

static void hang_up(struct pair *p)
{
	(void)close(p->client);
	(void)close(p->server);
}

static void must(int r)
{
	if (r == -EPERM || r == -EOPNOTSUPP)
		skip();	/* not root, or a kernel without */
	assert_int_equal(r, 0);
}

static void the_kernel_tells_bytes_and_queues(void **state)
{
	struct pair p = connected();
	struct sock_facts f;

	(void)state;
	assert_true(p.client >= 0);
	must(sockdiag_ask(&p.name, &f));
	assert_int_equal(f.tcp_state, ESTABLISHED);
	assert_int_equal(f.unread, 5);
	assert_int_equal(f.bytes_received, 5);
	assert_int_equal(f.unacked, 0);
	assert_int_equal(f.retransmits, 0);
	/* The server's goodbye is no byte to read, though the kernel counts it as one. */
	(void)shutdown(p.server, SHUT_WR);
	must(sockdiag_ask(&p.name, &f));
	assert_int_equal(f.tcp_state, CLOSE_WAIT);
	assert_int_equal(f.unread, 5);
	hang_up(&p);
}

static void another_socket_at_the_same_addresses_is_not_meant(void **state)
{
	struct sock_facts f = { .unread = 77 };
	struct pair p = connected();
	struct sock_name other = p.name;
	char byte;

	(void)state;
	assert_true(p.client >= 0);
	must(sockdiag_ask(&p.name, &f));
	f.unread = 77;
	other.cookie ^= 1;
	assert_int_equal(sockdiag_ask(&other, &f), -ENOENT);
	assert_int_equal(sockdiag_destroy(&other), -ENOENT);
	other = p.name;
	other.netns ^= 1;
	assert_int_equal(sockdiag_ask(&other, &f), -ENOENT);
	assert_int_equal(f.unread, 77);	/* untouched */
	assert_int_equal(recv(p.client, &byte, 1, 0), 1);
	hang_up(&p);
	assert_int_equal(sockdiag_ask(&p.name, &f), -ENOENT);
	/* Nor does anybody have it where its owner is not known. */
	p.name.pid = 0;
	assert_int_equal(sockdiag_ask(&p.name, &f), -ENOENT);
}

static void destroyed_means_reset_at_both_ends(void **state)
{
	struct pair p = connected();
	struct pollfd heard = { .fd = p.server };
	char byte;

	(void)state;
	assert_true(p.client >= 0);
	must(sockdiag_destroy(&p.name));
	assert_int_equal(send(p.client, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(poll(&heard, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(p.server, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	hang_up(&p);
}

/* In a network namespace of its own: tells the name of its socket, and waits. */
static void live_elsewhere(int out)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct pair p = { .client = -1 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!unshare(CLONE_NEWNET) && !ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &lo))
		p = connected();
	(void)!write(out, &p, sizeof(p));
	for (;;)
		(void)pause();
}

static void it_is_asked_in_its_own_network_namespace(void **state)
{
	uint32_t home = own_netns();
	struct sock_facts f = {};
	struct pair p;
	int out[2], r;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(out), 0);
	child = fork();
	if (child == 0)
		live_elsewhere(out[1]);
	assert_int_equal(read(out[0], &p, sizeof(p)), sizeof(p));
	p.name.pid = (uint32_t)child;
	r = p.client < 0 ? -EPERM : sockdiag_ask(&p.name, &f);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	(void)close(out[0]);
	(void)close(out[1]);
	must(r);
	assert_int_not_equal(p.name.netns, home);
	assert_int_equal(f.unread, 5);
	assert_int_equal(own_netns(), home);	/* and back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_tells_bytes_and_queues),
		cmocka_unit_test(another_socket_at_the_same_addresses_is_not_meant),
		cmocka_unit_test(destroyed_means_reset_at_both_ends),
		cmocka_unit_test(it_is_asked_in_its_own_network_namespace),
	};

	return cmocka_run_group_tests_name("sockdiag", tests, NULL, NULL);
}
