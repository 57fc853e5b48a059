// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/hold.h"

static void nap(int ms)
{
	(void)poll(NULL, 0, ms);
}

static int end_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Waits for `fd` to become readable; its exit code says what epoll_wait() returned. */
static void wait_and_exit(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), n;

	(void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	n = epoll_wait(ep, &ev, 1, -1);
	_exit(n == 1 ? 0 : errno == EINTR ? 4 : 1);
}

static pid_t start_waiter(int ends[2])
{
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGUSR1, on_signal);
		wait_and_exit(ends[0]);
	}
	nap(50);
	return pid;
}

static void hold_often(pid_t pid)
{
	struct hold h;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(hold_begin(&h, pid, NS_PER_S), 0);
		hold_end(&h);
		nap(2);
	}
}

/* Left to itself the kernel fails epoll_wait() with EINTR after a tracer's stop. */
static void does_not_interrupt_a_wait(void **state)
{
	int ends[2];
	pid_t pid = start_waiter(ends);

	(void)state;
	hold_often(pid);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(end_of(pid), 0);
}

/* But a signal of the program's own does, as ever. */
static void signal_interrupts_still(void **state)
{
	int ends[2];
	pid_t pid = start_waiter(ends);
	struct hold h;

	(void)state;
	hold_often(pid);
	assert_int_equal(hold_begin(&h, pid, NS_PER_S), 0);
	assert_int_equal(kill(pid, SIGUSR1), 0);
	hold_end(&h);
	assert_int_equal(WEXITSTATUS(end_of(pid)), 4);
}

/* A thread in vfork() stands when its child has ended, and not before. */
static void gives_up_in_time(void **state)
{
	pid_t slow = fork(), holder;

	(void)state;
	if (slow == 0) {
		pid_t child = vfork();

		if (child == 0) {
			(void)usleep(700000);
			_exit(0);
		}
		_exit(child > 0 ? 0 : 1);
	}
	nap(50);
	holder = fork();
	if (holder == 0) {
		struct hold h;
		uint64_t since_ns = clock_now_ns();
		int r = hold_begin(&h, slow, 10 * NS_PER_MS);

		_exit(r == -ETIME && elapsed_ns(since_ns, clock_now_ns()) < 300 * NS_PER_MS ? 0 : 1);
	}
	assert_int_equal(end_of(holder), 0);
	assert_int_equal(end_of(slow), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_not_interrupt_a_wait),
		cmocka_unit_test(signal_interrupts_still),
		cmocka_unit_test(gives_up_in_time),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
