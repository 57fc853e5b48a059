/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps, the counters, and the one way to write a slot. */
#ifndef PLIMSOLL_MAPS_BPF_H
#define PLIMSOLL_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "event.h"

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TCP_LISTEN	10
#define AF_UNIX		1
#define AF_INET		2
#define AF_INET6	10
#define IPPROTO_TCP	6

#define NS_PER_TICK	10000000ULL	/* /proc counts starts in hundredths of a second */

/* The facts.  User space maps this and reads it as memory. */
struct slots_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS_DEFAULT);
	__type(key, __u32);
	__type(value, struct slot);
};

/*
 * Kernel socket -> its slot's number.  Set at SYN_SENT over whatever was there,
 * deleted at CLOSE, never evicted: a fact lives exactly as long as its socket.
 */
struct socks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLOTS_DEFAULT);
	__type(key, __u64);
	__type(value, __u32);
};

/*
 * What the hash last said, by the low bits of the socket's cookie, which no other socket
 * of this boot has: cookie << HINT_BITS | number, or HINT_NONE for one without a slot.
 * One word, written whole; another's entry says nothing.  Looking into the hash takes
 * about 100 ns while its caches are cold, this a tenth of that.
 */
#define HINTS	  65536
#define HINT_BITS 24
#define HINT_NONE ((1U << HINT_BITS) - 1)

struct hints_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HINTS);
	__type(key, __u32);
	__type(value, __u64);
};

/* Numbers of slots that were used and are free again; last in, first out. */
struct free_slots_map {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, SLOTS_DEFAULT);
	__type(value, __u32);
};

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
};

struct counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
};

extern struct slots_map slots SEC(".maps");
extern struct socks_map socks SEC(".maps");
extern struct hints_map hints SEC(".maps");
extern struct free_slots_map free_slots SEC(".maps");
extern struct ring_map ring SEC(".maps");
extern struct counters_map counters SEC(".maps");
extern struct shared shared;
extern const volatile __u32 cfg_slots;	/* how many slots there are */
extern const volatile __u32 cfg_evidence;	/* enum evidence_tier */
extern const volatile __u64 cfg_tick_ns;	/* length of a jiffy */

/*
 * CLOCK_MONOTONIC give or take a jiffy: 2 ns, where reading the clock costs 35.
 * set_clock() sets the two against each other, in one word that is written whole.
 */
static __always_inline __u64 coarse_ns(void)
{
	return shared.clock_offset_ns + bpf_jiffies64() * cfg_tick_ns;
}

/*
 * What runs at every query is laid out in one piece: its code is cold each time, and the
 * fewer lines of it the better.
 */
#define unlikely(x) __builtin_expect(!!(x), 0)

static __always_inline void count(enum counter c)
{
	__u32 key = c;
	__u64 *n = bpf_map_lookup_elem(&counters, &key);

	if (n)
		(*n)++;
}

/*
 * A slot has one writer: every hook that writes it runs under its socket's lock.
 * Readers retry while `lock` is odd or has moved.  On x86 stores stay in order;
 * elsewhere the atomic add is the barrier.
 */
static __always_inline void slot_lock(struct slot *s)
{
#ifdef __TARGET_ARCH_x86
	(*(volatile __u32 *)&s->lock)++;
	barrier();
#else
	__sync_fetch_and_add(&s->lock, 1);
#endif
}

static __always_inline void slot_unlock(struct slot *s)
{
#ifdef __TARGET_ARCH_x86
	barrier();
	(*(volatile __u32 *)&s->lock)++;
#else
	__sync_fetch_and_add(&s->lock, 1);
#endif
}

static __always_inline __u64 *hint_of(__u64 cookie)
{
	__u32 key = cookie % HINTS;

	return bpf_map_lookup_elem(&hints, &key);
}

/* The caller holds the socket's lock, so that no older finding overwrites a newer one. */
static __always_inline void hint(__u64 cookie, __u32 index)
{
	__u64 *h = hint_of(cookie);

	if (h)
		*(volatile __u64 *)h = cookie << HINT_BITS | index;
}

/*
 * The socket's slot, or NULL.  `locked`: the caller holds the socket's lock.  A socket
 * without a cookie was never given a slot: servers' ends are as good as free.
 */
static __always_inline struct slot *slot_of(const struct sock *sk, bool locked, __u32 *ret_index)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter, key = (__u64)sk, word, *h;
	__u32 index, *found;

	if (!cookie)
		return NULL;
	h = hint_of(cookie);
	word = h ? *(volatile __u64 *)h : 0;
	if (word >> HINT_BITS == cookie) {
		index = word & HINT_NONE;
	} else {
		found = bpf_map_lookup_elem(&socks, &key);
		index = found ? *found : HINT_NONE;
		if (locked)
			hint(cookie, index);
	}
	if (index == HINT_NONE)
		return NULL;
	*ret_index = index;
	return bpf_map_lookup_elem(&slots, ret_index);
}

/* A reader that sleeps is woken by the first record, not by each. */
static __always_inline __u64 wake_flags(void)
{
	if (!shared.armed)
		return BPF_RB_NO_WAKEUP;
	shared.armed = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void fill_hdr(struct rec_hdr *h, __u16 type, __u16 len, __u32 index,
				     const struct slot *s)
{
	h->type = type;
	h->len = len;
	h->slot = index;
	h->gen = s->gen;
	h->pad = 0;
	h->cookie = s->cookie;
	h->ts_ns = bpf_ktime_get_ns();
}

#endif
