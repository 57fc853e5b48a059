// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on functions of other people's libraries.  By offset and by a descriptor that
 * names the file: nothing here looks into it, and whose mount namespace it is in does
 * not matter.  One link a file (uprobe_multi), which libbpf 1.1 has no call for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "events/internal.h"
#include "lib/cleanup.h"

#define ATTACH_UPROBE_MULTI 48	/* BPF_TRACE_UPROBE_MULTI, since 6.6 */
#define ON_RETURN	    1	/* BPF_F_UPROBE_MULTI_RETURN */
#define WATCHED_MAX	    64

/* The part of union bpf_attr that BPF_LINK_CREATE reads for such a link. */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

struct watch {
	struct events *events;
	int links[2];		/* on entry, on return */
};

void events_probe_prepare(struct plimsoll_bpf *bpf)
{
	(void)bpf_program__set_expected_attach_type(bpf->progs.on_call,
						    (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	(void)bpf_program__set_expected_attach_type(bpf->progs.on_return,
						    (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	(void)bpf_program__set_autoattach(bpf->progs.on_said_sent, false);
}

/* A link for those of the calls that are on return, or for those that are not; -1: none are. */
static int link_calls(const struct bpf_program *program, const char *path, const uint64_t *offsets,
		      const uint64_t *calls, size_t n, bool on_return)
{
	uint64_t places[WATCHED_MAX], cookies[WATCHED_MAX];
	struct multi_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(program),
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)places,
		.cookies = (uintptr_t)cookies,
		.multi_flags = on_return ? ON_RETURN : 0,
	};
	long fd;

	for (size_t i = 0; i < n && attr.count < WATCHED_MAX; i++) {
		if ((calls[i] == CALL_RESULT_RETURN) != on_return)
			continue;
		places[attr.count] = offsets[i];
		cookies[attr.count++] = calls[i];
	}
	if (!attr.count)
		return -1;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr) - sizeof(attr.pad));
	return fd < 0 ? -errno - 1 : (int)fd;
}

/* What was said is tied to its connection only while somebody can have said it. */
static int follow(struct events *e, int more)
{
	e->watches += more;
	if (e->watches && !e->bpf->links.on_said_sent)
		e->bpf->links.on_said_sent = bpf_program__attach(e->bpf->progs.on_said_sent);
	if (!e->watches) {
		(void)bpf_link__destroy(e->bpf->links.on_said_sent);
		e->bpf->links.on_said_sent = NULL;
	}
	return e->watches && !e->bpf->links.on_said_sent ? -errno : 0;
}

int events_watch(struct events *e, int pin, const uint64_t *offsets, const uint64_t *calls,
		 size_t n, struct watch **ret)
{
	struct watch *w;
	char path[40];
	int r = 0;

	if (bpf_program__fd(e->bpf->progs.on_call) < 0 ||
	    bpf_program__fd(e->bpf->progs.on_return) < 0 ||
	    bpf_program__fd(e->bpf->progs.on_said_sent) < 0)
		return -EOPNOTSUPP;
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	w->events = e;
	w->links[0] = link_calls(e->bpf->progs.on_call, path, offsets, calls, n, false);
	w->links[1] = link_calls(e->bpf->progs.on_return, path, offsets, calls, n, true);
	r = follow(e, 1);
	for (size_t i = 0; i < ARRAY_SIZE(w->links) && !r; i++)
		if (w->links[i] < -1)
			r = w->links[i] + 1;
	if (r) {
		events_unwatch(w);
		return r;
	}
	*ret = w;
	return 0;
}

void events_unwatch(struct watch *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(w->links); i++)
		if (w->links[i] >= 0)
			(void)close(w->links[i]);
	(void)follow(w->events, -1);
	free(w);
}

bool events_handles(const struct events *e, uint32_t pid, struct handle_counts *ret)
{
	return e->watches &&
	       !bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.handle_counts), &pid, ret);
}

/* The next key is asked for before the last is deleted: from one that is gone it begins anew. */
static void forget_addresses(int map, uint32_t pid)
{
	struct {
		uint64_t address, tgid;
	} key, next;
	void *last = NULL;

	while (!bpf_map_get_next_key(map, last, &next)) {
		if (last && key.tgid == pid)
			(void)bpf_map_delete_elem(map, &key);
		key = next;
		last = &key;
	}
	if (last && key.tgid == pid)
		(void)bpf_map_delete_elem(map, &key);
}

void events_forget_handles(const struct events *e, uint32_t pid)
{
	forget_addresses(bpf_map__fd(e->bpf->maps.handles), pid);
	(void)bpf_map_delete_elem(bpf_map__fd(e->bpf->maps.handle_counts), &pid);
}
