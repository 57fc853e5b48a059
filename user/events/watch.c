// SPDX-License-Identifier: GPL-2.0-or-later
/* What client libraries are told and hand out: the probes on them, and what came of it. */
#include <errno.h>
#include <stdlib.h>

#include "events/internal.h"

struct watch {
	struct events *events;
	struct probes *probes;
};

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

int events_watch(struct events *e, int pin, const struct probe_place *places, uint32_t n,
		 struct watch **ret)
{
	struct watch *w;
	int r;

	if (bpf_program__fd(e->bpf->progs.on_said_sent) < 0)
		return -EOPNOTSUPP;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->events = e;
	r = follow(e, 1);
	if (!r)
		r = events_probe(e, pin, places, n, &w->probes);
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
	events_unprobe(w->probes);
	(void)follow(w->events, -1);
	free(w);
}

int events_watch_result(const struct watch *w)
{
	return events_probe_result(w->probes);
}

bool events_handles(const struct events *e, uint32_t pid, struct handle_counts *ret)
{
	return e->watches &&
	       !bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.handle_counts), &pid, ret);
}

struct address {
	uint64_t address, tgid;
};

#define BATCH 4096	/* 16 of them are all that the map can hold */

/*
 * By whole buckets: from key to key the walk would begin anew whenever the one it stands on
 * is gone, and busy programs take handles and give them back all the time.
 */
static void forget_addresses(int map, uint32_t pid)
{
	static struct address keys[BATCH];
	static uint8_t values[BATCH];
	uint32_t cursor = 0;
	void *from = NULL;
	int r = 0;

	while (!r) {
		uint32_t n = BATCH;

		r = bpf_map_lookup_batch(map, from, &cursor, keys, values, &n, NULL);
		if (r && r != -ENOENT)
			return;
		for (uint32_t i = 0; i < n; i++)
			if (keys[i].tgid == pid)
				(void)bpf_map_delete_elem(map, &keys[i]);
		from = &cursor;
	}
}

void events_forget_handles(const struct events *e, uint32_t pid)
{
	forget_addresses(bpf_map__fd(e->bpf->maps.handles), pid);
	(void)bpf_map_delete_elem(bpf_map__fd(e->bpf->maps.handle_counts), &pid);
}
