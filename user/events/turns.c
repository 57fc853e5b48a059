// SPDX-License-Identifier: GPL-2.0-or-later
/* Who sends on shared connections: attached only while that is asked for. */
#include "events/internal.h"

/* What was asked about once is not told when it is over: all of it goes when there is no room. */
static void forget(int fd)
{
	uint32_t index;

	while (!bpf_map_get_next_key(fd, NULL, &index))
		if (bpf_map_delete_elem(fd, &index))
			return;
}

uint32_t events_turns(struct events *e, uint32_t index, uint32_t gen)
{
	int fd = bpf_map__fd(e->bpf->maps.senders);
	struct senders who;

	if (!bpf_map_lookup_elem(fd, &index, &who) && who.gen == gen)
		return who.turns;
	who = (struct senders){ .gen = gen };
	if (bpf_map_update_elem(fd, &index, &who, BPF_ANY))
		forget(fd);
	return 0;
}

void events_watch_turns(struct events *e, bool watch)
{
	struct bpf_link **link = &e->bpf->links.on_turn;

	if (watch && !*link && bpf_program__fd(e->bpf->progs.on_turn) >= 0) {
		*link = bpf_program__attach(e->bpf->progs.on_turn);
	} else if (!watch && *link) {
		(void)bpf_link__destroy(*link);
		*link = NULL;
	}
}
