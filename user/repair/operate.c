// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/hold.h"
#include "lib/proc.h"
#include "lib/sockfd.h"
#include "lib/sockguard.h"
#include "repair/operate.h"

#define PATIENCE_NS	(300 * NS_PER_MS)
#define PATIENCE_MAX_NS (2 * NS_PER_S)
#define ROUND_TRIPS	8
#define STAND_NS	(8 * NS_PER_MS)	/* for all threads of the owner to stand */

static int report_to = -1;

uint64_t operate_deadline_ns(const struct conn *c)
{
	uint64_t ns = PATIENCE_NS + ROUND_TRIPS * c->rtt_us * NS_PER_US;

	return ns < PATIENCE_MAX_NS ? ns : PATIENCE_MAX_NS;
}

/* The parent may be gone; the work goes on all the same. */
static void report(const struct report *rep)
{
	(void)send(report_to, rep, sizeof(*rep), MSG_NOSIGNAL);
}

int operation_step(struct operation *op, const char *name, int err, const char *note)
{
	struct report rep = { .kind = REPORT_STEP };

	(void)op;
	rep.step.err = err;
	rep.step.at_ns = clock_now_ns();
	(void)snprintf(rep.step.name, sizeof(rep.step.name), "%s", name);
	(void)snprintf(rep.step.note, sizeof(rep.step.note), "%s", note);
	report(&rep);
	return err;
}

/*
 * The last line of defence: whatever goes wrong in here, the kernel's timer ends
 * us, and our end lets the owner go.  A terminal's signals are not for us.
 */
static void bound_our_life(uint64_t ns)
{
	struct itimerval when = {
		.it_value.tv_sec = (time_t)(ns / NS_PER_S),
		.it_value.tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US),
	};
	sigset_t alarm;

	(void)setsid();
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigemptyset(&alarm);
	(void)sigaddset(&alarm, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	(void)setitimer(ITIMER_REAL, &when, NULL);
}

static bool same_process(const struct precondition *pre)
{
	struct proc_stat st;

	return !proc_stat(pre->pid, &st) && st.start_ticks == pre->start_ticks;
}

/*
 * Whether as much came as the wire has heard.  Where the receive buffer is full the kernel
 * drops what was heard already: then it may be less, and the queue says that nothing moved.
 */
static bool received_same(const struct precondition *pre, uint64_t bytes)
{
	return bytes == pre->rx_bytes || (pre->unread && bytes < pre->rx_bytes);
}

/* What the kernel's own socket says: nothing moved, and its queues are as they were. */
static bool socket_unmoved(const struct precondition *pre, int sock)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);
	int unread = -1, unsent = -1;

	return !getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_state == pre->tcp_state && received_same(pre, info.tcpi_bytes_received) &&
	       info.tcpi_bytes_acked == pre->tx_bytes && !ioctl(sock, SIOCINQ, &unread) &&
	       unread == (int)pre->unread && !ioctl(sock, SIOCOUTQ, &unsent) &&
	       unsent == (int)pre->unacked;
}

/* What the wire's facts say. */
static bool slot_unmoved(const struct precondition *pre, const struct repair_world *w)
{
	struct slot s;

	return w->slot(pre->slot, &s, w->arg) && s.gen == pre->gen && s.cookie == pre->cookie &&
	       s.status == pre->status && s.rx_bytes == pre->rx_bytes &&
	       s.tx_bytes == pre->tx_bytes &&
	       (pre->busy || (s.pending == 0 && !(s.flags & SLOT_BUSY)));
}

static int verify(struct operation *op, const struct repair *r, const struct repair_world *w)
{
	if (!slot_unmoved(&r->pre, w))
		return operation_step(op, "verify", -ESTALE, "the connection has moved");
	if (!socket_unmoved(&r->pre, op->sock))
		return operation_step(op, "verify", -ESTALE, "bytes moved, or wait to be read");
	return operation_step(op, "verify", 0, "nothing moved");
}

static int cut(struct operation *op)
{
	return operation_step(op, "cut", sockguard_cut(op->sock),
			      "a statement was sent and its answer not seen");
}

/* While the owner is held. */
static int act(struct operation *op, const struct repair *r, const struct action *action,
	       const struct repair_world *w, int pidfd)
{
	int err;

	op->sock = sockfd_duplicate(pidfd, r->pre.fd, r->pre.cookie);
	if (op->sock < 0)
		return operation_step(op, "duplicate", op->sock, "the descriptor is another now");
	if (!action)
		return cut(op);
	err = verify(op, r, w);
	return err ? err : action->perform(op);
}

static int hold_and_act(struct operation *op, const struct repair *r, const struct action *action,
			const struct repair_world *w, uint64_t *ret_held_ns)
{
	_close_ int pidfd = (int)syscall(SYS_pidfd_open, r->pre.pid, 0);
	uint64_t since_ns = clock_now_ns();
	struct hold hold;
	int err;

	if (pidfd < 0 || !same_process(&r->pre))
		return operation_step(op, "hold", -ESRCH, "the owner has ended");
	err = hold_begin(&hold, (pid_t)r->pre.pid, STAND_NS);
	if (err)
		return operation_step(op, "hold", err,
				      err == -EBUSY ? "another process traces the owner" :
				      err == -ETIME ? "not all threads stood still in time" : "");
	err = act(op, r, action, w, pidfd);
	hold_end(&hold);
	*ret_held_ns = clock_now_ns() - since_ns;
	cleanup_close(&op->sock);
	return err;
}

void operate(const struct repair *r, const struct action *action, const struct repair_world *w,
	     int report_fd)
{
	struct operation op = { .sock = -1, .conn = r->finding.conn };
	struct report rep = { .kind = REPORT_RESULT };
	uint64_t life_ns = operate_deadline_ns(&op.conn);

	report_to = report_fd;
	bound_our_life(life_ns);
	/* What can be undone in order is given up before the kernel's timer rings. */
	op.deadline_ns = clock_now_ns() + life_ns / 2;
	rep.result = hold_and_act(&op, r, action, w, &rep.held_ns);
	report(&rep);
	_exit(0);
}
