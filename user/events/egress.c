// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where what a client sent cannot be read from its retransmit queue: an object of its own
 * (bpf/egress/) keeps it on its way out, and its readers take the place of those that look
 * into the queue.  Without a control group to watch they still follow what servers say.
 */
#include <errno.h>

#include "events/internal.h"

static void detach(struct bpf_link **link)
{
	(void)bpf_link__destroy(*link);
	*link = NULL;
}

static int load(struct events *e, bool hooked)
{
	const struct plimsoll_bpf *from = e->bpf;
	int r;

	events_forget_complaint();
	e->egress = egress_bpf__open();
	if (!e->egress)
		return -errno;
	events_configure(e->egress, from);
	e->egress->rodata->cfg_cast = from->rodata->cfg_cast;
	e->egress->rodata->cfg_dynptr = from->rodata->cfg_dynptr;
	(void)bpf_program__set_autoload(e->egress->progs.on_egress, hooked);
	(void)bpf_program__set_autoload(e->egress->progs.on_send, from->links.on_send);
	r = events_share(e, e->egress->obj);
	r = r ?: egress_bpf__load(e->egress);
	if (!r && hooked)
		r = events_attach_cgroup(e->egress->progs.on_egress, &e->egress->links.on_egress);
	if (r)
		events_egress_close(e);
	return r;
}

/* Two of a kind would hear everything twice. */
static int take_over(struct events *e)
{
	detach(&e->bpf->links.on_segment);
	detach(&e->bpf->links.on_send);
	return egress_bpf__attach(e->egress);
}

int events_egress_open(struct events *e)
{
	int r = load(e, true);

	events_fact(e, FACT_SENT, "cgroup_skb/egress", r ? events_complaint(r) : NULL);
	if (r)
		r = load(e, false);
	return r ?: take_over(e);
}

void events_egress_close(struct events *e)
{
	egress_bpf__destroy(e->egress);
	e->egress = NULL;
}
