/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's types as far as we read them, and no further.  Each field's real
 * place is found when the programs are loaded (CO-RE), so order, neighbours and
 * sizes here mean nothing; names and kinds do.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>

typedef __u64 u64;
typedef __u32 u32;
typedef __u16 u16;
typedef __u8 u8;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__u32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct {
		__s64 counter;
	} skc_cookie;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct socket;

struct sk_buff_head {
	__u32 qlen;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

struct sock {
	struct sock_common __sk_common;
	struct rb_root tcp_rtx_queue;
	u16 sk_protocol;
	u16 sk_type;
	u8 sk_shutdown;
	struct sk_buff_head sk_receive_queue;
	refcount_t sk_wmem_alloc;
	int sk_sndbuf;
	struct pid *sk_peer_pid;
	int sk_err_soft;
	struct socket *sk_socket;
};

struct inet_connection_sock {
	__u8 icsk_retransmits;
	__u8 icsk_probes_out;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 rcv_nxt;
	u32 copied_seq;
	u32 rcv_wnd;
	u32 rcv_wup;
	u32 snd_una;
	u32 snd_nxt;
	u32 snd_wnd;
	u32 write_seq;
	u32 srtt_us;
	u32 mdev_us;
	u64 bytes_received;
	u64 bytes_acked;
	u32 lsndtime;
	u32 rcv_tstamp;
	struct rb_root out_of_order_queue;
};

struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u16 tcp_flags;	/* 16 bits since 6.16, 8 before: only its low byte is used */
	__u32 ack_seq;
};

struct sk_buff {
	struct rb_node rbnode;
	char cb[48];
	unsigned int len;
	unsigned int data_len;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
};

struct skb_shared_info {
	__u8 nr_frags;
	/* A frag is a page pointer, a length and an offset under changing names. */
	struct {
		u64 page;
		u32 len;
		u32 offset;
	} frags[17] __attribute__((aligned(8)));
};

struct page {
	unsigned long flags;
};

struct thread_struct {
	unsigned long fsbase;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, ip, sp;
	unsigned long di, si, dx, ax, orig_ax;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };

struct pid {
	struct hlist_head tasks[PIDTYPE_MAX];
};

struct thread_info {
	u32 status;
};

struct mm_struct {
	unsigned long start_stack;
};

struct task_struct {
	struct thread_info thread_info;
	struct mm_struct *mm;
	int tgid;
	struct hlist_node pid_links[PIDTYPE_MAX];
	struct thread_struct thread;
	struct task_struct *group_leader;
	u64 start_boottime;
	char comm[16];
};

struct file {
	unsigned int f_flags;
};

struct socket {
	struct sock *sk;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	unsigned int uid;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};

struct sockaddr;

struct bpf_sock_addr_kern {
	struct sock *sk;
	struct sockaddr *uaddr;
	u32 uaddrlen;
};

struct bpf_iter__unix {
	struct bpf_iter_meta *meta;
	struct unix_sock *unix_sk;
	unsigned int uid;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

#endif
