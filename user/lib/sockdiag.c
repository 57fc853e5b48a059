// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/sockdiag.h"
#include "lib/sockfd.h"

#define TCP_STATE_CLOSE_WAIT 8

static int open_netns(uint32_t pid)
{
	char path[64] = "/proc/self/ns/net";
	int fd;

	if (pid)
		(void)snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_netns(int fd, uint32_t inode)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_ino == inode;
}

static struct mnl_socket *open_bound(void)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);

	if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID)) {
		(void)mnl_socket_close(nl);
		return NULL;
	}
	return nl;
}

/* A netlink socket belongs to the network namespace that it was opened in. */
static struct mnl_socket *open_in(const struct sock_name *name)
{
	_close_ int home = open_netns(0), there = -1;
	struct mnl_socket *nl;

	if (home >= 0 && is_netns(home, name->netns))
		return open_bound();
	there = open_netns(name->pid);
	if (home < 0 || there < 0 || !is_netns(there, name->netns)) {
		errno = ENOENT;
		return NULL;
	}
	if (setns(there, CLONE_NEWNET))
		return NULL;
	nl = open_bound();
	if (setns(home, CLONE_NEWNET)) {
		if (nl)
			(void)mnl_socket_close(nl);
		return NULL;
	}
	return nl;
}

static void put_request(struct nlmsghdr *nlh, const struct sock_name *name)
{
	struct inet_diag_req_v2 *r = mnl_nlmsg_put_extra_header(nlh, sizeof(*r));
	const uint8_t *src = name->local.ip, *dst = name->remote.ip;
	bool v4 = addr_is_v4(dst);

	r->sdiag_family = v4 ? AF_INET : AF_INET6;
	r->sdiag_protocol = IPPROTO_TCP;
	r->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	r->idiag_states = (uint32_t)-1;
	r->id.idiag_sport = htons(name->local.port);
	r->id.idiag_dport = htons(name->remote.port);
	memcpy(r->id.idiag_src, v4 ? src + 12 : src, v4 ? 4 : 16);
	memcpy(r->id.idiag_dst, v4 ? dst + 12 : dst, v4 ? 4 : 16);
	r->id.idiag_cookie[0] = (uint32_t)name->cookie;
	r->id.idiag_cookie[1] = (uint32_t)(name->cookie >> 32);
}

static int take_info(const struct nlattr *attr, void *arg)
{
	struct tcp_info info = {};
	struct sock_facts *f = arg;
	size_t len = mnl_attr_get_payload_len(attr);

	if (mnl_attr_get_type(attr) != INET_DIAG_INFO)
		return MNL_CB_OK;
	memcpy(&info, mnl_attr_get_payload(attr), len < sizeof(info) ? len : sizeof(info));
	f->bytes_received = info.tcpi_bytes_received;
	f->bytes_acked = info.tcpi_bytes_acked;
	f->retransmits = info.tcpi_probes > info.tcpi_retransmits ? info.tcpi_probes
								   : info.tcpi_retransmits;
	return MNL_CB_OK;
}

static int take_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct sock_facts *f = arg;

	f->tcp_state = m->idiag_state;
	f->unread = m->idiag_rqueue;
	if (f->unread && f->tcp_state == TCP_STATE_CLOSE_WAIT)
		f->unread--;	/* the server's FIN takes a number too, and is no byte */
	f->unacked = m->idiag_wqueue;
	(void)mnl_attr_parse(nlh, sizeof(*m), take_info, f);
	return MNL_CB_STOP;
}

/* Sends one request and takes its answer, or its acknowledgement when `facts` is NULL. */
static int exchange(const struct sock_name *name, uint16_t type, uint16_t flags,
		    struct sock_facts *facts)
{
	char buffer[8192] __attribute__((aligned(8)));
	struct mnl_socket *nl = open_in(name);
	struct nlmsghdr *nlh;
	ssize_t n = -1;
	int r;

	if (!nl)
		return -errno;
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = 1;
	put_request(nlh, name);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) >= 0)
		n = mnl_socket_recvfrom(nl, buffer, sizeof(buffer));
	r = n < 0 ? -errno : 0;
	if (!r && mnl_cb_run(buffer, (size_t)n, 1, mnl_socket_get_portid(nl),
			     facts ? take_answer : NULL, facts) < 0)
		r = errno == ESTALE ? -ENOENT : -errno;
	(void)mnl_socket_close(nl);
	return r;
}

int sockdiag_ask(const struct sock_name *name, struct sock_facts *ret)
{
	struct sock_facts f = {};
	int r = exchange(name, SOCK_DIAG_BY_FAMILY, 0, &f);

	/* The socket is gone, or the kernel's module never came. */
	if (r == -ENOENT && name->pid)
		return sockfd_ask(name, ret);
	if (!r)
		*ret = f;
	return r;
}

int sockdiag_destroy(const struct sock_name *name)
{
	return exchange(name, SOCK_DESTROY, NLM_F_ACK, NULL);
}
