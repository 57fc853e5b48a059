// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections through Unix sockets: an object of its own (bpf/unix/) that works on
 * the same slots.  Nothing else depends on it: where the kernel refuses it, or the
 * hook that says who connects (before 6.7), that is said, and TCP is as good.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "events/internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/proc.h"

#define ATTACH_UNIX_CONNECT 49	/* BPF_CGROUP_UNIX_CONNECT, since 6.7 */
#define WALK_ROUNDS	    50	/* looks between two walks where connect() has no hook */

/* The facts are the same ones: both objects write one table. */
static int share(const struct plimsoll_bpf *from, struct unix_bpf *to)
{
	const struct {
		struct bpf_map *to;
		const struct bpf_map *from;
	} maps[] = {
		{ to->maps.slots, from->maps.slots },
		{ to->maps.socks, from->maps.socks },
		{ to->maps.hints, from->maps.hints },
		{ to->maps.free_slots, from->maps.free_slots },
		{ to->maps.ring, from->maps.ring },
		{ to->maps.counters, from->maps.counters },
		{ to->maps.statements, from->maps.statements },
		{ to->maps.marks, from->maps.marks },
		{ to->maps.prepared, from->maps.prepared },
		{ to->maps.prepared_notes, from->maps.prepared_notes },
		{ to->maps.connects, from->maps.connects },
		{ to->maps.data_shared, from->maps.data_shared },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int r = bpf_map__reuse_fd(maps[i].to, bpf_map__fd(maps[i].from));

		if (r)
			return r;
	}
	return 0;
}

static int attach_connect(struct events *e)
{
	char root[256];
	int r = proc_cgroup_root(root, sizeof(root));
	_close_ int cgroup = r ? -1 : open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0)
		return r ?: -errno;
	e->local->links.on_unix_connect =
		bpf_program__attach_cgroup(e->local->progs.on_unix_connect, cgroup);
	return e->local->links.on_unix_connect ? 0 : -errno;
}

static int load(struct events *e, bool hooked)
{
	const struct plimsoll_bpf *from = e->bpf;
	struct bpf_program *connects;
	int r;

	e->local = unix_bpf__open();
	if (!e->local)
		return -errno;
	e->local->rodata->cfg_slots = from->rodata->cfg_slots;
	e->local->rodata->cfg_statement_bytes = from->rodata->cfg_statement_bytes;
	e->local->rodata->cfg_evidence = from->rodata->cfg_evidence;
	e->local->rodata->cfg_tick_ns = from->rodata->cfg_tick_ns;
	connects = e->local->progs.on_unix_connect;
	(void)bpf_program__set_type(connects, BPF_PROG_TYPE_CGROUP_SOCK_ADDR);
	(void)bpf_program__set_expected_attach_type(connects,
						    (enum bpf_attach_type)ATTACH_UNIX_CONNECT);
	(void)bpf_program__set_autoload(connects, hooked);
	r = share(from, e->local);
	r = r ?: unix_bpf__load(e->local);
	if (!r && hooked)
		r = attach_connect(e);
	r = r ?: unix_bpf__attach(e->local);
	if (r)
		events_unix_close(e);
	return r;
}

/* Where connect() cannot be seen, walks find what it opened, as they find what is old. */
void events_unix_open(struct events *e)
{
	int connects = load(e, true), said = connects ? load(e, false) : 0;

	events_fact(e, "who opens a Unix socket, and where to", "cgroup/connect_unix",
		    connects ? events_complaint(connects) : NULL);
	events_fact(e, "what is said on Unix sockets", "tp_btf/sock_{send,recv}_length",
		    said ? events_complaint(said) : NULL);
}

void events_unix_close(struct events *e)
{
	unix_bpf__destroy(e->local);
	e->local = NULL;
}

void events_look_over(struct events *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (!e->local)
		return;
	(void)bpf_prog_test_run_opts(bpf_program__fd(e->local->progs.look_over), &opts);
	if (!e->local->links.on_unix_connect && ++e->looks % WALK_ROUNDS == 0)
		(void)events_adopt_unix(e);
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
