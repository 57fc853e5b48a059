/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small programs, compiled and run by a test, that tell the addresses of their functions. */
#ifndef PLIMSOLL_PROGRAM_KIT_H
#define PLIMSOLL_PROGRAM_KIT_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/helper.h"

/* A fresh directory that goes with its contents. */
struct place_for_files {
	char path[40];
};

static inline void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void sh(const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	int status;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	status = system(command);
	if (status)
		fail_msg("'%s' ended with status %d", command, status);
}

static inline int make_directory(void **state)
{
	struct place_for_files *d = calloc(1, sizeof(*d));

	(void)snprintf(d->path, sizeof(d->path), "/tmp/plimsoll-test-XXXXXX");
	*state = d;
	/* The reader is nobody, and reads all the same: it gets descriptors. */
	return mkdtemp(d->path) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
	struct place_for_files *d = *state;

	sh("rm -rf '%s'", d->path);
	free(d);
	return 0;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
	_fclose_ FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
}

struct program {
	pid_t pid;
	int out;
	uint64_t addrs[4]; /* what it printed, in hex, on its first line */
};

/* Runs `argv` up to the line with its addresses; after it, it is to wait. */
static inline struct program program_start(const char *const argv[])
{
	struct program p = { 0 };
	char line[256] = "";
	int out[2];
	size_t have = 0;

	assert_int_equal(pipe(out), 0);
	p.pid = fork();
	assert_true(p.pid >= 0);
	if (!p.pid) {
		/* When a test fails, too. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)close(out[0]);
		(void)close(out[1]);
		(void)execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)close(out[1]);
	p.out = out[0];
	while (!strchr(line, '\n') && have < sizeof(line) - 1) {
		ssize_t n = read(p.out, line + have, sizeof(line) - 1 - have);

		if (n <= 0)
			fail_msg("%s ended before it said anything", argv[0]);
		have += (size_t)n;
	}
	(void)sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &p.addrs[0], &p.addrs[1],
		     &p.addrs[2], &p.addrs[3]);
	return p;
}

static inline void program_end(struct program *p)
{
	(void)kill(p->pid, SIGKILL);
	assert_int_equal(waitpid(p->pid, NULL, 0), p->pid);
	(void)close(p->out);
}

/* The reader of this build: two directories up from the test. */
static inline const char *reader_path(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	assert_true(n > 0);
	path[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	strcat(path, "/plimsoll-symbols");
	assert_int_equal(access(path, X_OK), 0);
	return path;
}

/* One that was killed ends, though on a busy host not at once. */
static inline void expect_no_child(void)
{
	for (int i = 0; i < 500 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		(void)usleep(10000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#endif
