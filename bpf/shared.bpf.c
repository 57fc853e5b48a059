// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who sends on a connection that several processes have open.
 *
 * Having inherited a descriptor hurts nobody; using it does.  The hook of
 * tp_btf/sock_send_length (6.3) runs in the sender's own context, and is attached only
 * while there is something to be watched: user space names it in a map.
 */
#include "slot.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct senders);
} senders SEC(".maps");

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_turn, struct sock *sk, int ret, int flags)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct senders *who;
	struct slot *s;
	__u32 index;

	if (ret <= 0)
		return 0;
	s = slot_of(sk, false, &index);
	who = s ? bpf_map_lookup_elem(&senders, &index) : NULL;
	if (!who || who->gen != s->gen)
		return 0;
	if (who->tgid && who->tgid != tgid)
		who->turns++;
	who->tgid = tgid;
	return 0;
}
