/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that another process has mapped, reached through the mapping itself:
 * a deleted or replaced file is the one that runs, and whose mount namespace the
 * path belongs to does not matter.
 *
 * Whoever runs a process may have put its files where he answers for them (FUSE),
 * and never answer.  So nothing here asks a file system anything: a file is
 * pinned, not opened, and what the kernel remembers of it is enough.
 */
#ifndef PLIMSOLL_MAPPING_H
#define PLIMSOLL_MAPPING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	uint64_t inode;	 /* 0: no file */
	bool executable;
	char name[256]; /* last part of the path, without " (deleted)"; or "[vdso]" */
};

/* Until `each` returns false.  0, -ESRCH or -EPERM. */
int mapping_walk(uint32_t pid, bool (*each)(const struct mapping *m, void *arg), void *arg);

/* Which file, and which version of it. */
struct file_key {
	uint64_t device, inode;
	uint64_t mtime_ns;
	uint64_t size;
};

/* Pins it: descriptors that name a file and cannot read it.  -errno when it is gone. */
int mapping_pin(uint32_t pid, const struct mapping *m);
int mapping_pin_exe(uint32_t pid);

/* What the kernel remembers of a pinned file: 0, or -errno; -EINVAL: no regular file. */
int mapping_key(int pin, struct file_key *ret);

/*
 * 0 when the pinned file may be opened: its file system is the kernel's own.
 * -EREMOTE: another program answers for it; -ENODEV: nobody knows who does.
 */
int mapping_judge(int pin, uint32_t pid);

#endif
