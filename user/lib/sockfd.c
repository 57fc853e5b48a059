// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/sockfd.h"

static bool is_socket(int dir, const char *entry)
{
	char target[64];
	ssize_t n = readlinkat(dir, entry, target, sizeof(target));

	return n > 8 && memcmp(target, "socket:[", 8) == 0;
}

int sockfd_duplicate(int pidfd, int fd, uint64_t cookie)
{
	_close_ int ours = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	uint64_t found = 0;
	socklen_t len = sizeof(found);

	if (ours < 0)
		return errno == EBADF || errno == ESRCH ? -ENOENT : -errno;
	if (getsockopt(ours, SOL_SOCKET, SO_COOKIE, &found, &len) || found != cookie)
		return -ENOENT;
	return TAKE_FD(ours);
}

/* A duplicate of the descriptor by which process `pid` has the socket, or -errno. */
static int take(uint32_t pid, uint64_t cookie)
{
	char path[32];
	_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd;

	if (pidfd < 0)
		return errno == ESRCH ? -ENOENT : -errno;
	(void)snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!is_socket(dirfd(dir), entry->d_name))
			continue;
		fd = sockfd_duplicate(pidfd, atoi(entry->d_name), cookie);
		if (fd >= 0 || fd == -EPERM)
			return fd;
	}
	return -ENOENT;
}

int sockfd_ask(const struct sock_name *name, struct sock_facts *ret)
{
	_close_ int fd = take(name->pid, name->cookie);
	struct tcp_info info = {};
	socklen_t len = sizeof(info);
	int unread = 0, unacked = 0;

	if (fd < 0)
		return fd;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) || ioctl(fd, SIOCINQ, &unread) ||
	    ioctl(fd, SIOCOUTQ, &unacked))
		return -errno;
	*ret = (struct sock_facts){
		.tcp_state = info.tcpi_state,
		.unread = (uint32_t)unread,
		.unacked = (uint32_t)unacked,
		.bytes_received = info.tcpi_bytes_received,
		.bytes_acked = info.tcpi_bytes_acked,
		.retransmits = info.tcpi_probes > info.tcpi_retransmits ? info.tcpi_probes
									: info.tcpi_retransmits,
	};
	return 0;
}
