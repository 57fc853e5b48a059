/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says of one process.  Every answer may be out of date when it is read. */
#ifndef PLIMSOLL_PROC_H
#define PLIMSOLL_PROC_H

#include <stddef.h>
#include <stdint.h>

struct proc_stat {
	char state;		/* 'R', 'S', 'T', 't', 'Z', ... */
	uint32_t ppid;
	uint32_t start_ticks;	/* field 22: clock ticks after boot */
	uint64_t cpu_ticks;	/* fields 14 and 15: processor time it took, all its threads' */
	char comm[16];
};

/*
 * All of a small file, NUL-terminated, into `out`; what does not fit is left out.  0,
 * -ESRCH when there is no such file, or another -errno.
 */
int proc_read(const char *path, char *out, size_t out_size);

/* How many of its threads are called so, as the kernel has it. */
uint32_t proc_threads_called(uint32_t pid, const char *comm);

/* 0, or -ESRCH when there is no such process. */
int proc_stat(uint32_t pid, struct proc_stat *ret);

/* The reading of /proc/PID/stat without the file: 0, or -EINVAL. */
int proc_stat_parse(const char *text, struct proc_stat *ret);

/*
 * Path in the cgroup2 hierarchy (or the name=systemd one); "" when unknown.  A
 * path that does not fit is unknown: half of it may be the name of another.
 */
void proc_cgroup(uint32_t pid, char *out, size_t out_size);

/* The same out of the text of /proc/PID/cgroup. */
void proc_cgroup_parse(const char *text, char *out, size_t out_size);

/* Where the root of the cgroup2 hierarchy is mounted, not a part of it.  0, or -ENOENT. */
int proc_cgroup_root(char *out, size_t out_size);

/* Path of the executable; "" when unknown or too long. */
void proc_exe(uint32_t pid, char *out, size_t out_size);

/* First four hex digits of the boot id: part of every connection's name. */
const char *proc_boot_tag(void);

#endif
