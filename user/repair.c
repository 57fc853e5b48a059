// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One door: plan, intent, child, verified outcome.
 *
 * The parent's part.  It writes the intent, forks the child that acts, takes in
 * its steps, looks at what the kernel then shows, and writes the outcome.  If the
 * parent dies on the way the child still finishes and lets the owner go; the
 * intent without outcome is settled at the next start.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/sockfd.h"
#include "lib/sockguard.h"
#include "repair/operate.h"

#define EFFECT_NS   (500 * NS_PER_MS)	/* how long the kernel may take to show it */
#define EFFECT_POLL 1			/* ms between two looks */
#define GRACE_MS    200			/* beyond the child's own deadline */
#define RETRIES	    2			/* when the owner cannot be made to stand */
#define RETRY_MS    20			/* between them */

static const char *const outcome_names[] = { "none",   "done",	 "changed",
					     "gone",   "failed", "interrupted" };
_Static_assert(ARRAY_SIZE(outcome_names) == OUTCOME_MAX, "every outcome has a name");

const char *outcome_name(enum outcome o)
{
	return outcome_names[o];
}

const struct action *action_find(const char *name)
{
	for_each(action, it)
		if (strcmp((*it)->face.name, name) == 0)
			return *it;
	return NULL;
}

const struct action_face *action_face_find(const char *name)
{
	const struct action *a = action_find(name);

	return a ? &a->face : NULL;
}

const struct action *action_gentlest(const struct conn *c)
{
	const struct action *best = NULL;

	for_each(action, it)
		if ((*it)->face.suits(c) == REASON_RULE && (!best || (*it)->harm < best->harm))
			best = *it;
	return best;
}

static void name_repair(struct repair *r, uint64_t attempt)
{
	const struct finding *f = &r->finding;
	char key[128];

	(void)snprintf(key, sizeof(key), "%s/%s/%s/%zu/%llu", f->id, f->conn.id, r->verdict.action,
		       r->verdict.rung, (unsigned long long)attempt);
	(void)snprintf(r->id, sizeof(r->id), "r%012llx",
		       (unsigned long long)XXH3_64bits(key, strlen(key)) & 0xffffffffffffULL);
}

void repair_plan(struct repair *r, const struct finding *f, const struct verdict *v,
		 uint64_t attempt)
{
	const struct conn *c = &f->conn;

	*r = (struct repair){ .finding = *f, .verdict = *v, .helped = -1 };
	r->pre = (struct precondition){
		.cookie = c->cookie,
		.pid = c->pid,
		.start_ticks = c->start_ticks,
		.fd = -1,
		.slot = c->slot,
		.gen = c->gen,
		.tcp_state = c->tcp_state,
		.status = c->status,
		.rx_bytes = c->rx_bytes,
		.tx_bytes = c->tx_bytes,
		.unread = c->view.unread,
		.unacked = c->view.unacked,
		.busy = f->detector && c->said == ACTIVITY_BUSY,
		.holders = 1,
		.conf_version = v->conf_version,
	};
	name_repair(r, attempt);
}

static void note(struct repair *r, const char *name, int err, const char *text)
{
	struct step *s = &r->steps[r->step_count];

	if (r->step_count == REPAIR_STEPS)
		return;
	r->step_count++;
	*s = (struct step){ .err = err, .at_ns = clock_now_ns() };
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	(void)snprintf(s->note, sizeof(s->note), "%s", text);
}

/* Who holds it now; the descriptor by which the owner does. */
static int find_holder(struct repair *r, const struct repair_world *w)
{
	struct holder one = {};
	uint32_t count = 0;
	int err = w->holders(r->pre.cookie, &count, &one, w->arg);

	if (!err && count == 0)
		err = -ENOENT;
	if (!err && (count != 1 || one.tgid != r->pre.pid ||
		     one.start_ticks != r->pre.start_ticks))
		err = -ESTALE;
	if (err) {
		note(r, "holders", err, err == -ENOENT ? "nobody holds the connection any more"
					: err == -ESTALE ? "the holders have changed" : "");
		return err;
	}
	r->pre.fd = (int)one.fd;
	return 0;
}

static bool step_seen(const struct repair *r, const char *name)
{
	for (size_t i = 0; i < r->step_count; i++)
		if (strcmp(r->steps[i].name, name) == 0)
			return true;
	return false;
}

/* Takes in reports until the child is through or its time is; its result. */
static int listen_to(struct repair *r, int fd, uint64_t until_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct report rep;

	for (;;) {
		uint64_t left_ns = elapsed_ns(clock_now_ns(), until_ns);

		if (poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1) < 0 && errno == EINTR)
			continue;
		if (!(p.revents & (POLLIN | POLLHUP)) && left_ns == 0)
			return -ETIMEDOUT;
		if (!p.revents)
			continue;
		if (recv(fd, &rep, sizeof(rep), 0) != sizeof(rep))
			return -EPIPE;	/* it ended without a word */
		if (rep.kind == REPORT_RESULT) {
			r->held_ns += rep.held_ns;
			return rep.result;
		}
		if (r->step_count < REPAIR_STEPS)
			r->steps[r->step_count++] = rep.step;
	}
}

/* Forks the child and waits for its end; what it returned, or why it did not. */
static int run_child(struct repair *r, const struct action *action, const struct repair_world *w)
{
	uint64_t until_ns = clock_now_ns() + operate_deadline_ns(&r->finding.conn) +
			    GRACE_MS * NS_PER_MS;
	_close_ int ours = -1;
	int pair[2], err;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ours = pair[0];
	child = fork();
	if (child == 0) {
		(void)close(pair[0]);
		operate(r, action, w, pair[1]);
	}
	(void)close(pair[1]);
	if (child < 0)
		return -EAGAIN;
	err = listen_to(r, ours, until_ns);
	if (err == -ETIMEDOUT)
		(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return err;
}

/* A thread that cannot stand now, in a vfork() or behind a disk, may be able to soon. */
static int run_children(struct repair *r, const struct action *action, const struct repair_world *w)
{
	int err = run_child(r, action, w);

	for (int i = 0; err == -ETIME && i < RETRIES; i++) {
		(void)poll(NULL, 0, RETRY_MS);
		err = run_child(r, action, w);
	}
	return err;
}

/* A statement was sent and nobody read its answer: the client must not take it for its own. */
static int compensate(struct repair *r, const struct repair_world *w, int err)
{
	if ((err == -EPIPE || err == -ETIMEDOUT) && step_seen(r, "send") &&
	    !step_seen(r, "answer") && !step_seen(r, "cut"))
		(void)run_children(r, NULL, w);
	return err;
}

static enum outcome outcome_of(int err)
{
	switch (err) {
	case 0:
		return OUTCOME_DONE;
	case -ESTALE:
		return OUTCOME_CHANGED;
	case -ESRCH:
	case -ENOENT:
		return OUTCOME_GONE;
	default:
		return OUTCOME_FAILED;
	}
}

/* Looks at the slot until it shows the effect or time is up. */
static bool see_effect(const struct repair *r, const struct action *action,
		       const struct repair_world *w)
{
	uint64_t until_ns = clock_now_ns() + EFFECT_NS;
	struct slot s;

	do {
		if (w->slot(r->pre.slot, &s, w->arg) &&
		    (s.gen != r->pre.gen || s.cookie != r->pre.cookie || s.phase == PHASE_FREE ||
		     action->took_effect(&s)))
			return true;
		(void)poll(NULL, 0, EFFECT_POLL);
	} while (clock_now_ns() < until_ns);
	return false;
}

int repair_undo(uint64_t cookie, const struct repair_world *w)
{
	_close_ int pidfd = -1, sock = -1;
	struct holder one = {};
	uint32_t count = 0;

	if (w->holders(cookie, &count, &one, w->arg) || !count)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, one.tgid, 0);
	if (pidfd >= 0)
		sock = sockfd_duplicate(pidfd, (int)one.fd, cookie);
	if (sock < 0 || !sockguard_is_on(sock))
		return 0;
	return sockguard_cut(sock) ? 0 : 1;
}

int repair_run(struct repair *r, const struct repair_world *w, uint64_t now_ns)
{
	const struct action *action = action_find(r->verdict.action);
	int err;

	r->at_ns = now_ns;
	if (!action)
		return -EINVAL;
	err = w->intent(r, w->arg);
	if (err)
		return err == -EEXIST ? err : -EIO;
	err = find_holder(r, w);
	if (!err)
		err = compensate(r, w, run_children(r, action, w));
	r->outcome = outcome_of(err);
	if (r->outcome == OUTCOME_FAILED && (err == -EPIPE || err == -ETIMEDOUT))
		note(r, "child", err, "the repairing process did not come to its end");
	if (r->outcome == OUTCOME_DONE) {
		r->helped = see_effect(r, action, w);
		note(r, "verified", r->helped ? 0 : -ETIME, r->helped ? "the kernel shows it"
							: "the kernel does not show it yet");
	} else if (r->outcome != OUTCOME_GONE) {
		r->helped = 0;
	}
	(void)w->outcome(r, w->arg);
	return 0;
}
