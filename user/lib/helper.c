// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/helper.h"
#include "lib/proc.h"

#define OUT_OF_THE_WAY 200 /* no prepare() arranges that many */
#define PATIENCE_MS    50  /* what a killed process needs, on a busy host */

/* Ignored signals stay ignored over exec, and so does the mask. */
static void forget_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void become(const char *path, int in, int out, int (*prepare)(void *arg), void *arg)
{
	char *const argv[] = { (char *)path, NULL };
	char *const env[] = { NULL };
	int first;

	forget_signals();
	in = fcntl(in, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	out = fcntl(out, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	first = prepare(arg);
	if (first < 3 || close_range((unsigned int)first, ~0U, 0))
		_exit(127);
	(void)execve(path, argv, env);
	_exit(127);
}

int helper_start(const char *path, const void *request, size_t size, int (*prepare)(void *arg),
		 void *arg, struct helper *ret)
{
	int in[2], out[2];
	pid_t pid;

	if (size > HELPER_REQUEST_MAX)
		return -EMSGSIZE;
	if (pipe2(in, O_CLOEXEC))
		return -errno;

	_close_ int in_read = in[0];
	_close_ int in_write = in[1];

	if (pipe2(out, O_CLOEXEC))
		return -errno;

	_close_ int out_read = out[0];
	_close_ int out_write = out[1];

	/* Before there is a reader: it fits, and nobody can hang up on us. */
	if (fcntl(in_write, F_SETFL, O_NONBLOCK) || fcntl(out_read, F_SETFL, O_NONBLOCK))
		return -errno;
	if (write(in_write, request, size) != (ssize_t)size)
		return -EIO;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		become(path, in_read, out_write, prepare, arg);
	*ret = (struct helper){ .pid = pid, .out = TAKE_FD(out_read) };
	return 0;
}

bool helper_gone(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) != 0;
}

bool helper_stop(struct helper *h)
{
	_close_ int pidfd = pidfd_open(h->pid, 0);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	(void)close(TAKE_FD(h->out));
	(void)kill(h->pid, SIGKILL);
	(void)poll(&end, 1, PATIENCE_MS);
	return helper_gone(h->pid);
}

uint64_t helper_starved_ns(const struct helper *h)
{
	char path[40], times[96];
	uint64_t starved_ns;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", h->pid);
	if (proc_read(path, times, sizeof(times)) || sscanf(times, "%*u %" SCNu64, &starved_ns) != 1)
		return 0;
	return starved_ns;
}

int helper_beside_us(const char *name, char *out, size_t out_size)
{
	ssize_t n = readlink("/proc/self/exe", out, out_size);
	char *end;

	if (n < 0)
		return -errno;
	if ((size_t)n == out_size)
		return -ENAMETOOLONG;
	out[n] = '\0';
	end = strrchr(out, '/');
	if (!end)
		return -ENOENT;
	end++;
	if (strlen(name) >= out_size - (size_t)(end - out))
		return -ENAMETOOLONG;
	memcpy(end, name, strlen(name) + 1);
	return access(out, X_OK) ? -ENOENT : 0;
}
