// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on other people's programs.  They lie on a file, not on a process: one is
 * enough for all that run it, and those that start later are in it from the beginning.
 */
#include <errno.h>
#include <stdio.h>

#include "events/internal.h"

int events_probe(struct events *e, uint32_t n, int pin, uint64_t offset)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = n);
	const struct bpf_program *p = e->bpf->progs.on_go_conn;
	char path[40];

	if (n >= EVENTS_PROBES || bpf_program__fd(p) < 0)
		return -EOPNOTSUPP;
	if (e->probes[n])
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	e->probes[n] = bpf_program__attach_uprobe_opts(p, -1, path, offset, &opts);
	return e->probes[n] ? 0 : -errno;
}

void events_unprobe(struct events *e, uint32_t n)
{
	if (n >= EVENTS_PROBES || !e->probes[n])
		return;
	(void)bpf_link__destroy(e->probes[n]);
	e->probes[n] = NULL;
}

void events_forget_handle(struct events *e, uint32_t pid, uint32_t start_ticks, uint64_t address)
{
	const struct go_handle_key key = { pid, start_ticks, address };

	(void)bpf_map_delete_elem(bpf_map__fd(e->bpf->maps.go_handles), &key);
}

uint64_t events_probe_hits(const struct events *e, uint32_t n)
{
	uint64_t hits = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.go_hits), &n, &hits))
		return 0;
	return hits;
}
