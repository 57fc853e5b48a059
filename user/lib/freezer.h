/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a process is in a control group that is frozen, in either hierarchy. */
#ifndef PLIMSOLL_FREEZER_H
#define PLIMSOLL_FREEZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False also where it cannot be known. */
bool freezer_has(uint32_t pid);

/*
 * One line of mountinfo: whether it is the whole of a hierarchy of type "cgroup2" (option
 * NULL), or "cgroup" with that option; then where, in `out`.
 */
bool freezer_mount_parse(const char *line, const char *type, const char *option, char *out,
			 size_t out_size);

/*
 * Path of a process in the hierarchy of `controller` ("" for cgroup2), out of its
 * /proc/PID/cgroup; "" when unknown, or not below our root.
 */
void freezer_path_parse(const char *cgroups, const char *controller, char *out, size_t out_size);

#endif
