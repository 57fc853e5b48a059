// SPDX-License-Identifier: GPL-2.0-or-later
#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "events/attach.h"
#include "lib/cleanup.h"

#define ON_RETURN	   1   /* BPF_F_UPROBE_MULTI_RETURN */
#define OUT_OF_THE_WAY	   200 /* of the numbers that it keeps */
#define PATIENCE_MS	   1000
#define UPROBE_TYPE	   "/sys/bus/event_source/devices/uprobe/type"

/* The part of union bpf_attr that BPF_LINK_CREATE reads for uprobe_multi; libbpf 1.1 has none. */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

/* ---- in that process */

struct worker {
	int socket;
	int programs[PROBE_KINDS];
	bool multi;
	int links[ATTACH_SETS][PROBE_KINDS]; /* the descriptor, or 0 */
};

static int link_multi(int program, enum probe_kind kind, const char *path, const uint64_t *offsets,
		      const uint64_t *cookies, uint32_t n)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)program,
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.count = n,
		.multi_flags = kind == PROBE_RETURN ? ON_RETURN : 0,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr) - sizeof(attr.pad));

	return fd < 0 ? -errno : (int)fd;
}

static int read_uprobe_type(uint32_t *ret)
{
	_fclose_ FILE *f = fopen(UPROBE_TYPE, "re");

	return f && fscanf(f, "%u", ret) == 1 ? 0 : -EOPNOTSUPP;
}

/* Before 6.6: one place, by way of a perf event. */
static int link_single(int program, const char *path, uint64_t offset, uint64_t cookie)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.uprobe_path = (uintptr_t)path,
		.probe_offset = offset,
	};
	int r = read_uprobe_type(&attr.type);
	_close_ int event = -1;
	int fd;

	if (r)
		return r;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	fd = bpf_link_create(program, event, BPF_PERF_EVENT, &opts);
	if (fd < 0 || !ioctl(event, PERF_EVENT_IOC_ENABLE, 0))
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

/* A link for the places of one kind; 0: there are none. */
static int link_kind(const struct worker *w, const struct attach_order *order,
		     enum probe_kind kind, const char *path)
{
	uint64_t offsets[PROBE_PLACES], cookies[PROBE_PLACES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < order->count; i++) {
		if (order->places[i].kind != kind)
			continue;
		offsets[n] = order->places[i].offset;
		cookies[n++] = order->places[i].cookie;
	}
	if (!n)
		return 0;
	if (w->programs[kind] < 0 || (!w->multi && (kind != PROBE_GO || n > 1)))
		return -EOPNOTSUPP;
	return w->multi ? link_multi(w->programs[kind], kind, path, offsets, cookies, n)
			: link_single(w->programs[kind], path, offsets[0], cookies[0]);
}

static void unlink_set(struct worker *w, uint32_t number)
{
	for (size_t kind = 0; kind < PROBE_KINDS; kind++) {
		if (w->links[number][kind] > 0)
			(void)close(w->links[number][kind]);
		w->links[number][kind] = 0;
	}
}

static int obey(struct worker *w, const struct attach_order *order, int pin)
{
	char path[40];

	if (order->number >= ATTACH_SETS || order->count > PROBE_PLACES)
		return -EINVAL;
	unlink_set(w, order->number);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	for (uint32_t kind = 0; kind < PROBE_KINDS; kind++) {
		int fd = link_kind(w, order, (enum probe_kind)kind, path);

		if (fd < 0) {
			unlink_set(w, order->number);
			return fd;
		}
		w->links[order->number][kind] = fd;
	}
	return 0;
}

/* False when there is nobody any more to take orders from. */
static bool take_order(const struct worker *w, struct attach_order *ret, int *ret_pin)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct iovec iov = { ret, sizeof(*ret) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *c;

	*ret_pin = -1;
	if (recvmsg(w->socket, &m, MSG_CMSG_CLOEXEC) != sizeof(*ret))
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_pin, CMSG_DATA(c), sizeof(*ret_pin));
	return true;
}

/* Of ours it keeps these, as 0 to n - 1; that one is missing (-1) is the same there. */
static int keep(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
	for (size_t i = 0; i < n; i++) {
		(void)close((int)i);
		if (fds[i] >= 0)
			fds[i] = dup3(fds[i], (int)i, O_CLOEXEC);
	}
	return close_range((unsigned int)n, ~0U, 0) ? -errno : 0;
}

/* A perf event on other people's programs takes the right to everything. */
static int give_up_rights(bool multi)
{
	(void)prctl(PR_SET_NAME, "plimsoll-probes");
	(void)prctl(PR_SET_DUMPABLE, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	(void)capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_BPF,
			    CAP_PERFMON, multi ? -1 : CAP_SYS_ADMIN, -1);
	if (capng_apply(CAPNG_SELECT_BOTH))
		return -EPERM;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;
}

/* It hears of our end by the socket.  A signal at the keyboard is for the daemon alone. */
static void serve(int socket, const int programs[PROBE_KINDS], bool multi)
{
	int fds[1 + PROBE_KINDS] = { socket };
	static struct worker w;
	struct attach_order order;
	int pin, result;

	memcpy(fds + 1, programs, PROBE_KINDS * sizeof(fds[0]));
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (keep(fds, ARRAY_SIZE(fds)) || give_up_rights(multi))
		return;
	w.socket = fds[0];
	memcpy(w.programs, fds + 1, sizeof(w.programs));
	w.multi = multi;
	while (take_order(&w, &order, &pin)) {
		result = obey(&w, &order, pin);
		if (pin >= 0)
			(void)close(pin);
		if (send(w.socket, &result, sizeof(result), 0) < 0)
			return;
	}
}

/* ---- in ours */

int attacher_start(struct attacher *a, const int programs[PROBE_KINDS], bool multi)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;

	_close_ int ours = pair[0];
	_close_ int theirs = pair[1];

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		serve(theirs, programs, multi);
		_exit(0);
	}
	*a = (struct attacher){ .pid = pid, .socket = TAKE_FD(ours) };
	return 0;
}

int attacher_order(const struct attacher *a, const struct attach_order *order, int pin)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = { 0 };
	struct iovec iov = { (void *)order, sizeof(*order) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pin >= 0) {
		struct cmsghdr *c = &control.aligned;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pin, sizeof(pin));
	}
	return sendmsg(a->socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int attacher_answer(const struct attacher *a, int *ret)
{
	ssize_t n = recv(a->socket, ret, sizeof(*ret), MSG_DONTWAIT);

	if (n == sizeof(*ret))
		return 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
}

void attacher_end(struct attacher *a)
{
	_close_ int pidfd = a->pid ? pidfd_open(a->pid, 0) : -1;
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (!a->pid)
		return;
	(void)close(TAKE_FD(a->socket));
	(void)poll(&end, 1, PATIENCE_MS);
	(void)waitpid(a->pid, NULL, WNOHANG);
	a->pid = 0;
}
