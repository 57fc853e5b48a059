/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose a process is, by the path of its cgroup: a container, a pod, a systemd unit. */
#ifndef PLIMSOLL_CONTAINER_H
#define PLIMSOLL_CONTAINER_H

/* Raw text of the path; "" where it does not say. */
struct container {
	char id[65];		/* 64 hex digits, as `docker ps --no-trunc` prints */
	char runtime[16];	/* "docker", "containerd", "cri-o", "podman" */
	char pod_uid[40];	/* as Kubernetes prints it; 32 hex digits for a static pod */
	char unit[128];		/* service or scope, not the scope of the container itself */
};

/*
 * Each is taken from the innermost part of the path that has it, whatever stands
 * before: the root of cgroups differs from host to host, and containers nest.  A unit
 * whose name does not fit is unknown.
 */
void container_parse(const char *cgroup, struct container *ret);

#endif
