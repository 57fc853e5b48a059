/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What gopools.c and gopools/seek.c share; nobody else includes this. */
#ifndef PLIMSOLL_GOPOOLS_STATE_H
#define PLIMSOLL_GOPOOLS_STATE_H

#include "gopools.h"
#include "gopools/files.h"
#include "gopools/match.h"
#include "gopools/watch.h"
#include "lib/index.h"

#define PROCESSES_MAX 4096
#define NONE	      UINT32_MAX

struct process {
	uint32_t pid, start_ticks; /* pid 0: free */
	uint32_t file;		   /* GO_FILE_NONE: not known yet */
	int pidfd;		   /* of those whose memory is looked into; else -1 */
	uint32_t first;		   /* of its connections, as g->next; for one round */
	uint32_t conns;
	uint32_t handles, first_handle; /* how many, and the first, as handle.next */
	uint32_t most; /* connections that it had when it was last searched */
	uint64_t search_ns, pause_ns; /* not searched before; and how long after that */
	bool cut;	/* its memory is more than is searched */
	uint32_t apart; /* rounds in which its pools did not account for its connections */
	uint64_t agreed_ns, banned_ns;
	struct match_word *words; /* NULL: none were ever known */
	uint32_t word_count;
};

/* Its number is that of what is watched. */
struct handle {
	struct process *process; /* NULL: free */
	uint32_t next;		 /* of the same process */
	uint8_t number;		 /* in a match, from 1 */
	struct home home;
};

/* A connection that was seen free in a handle is its own for as long as both live. */
struct member {
	uint64_t cookie;
	uint32_t handle; /* or NONE: an outsider, as long as no other handle is found */
};

struct gopools {
	struct events *events;
	struct conns *conns;
	struct go_files files;
	struct watch *watch;
	struct process processes[PROCESSES_MAX];
	uint32_t high; /* none at or above it */
	struct index by_pid;
	struct handle handles[WATCHED_MAX];
	uint32_t *next;		  /* of a connection, by slot: another one of its process */
	struct conn **of_process; /* work space of one match */
	uint8_t *lending, *member_of;
	struct member *members; /* by slot */
	uint64_t round_ns, look_ns;
	uint64_t opened; /* connections ever seen, at the last look */
	bool searching;	 /* what is under way, if anything, is no round */
	struct process *searched[SEARCHES_MAX]; /* NULL: gone meanwhile */
	bool fresh; /* words that were not told */
	bool full;  /* said once */
};

/* gopools.c: makes sure that the number stays his.  False: he is gone. */
bool gopools_hold(struct process *p);
bool gopools_has_alive(const struct process *p);

/* seek.c: whether it has a pool that is not known. */
bool gopools_is_puzzled_by(const struct process *p);

/* Has those searched that are due; false when there are none, or not now. */
bool gopools_begin_search(struct gopools *g, uint64_t now_ns);
void gopools_end_search(struct gopools *g);

#endif
