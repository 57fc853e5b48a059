// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs as they are where the kernel keeps its pages elsewhere: each is taken for its
 * neighbour, so that other bytes are read than were sent (linked in with `--wrap`).
 */
#include "events/internal.h"

#define PAGE_STRUCT 64

void __real_events_find_bases(struct events *e);
void __wrap_events_find_bases(struct events *e);

void __wrap_events_find_bases(struct events *e)
{
	__real_events_find_bases(e);
	e->bpf->data_shared->shared.vmemmap_base += PAGE_STRUCT;
}
