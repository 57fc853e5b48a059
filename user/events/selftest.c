// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Proves, on a loopback connection of our own, that what a client sent can be
 * read from its retransmit queue on this kernel (bpf/sent.bpf.h): sends a
 * start-up packet and compares what the ring brings.  Where it cannot, that is
 * kept on its way out (egress.c), and proved likewise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "events/internal.h"
#include "lib/cleanup.h"

static const uint8_t hello[] = "\0\0\0\x24\0\3\0\0user\0plimsoll-self-test\0\0";
#define HELLO_LEN 36	/* as the packet states */
#define PATIENCE_MS 200

void events_selftest_record(struct events *e, const struct rec_hdr *rec, size_t len)
{
	const struct rec_startup *s = (const void *)rec;

	if (rec->type == REC_STARTUP && len >= sizeof(*s) && s->copied >= sizeof(hello) - 1 &&
	    !memcmp(s->bytes, hello, sizeof(hello) - 1))
		e->proved = true;
}

static int listen_loopback(struct sockaddr_in *ret)
{
	_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (void *)ret, len) || listen(fd, 1) ||
	    getsockname(fd, (void *)ret, &len))
		return -errno;
	return TAKE_FD(fd);
}

/* Client speaks, server answers a byte; the acknowledgement carries us there. */
static int converse(void)
{
	struct sockaddr_in to;
	_close_ int listener = listen_loopback(&to), client = -1, server = -1;
	struct pollfd heard;
	char byte;

	if (listener < 0)
		return listener;
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client < 0 || connect(client, (void *)&to, sizeof(to)))
		return -errno;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0 || send(client, hello, sizeof(hello) - 1, MSG_NOSIGNAL) < 0 ||
	    send(server, "R", 1, MSG_NOSIGNAL) != 1)
		return -errno;
	heard = (struct pollfd){ .fd = client, .events = POLLIN };
	if (poll(&heard, 1, PATIENCE_MS) != 1 || recv(client, &byte, 1, 0) != 1)
		return -ETIMEDOUT;
	return 0;
}

/* Nothing is read rather than other bytes than there were. */
static void stop_reading(struct events *e, const char *why)
{
	(void)bpf_link__destroy(e->bpf->links.on_segment);
	e->bpf->links.on_segment = NULL;
	events_fact(e, "what server and client say", "tp_btf/tcp_probe", why);
}

/* NULL when what was sent is read, else why it is not. */
static const char *try(struct events *e)
{
	int r;

	e->testing = true;
	e->proved = false;
	r = converse();
	if (!r)
		(void)events_drain(e);
	e->testing = false;
	return e->proved ? NULL
	       : r	 ? "the self-test could not use the loopback"
			 : "the self-test read other bytes than were sent";
}

static void fall_back(struct events *e)
{
	int r = events_egress_open(e);

	if (r)
		stop_reading(e, events_complaint(r));
	else if (e->egress->links.on_egress)
		events_fact(e, FACT_SENT, "cgroup_skb/egress", try(e));
}

void events_selftest(struct events *e)
{
	const char *why_not;

	if (!e->bpf->links.on_segment) {	/* why is said already */
		events_fact(e, FACT_SENT, "retransmit queue", "no server's answer is heard");
		return;
	}
	why_not = try(e);
	e->bpf->data_shared->shared.proved = e->proved;
	events_fact(e, FACT_SENT, "retransmit queue", why_not);
	if (!why_not)
		return;
	/* Without dynptrs what was received is found by the same arithmetic as what was sent. */
	if (e->has_dynptr)
		fall_back(e);
	else
		stop_reading(e, "where the bytes of a segment lie could not be proved");
}
