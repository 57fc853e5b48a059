/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a slot: taken, filled in, given back. */
#ifndef PLIMSOLL_SLOT_BPF_H
#define PLIMSOLL_SLOT_BPF_H

#include "maps.bpf.h"

/*
 * Takes a free slot for `sk` and empties it.  Used slots first: the array stays
 * dense, and a look at all of them short.
 */
static __always_inline struct slot *slot_take(const void *sk, __u64 map_flags, __u32 *ret_index)
{
	__u64 key = (__u64)sk;
	struct slot *s;
	__u32 index;

	if (bpf_map_pop_elem(&free_slots, &index)) {
		if (shared.high >= cfg_slots) {
			count(COUNT_SLOTS_FULL);
			return NULL;
		}
		index = __sync_fetch_and_add(&shared.high, 1);
	}
	s = bpf_map_lookup_elem(&slots, &index);
	if (!s) {
		count(COUNT_SLOTS_FULL);
		return NULL;
	}
	if (bpf_map_update_elem(&socks, &key, &index, map_flags)) {
		bpf_map_push_elem(&free_slots, &index, BPF_ANY);
		count(map_flags == BPF_NOEXIST ? COUNT_ADOPT_CLASH : COUNT_SLOTS_FULL);
		return NULL;
	}
	*ret_index = index;
	return s;
}

/* Empties all but lock and generation; the caller holds the lock. */
static __always_inline void slot_clear(struct slot *s)
{
	__u32 lock = s->lock, gen = s->gen;

	__builtin_memset(s, 0, sizeof(*s));
	s->lock = lock;
	s->gen = gen + 1;
}

/*
 * Forgets the socket: it closed, or it speaks nothing that concerns us.  The caller
 * holds the socket's lock.
 */
static __always_inline void slot_release(const void *sk, struct slot *s, __u32 index)
{
	__u64 key = (__u64)sk;

	slot_lock(s);
	s->phase = PHASE_FREE;
	slot_unlock(s);
	hint(s->cookie, HINT_NONE);
	bpf_map_delete_elem(&socks, &key);
	bpf_map_push_elem(&free_slots, &index, BPF_ANY);
}

static __always_inline void map_v4(__u8 *out, __u32 v4)
{
	__builtin_memset(out, 0, 10);
	out[10] = 0xff;
	out[11] = 0xff;
	__builtin_memcpy(out + 12, &v4, 4);
}

static __always_inline void fill_remote(struct slot *s, const struct sock_common *c)
{
	if (c->skc_family == AF_INET)
		map_v4(s->raddr, c->skc_daddr);
	else
		BPF_CORE_READ_INTO(&s->raddr, c, skc_v6_daddr);
	s->rport = bpf_ntohs(c->skc_dport);
}

/* The local address is known only once the route is: at SYN_SENT it is not. */
static __always_inline void fill_local(struct slot *s, const struct sock_common *c)
{
	if (c->skc_family == AF_INET)
		map_v4(s->laddr, c->skc_rcv_saddr);
	else
		BPF_CORE_READ_INTO(&s->laddr, c, skc_v6_rcv_saddr);
	s->lport = c->skc_num;
}

/* Right only where the process that connects is the one that runs. */
static __always_inline void fill_owner(struct slot *s)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;
	__u64 id = bpf_get_current_pid_tgid();

	s->tgid = id >> 32;
	s->tid = (__u32)id;
	s->uid = (__u32)bpf_get_current_uid_gid();
	s->start_ticks = leader->start_boottime / NS_PER_TICK;
	BPF_CORE_READ_STR_INTO(&s->comm, leader, comm);
}

#endif
