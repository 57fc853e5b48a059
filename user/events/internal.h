/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel edge's own pieces; nobody outside user/events* includes this. */
#ifndef PLIMSOLL_EVENTS_INTERNAL_H
#define PLIMSOLL_EVENTS_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "events.h"
#include "events/attach.h"
#include "egress.skel.h"
#include "plimsoll.skel.h"
#include "unix.skel.h"

struct ring_buffer;

struct events {
	struct plimsoll_bpf *bpf;
	struct unix_bpf *local;		/* Unix sockets'; NULL: this kernel cannot */
	struct egress_bpf *egress;	/* reads what is sent, where bpf cannot; else NULL */
	struct {
		int walks;		/* that are due: somebody dialled whom we may not have heard */
		uint64_t walk_ns;	/* the last one */
		uint64_t ends_ns;	/* when there last was a connection */
	} hearing;
	struct ring_buffer *ring;
	const struct slot *slots;	/* the kernel's, mapped for reading */
	const struct mark *marks;	/* likewise */
	uint32_t slot_count;
	int epoll, pace;		/* ring and pacing timer behind one descriptor */
	unsigned int quiet_rounds;
	int delivered;			/* records in this drain */
	record_fn record;
	void *arg;
	int watches;			/* libraries that are watched */
	bool has_multi;			/* the kernel knows uprobe_multi */
	struct attacher attacher;
	struct probes *sets[ATTACH_SETS];	/* by their numbers; NULL: free */
	struct probes *ordered;		/* what the attacher is at, and since when */
	uint64_t ordered_ns;
	bool putting, called_slow;
	bool has_cast, has_dynptr, has_bytes;	/* cfg_* of the same names (bpf/sent.bpf.h) */
	bool testing, proved;		/* the self-test runs, and what it found */
	struct event_fact facts[EVENT_FACTS];
	size_t fact_count;
};

#define FACT_SENT "user, database, requests"

/* load.c: opens and loads the skeleton, leaving out what this kernel refuses. */
int events_load(struct events *e, const struct events_options *opt);
/* What is said of the same fact again is said instead. */
void events_fact(struct events *e, const char *fact, const char *way, const char *why_not);

/*
 * The settings that all objects share, `from` one skeleton `to` another: of different types,
 * their fields of the same names.
 */
#define events_configure(to, from) \
	do { \
		(to)->rodata->cfg_slots = (from)->rodata->cfg_slots; \
		(to)->rodata->cfg_statement_bytes = (from)->rodata->cfg_statement_bytes; \
		(to)->rodata->cfg_evidence = (from)->rodata->cfg_evidence; \
		(to)->rodata->cfg_tick_ns = (from)->rodata->cfg_tick_ns; \
	} while (0)

/* To another object's: the facts are the same ones, all write one table.  0 or -errno. */
int events_share(const struct events *e, struct bpf_object *to);
/* At the root of the control groups, for all that is below.  0 or -errno. */
int events_attach_cgroup(const struct bpf_program *p, struct bpf_link **ret);

/* Whether the kernel has a function of that name. */
bool events_kernel_has(const char *function);
/* Finds out where it keeps its pages, once the programs are there. */
void events_find_bases(struct events *e);

/*
 * The first sentence that libbpf had against us since we forgot the last one; `err` where
 * there was none.
 */
const char *events_complaint(int err);
void events_forget_complaint(void);

/* events.c: runs a program that needs no event, if it is loaded. */
void events_run(const struct bpf_program *p);
/* events_fd() is readable when `fd` is.  0 or -errno. */
int events_wait_for(struct events *e, int fd);

/* probe.c: before the programs are loaded; when all is open; at each look. */
void events_probe_prepare(const struct events *e, struct plimsoll_bpf *bpf);
int events_probe_open(struct events *e);
void events_probe_step(struct events *e);
void events_probe_close(struct events *e);

/* unix.c: what watches Unix sockets, if this kernel can. */
void events_unix_open(struct events *e);
void events_unix_close(struct events *e);
void events_unix_dialled(struct events *e, const struct rec_path *rec);

/*
 * egress.c: has what is sent kept on its way out, and read there; tells whether it is.  -errno
 * when what servers say cannot be heard either.
 */
int events_egress_open(struct events *e);
void events_egress_close(struct events *e);

/* iterate.c: takes in the Unix connections that are not known. */
int events_adopt_unix(struct events *e);

/* selftest.c: finds a way to read what a client sent.  The ring must be open. */
void events_selftest(struct events *e);
void events_selftest_record(struct events *e, const struct rec_hdr *rec, size_t len);

#endif
