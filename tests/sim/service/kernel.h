/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel, as far as the observer sees it: sockets, the slots and records that the
 * programs in bpf/ would make of them, who holds what, and what sock_diag would say.
 */
#ifndef PLIMSOLL_SIM_KERNEL_H
#define PLIMSOLL_SIM_KERNEL_H

#include "chance.h"
#include "event.h"
#include "lib/addr.h"
#include "network.h"

#define KERNEL_SOCKS 16384

struct process {
	uint32_t pid, start_ticks;
	char comm[16];
	bool runs;		/* it exists */
	bool by_cgroup;		/* frozen so, and not stopped by a signal */
	uint64_t frozen_ns;	/* since when it cannot run; 0: it can */
	uint64_t thaw_ns;	/* when it can again */
	uint64_t frozen_sum_ns; /* of all former times */
};

struct link;

/* One socket: index in the table is its slot's number. */
struct sock {
	struct slot slot;
	bool open;    /* the kernel has such a socket */
	bool written; /* the slot, since it was last read */
	bool tls;
	bool named; /* the observer was told who logs in */
	uint8_t tcp_state;
	uint32_t unread, unacked, retransmits;
	bool full;	  /* the server can send no more until something is read */
	uint64_t cut_ns;  /* since when only its own way to the server is cut; 0: it is not */
	uint64_t lost_ns; /* the thread of its conversation; 0: it is followed */
	struct process *owner;
	struct process *also; /* another process that has it open */
	uint64_t in_turn_ns;  /* since when both send on it; 0: only the owner does */
	struct endpoint *endpoint;
	struct link *link; /* the application's side; NULL: nobody's any more */
};

/* What is spoken on a connection, from some moment on. */
struct words {
	const char *user, *database;
	bool tls;
	uint32_t setup; /* statements that the driver asks by itself */
};

struct process *kernel_spawn(const char *comm);
void kernel_exit(struct process *p);
void kernel_freeze(struct process *p, uint64_t until_ns);

/* The life of a connection.  NULL: no socket to be had. */
struct sock *kernel_connect(struct process *p, uint32_t tid, struct endpoint *to,
			    struct link *link);
void kernel_greet(struct sock *s, const struct words *w);  /* the start-up packet goes out */
void kernel_let_in(struct sock *s, const struct words *w); /* authenticated, set up */
/* What lies in its queues now. */
void kernel_queues(const struct sock *s, struct queues *ret);

void kernel_fin(struct sock *s);		   /* the server closes */
void kernel_close(struct sock *s, bool by_server); /* it is no more */

/* `n` requests were answered since the last time, of about this size. */
void kernel_count(struct sock *s, uint64_t n, uint32_t asked_bytes, uint32_t answer_bytes);

/* A request that was sent at `since_ns` is under way, or answered at `since_ns`. */
void kernel_busy(struct sock *s, uint64_t since_ns);
void kernel_rest(struct sock *s, char status, uint64_t asked_ns, uint64_t since_ns,
		 uint64_t txn_ns);

/* Half of a request was sent, the server waits for the rest. */
void kernel_half_ask(struct sock *s);

/* Its owner asks the server to give up what it does for it.  False: nobody heard. */
bool kernel_cancel(const struct sock *s);

/* Bytes of an answer under way, or that nobody asked for. */
void kernel_trickle(struct sock *s, uint32_t bytes, uint64_t last_ns);

/* A hole: what the conversation is at is not known until it goes on. */
void kernel_lose_thread(struct sock *s);

/* Of the records from now on, so many are lost. */
void kernel_lose_records(double share);

/* The observer ends and begins: nothing is remembered but what sockets show. */
void kernel_forget(void);

struct sock *kernel_sock(uint32_t index);
struct sock *kernel_find(uint64_t cookie);
uint32_t kernel_high(void);
uint32_t kernel_open_socks(void);
struct process *kernel_process(uint32_t pid);

#define socks_for_each(s)                                                                          \
	for (struct sock *s = kernel_sock(0); s < kernel_sock(0) + kernel_high(); s++)             \
		if (s->open)

#endif
