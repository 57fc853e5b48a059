/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes registers and stack of a thread that waits in a system call, as the kernel side does. */
#ifndef PLIMSOLL_STACK_KIT_H
#define PLIMSOLL_STACK_KIT_H

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "lib/clock.h"
#include "program_kit.h"
#include "resolve_kit.h"

struct snapshot {
	struct registers registers;
	uint8_t bytes[STACK_BYTES_MAX];
	size_t len;
};

/* The thread of `pid` that waits in system call `number`; 0: none does, now. */
static inline pid_t find_waiting(pid_t pid, long number)
{
	char path[64], text[128];
	struct dirent *e;
	pid_t found = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (!found && (e = readdir(dir))) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
		long in = -1;

		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);

		_fclose_ FILE *f = tid ? fopen(path, "r") : NULL;

		if (f && fgets(text, sizeof(text), f) && sscanf(text, "%ld ", &in) == 1 &&
		    in == number)
			found = tid;
	}
	(void)closedir(dir);
	return found;
}

static inline struct snapshot snapshot_of(pid_t pid, long number)
{
	uint64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
	struct snapshot s = { 0 };
	struct user_regs_struct r;
	struct iovec to = { s.bytes, sizeof(s.bytes) }, from = { NULL, sizeof(s.bytes) };
	pid_t tid;
	ssize_t n;

	while (!(tid = find_waiting(pid, number))) {
		assert_true(clock_now_ns() < until_ns);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(ptrace(PTRACE_SEIZE, tid, 0, 0), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, 0, 0), 0);
	assert_int_equal(waitpid(tid, NULL, __WALL), tid);
	assert_int_equal(ptrace(PTRACE_GETREGS, tid, 0, &r), 0);
	s.registers = (struct registers){ .ip = r.rip,
					  .sp = r.rsp,
					  .bp = r.rbp,
					  .bx = r.rbx,
					  .r12 = r.r12,
					  .r13 = r.r13,
					  .r14 = r.r14,
					  .r15 = r.r15 };
	from.iov_base = (void *)(uintptr_t)r.rsp;
	n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	assert_true(n > 0);
	s.len = (size_t)n;
	assert_int_equal(ptrace(PTRACE_DETACH, tid, 0, 0), 0);
	return s;
}

/* All of it, waiting; the number of frames. */
static inline size_t follow(struct symbols *sy, pid_t pid, const struct snapshot *s,
			    struct frame frames[FRAMES_MAX + 1])
{
	struct lookup *l = NULL;
	const struct frame *found;
	size_t n;

	assert_int_equal(
		symbols_start_stack(sy, (uint32_t)pid, &s->registers, s->bytes, s->len, &l), 0);
	await_reader(l);
	found = lookup_frames(l, &n);
	memcpy(frames, found, n * sizeof(*found));
	lookup_free(l);
	return n;
}

/* "read\ndeep_wait\n...": with the names that matter in `chain`, in this order. */
static inline void expect_chain(const struct frame *f, size_t n, const char *const *chain)
{
	char all[8192] = "";
	size_t used = 0;

	for (size_t i = 0; i < n && used < sizeof(all) - 400; i++) {
		used += (size_t)snprintf(all + used, sizeof(all) - used, "  %.120s (%.120s)\n",
					 f[i].function, f[i].module);
		if (*chain && !strncmp(f[i].function, *chain, strlen(*chain)))
			chain++;
	}
	if (*chain)
		fail_msg("no '%s' where it is called from in\n%s", *chain, all);
}

#endif
