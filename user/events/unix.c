// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections through Unix sockets: an object of its own (bpf/unix/) that works on
 * the same slots.  Nothing else depends on it: where the kernel refuses it, or the
 * hook that says who connects (before 6.7), that is said, and TCP is as good.
 */
#include <errno.h>
#include <string.h>

#include "events/internal.h"
#include "lib/clock.h"

#define ATTACH_UNIX_CONNECT 49	/* BPF_CGROUP_UNIX_CONNECT, since 6.7 */
#define LINGER_NS	    (10 * NS_PER_S) /* after the last connection, before we stop listening */
#define WALK_EVERY_NS	    NS_PER_S
#define WALK_BLINDLY_NS	    (5 * NS_PER_S) /* where connect() has no hook */
#define WALK_SELDOM_NS	    (10 * NS_PER_S) /* for new servers that speak first */

static struct shared *shared_of(const struct events *e)
{
	return &e->bpf->data_shared->shared;
}

static void stop_hearing(struct events *e)
{
	shared_of(e)->unix_heard = 0;
	bpf_link__destroy(e->local->links.on_unix_send);
	bpf_link__destroy(e->local->links.on_unix_receive);
	e->local->links.on_unix_send = e->local->links.on_unix_receive = NULL;
	e->hearing.walks = 1;	/* who dialled in this moment told nobody */
}

static int attach(struct bpf_program *p, struct bpf_link **ret)
{
	*ret = bpf_program__autoload(p) ? bpf_program__attach(p) : NULL;
	return *ret || !bpf_program__autoload(p) ? 0 : -errno;
}

/* From here on what is said on Unix sockets is heard. */
static int hear(struct events *e)
{
	int r;

	if (shared_of(e)->unix_heard)
		return 0;
	r = attach(e->local->progs.on_unix_send, &e->local->links.on_unix_send);
	r = r ?: attach(e->local->progs.on_unix_receive, &e->local->links.on_unix_receive);
	if (r) {
		stop_hearing(e);
		return r;
	}
	shared_of(e)->unix_heard = 1;
	e->hearing.ends_ns = clock_now_ns();
	return 0;
}

static int load(struct events *e, bool hooked)
{
	const struct plimsoll_bpf *from = e->bpf;
	/* It would look into TCP's queues. */
	bool merged = from->rodata->cfg_evidence && !e->egress;
	struct bpf_program *connects;
	int r;

	events_forget_complaint();
	e->local = unix_bpf__open();
	if (!e->local)
		return -errno;
	events_configure(e->local, from);
	e->local->rodata->cfg_tail = from->rodata->cfg_bytes;
	connects = e->local->progs.on_unix_connect;
	(void)bpf_program__set_type(connects, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
	(void)bpf_program__set_expected_attach_type(connects,
						    (enum bpf_attach_type)ATTACH_UNIX_CONNECT);
	(void)bpf_program__set_autoload(connects, hooked);
	(void)bpf_program__set_autoload(merged ? e->local->progs.on_unix_send
					       : e->local->progs.on_any_send, false);
	r = events_share(e, e->local->obj);
	r = r ?: unix_bpf__load(e->local);
	if (!r && hooked)
		r = events_attach_cgroup(connects, &e->local->links.on_unix_connect);
	r = r ?: attach(e->local->progs.on_unix, &e->local->links.on_unix);
	r = r ?: attach(e->local->progs.on_any_send, &e->local->links.on_any_send);
	r = r ?: hear(e);	/* to know that it can be */
	if (r) {
		events_unix_close(e);
		return r;
	}
	stop_hearing(e);
	if (e->local->links.on_any_send) {	/* instead of this one */
		(void)bpf_program__set_autoattach(from->progs.on_send, false);
		bpf_link__destroy(from->links.on_send);
		e->bpf->links.on_send = NULL;
	}
	return 0;
}

/* Where connect() cannot be seen, walks find what it opened, as they find what is old. */
void events_unix_open(struct events *e)
{
	int r = load(e, true);

	events_fact(e, "who opens a Unix socket, and where to", "cgroup/connect_unix",
		    r ? events_complaint(r) : NULL);
	if (r)
		r = load(e, false);
	events_fact(e, "what is said on Unix sockets", "tp_btf/sock_{send,recv}_length",
		    r ? events_complaint(r) : NULL);
}

void events_unix_close(struct events *e)
{
	unix_bpf__destroy(e->local);
	e->local = NULL;
}

/* Whether a database's socket is called like that; what is called otherwise is found by a walk. */
static bool is_usual(const struct rec_path *rec)
{
	char path[UNIX_PATH + 1] = "";

	memcpy(path, rec->path, UNIX_PATH);
	return strstr(path, "/.s.PGSQL.") || strcasestr(path, "mysql") || strcasestr(path, "maria");
}

/*
 * Twice, since connect() is still at work now, and since the first messages may have
 * passed before we heard: then what we do hear makes no sense, and it is taken in anew.
 */
void events_unix_dialled(struct events *e, const struct rec_path *rec)
{
	e->hearing.walks = 2;
	if (is_usual(rec))
		(void)hear(e);
}

static uint64_t walk_pause_ns(const struct events *e)
{
	if (!e->local->links.on_unix_connect)
		return WALK_BLINDLY_NS;
	return e->hearing.walks ? WALK_EVERY_NS : WALK_SELDOM_NS;
}

static void walk_when_due(struct events *e, uint64_t now_ns)
{
	if (e->hearing.walk_ns && elapsed_ns(e->hearing.walk_ns, now_ns) < walk_pause_ns(e))
		return;
	if (e->hearing.walks)
		e->hearing.walks--;
	e->hearing.walk_ns = now_ns;
	shared_of(e)->unix_greeters = 0;
	(void)events_adopt_unix(e);
}

void events_look_over(struct events *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint64_t now_ns = clock_now_ns();

	if (!e->local)
		return;
	walk_when_due(e, now_ns);
	if (shared_of(e)->unix_ends || shared_of(e)->unix_greeters) {
		(void)hear(e);
		e->hearing.ends_ns = now_ns;
	}
	if (shared_of(e)->unix_ends) {
		(void)bpf_prog_test_run_opts(bpf_program__fd(e->local->progs.look_over), &opts);
	} else if (shared_of(e)->unix_heard && elapsed_ns(e->hearing.ends_ns, now_ns) >= LINGER_NS) {
		stop_hearing(e);
	}
}

int events_ask_unix(const struct events *e, uint64_t cookie, struct unix_question *ret)
{
	struct unix_question q = { .cookie = cookie };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &q, .ctx_size_in = sizeof(q));

	if (!e->local)
		return -EOPNOTSUPP;
	if (bpf_prog_test_run_opts(bpf_program__fd(e->local->progs.ask_unix), &opts))
		return -errno;
	*ret = q;
	return q.found ? 0 : -ENOENT;
}
