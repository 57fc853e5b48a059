// SPDX-License-Identifier: GPL-2.0-or-later
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "symbols/confine.h"

#define NOBODY	     65534
#define MEMORY_BYTES (512UL << 20)
#define SECONDS	     5	/* of processor time */
#define WALL_SECONDS 30	/* the daemon is sooner, if it is there */

static int limit(void)
{
	const struct {
		int what;
		rlim_t most;
	} limits[] = {
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
		{ RLIMIT_AS, MEMORY_BYTES },
#endif
		{ RLIMIT_CPU, SECONDS },     { RLIMIT_FSIZE, 0 },  { RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, 0 },	     { RLIMIT_NOFILE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit r = { limits[i].most, limits[i].most };

		if (setrlimit((__rlimit_resource_t)limits[i].what, &r))
			return -errno;
	}
	(void)alarm(WALL_SECONDS);
	return 0;
}

static int become_nobody(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			       setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

/* What the libraries would like and can do without: told no, not ended. */
static const int refused[] = {
	SCMP_SYS(open),	  SCMP_SYS(openat),    SCMP_SYS(readlink),  SCMP_SYS(readlinkat),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(sysinfo),   SCMP_SYS(ioctl),
	SCMP_SYS(fcntl),  SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(stat),	  SCMP_SYS(lstat),     SCMP_SYS(getcwd),
};

static const int allowed[] = {
	SCMP_SYS(read),		 SCMP_SYS(pread64),
	SCMP_SYS(lseek),	 SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),	 SCMP_SYS(close),
	SCMP_SYS(brk),		 SCMP_SYS(munmap),
	SCMP_SYS(mremap),	 SCMP_SYS(madvise),
	SCMP_SYS(futex),	 SCMP_SYS(exit),
	SCMP_SYS(exit_group),	 SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),	 SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),	 SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime),
#ifdef __SANITIZE_ADDRESS__ /* to tell what it found */
	SCMP_SYS(sigaltstack),	 SCMP_SYS(getpid),
	SCMP_SYS(gettid),	 SCMP_SYS(sched_yield),
	SCMP_SYS(write),
#endif
};

static int add_rules(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp not_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp to_stdout = SCMP_A0(SCMP_CMP_EQ, STDOUT_FILENO);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(refused) && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !r; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_code);
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_code);
#ifndef __SANITIZE_ADDRESS__
	r = r ?: seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, to_stdout);
#else
	(void)to_stdout;
#endif
	return r;
}

static int filter_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return -ENOMEM;
	r = add_rules(filter);
	r = r ?: seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int confine(void)
{
	int r = become_nobody();

	r = r ?: limit();
	return r ?: filter_calls();
}
