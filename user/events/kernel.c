// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel has.  A file of its own so that a test can build one that has less. */
#include <bpf/btf.h>

#include "events/internal.h"

/* Asked of the kernel's type information: what was backported counts too. */
bool events_kernel_has(const char *function)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has = btf && btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) > 0;

	btf__free(btf);
	return has;
}

void events_find_bases(struct events *e)
{
	events_run(e->bpf->progs.find_bases);
}
