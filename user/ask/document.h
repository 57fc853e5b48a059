/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections and pools as JSON.  What is not known is null, never a made-up 0. */
#ifndef PLIMSOLL_ASK_DOCUMENT_H
#define PLIMSOLL_ASK_DOCUMENT_H

#include "ask.h"

#define CGROUPS_CACHED 256

/* What the cgroup of a process says.  All null where nothing was looked up. */
struct cgroup_text {
	uint32_t pid;
	json_t *cgroup, *container_id, *unit;
};

/* The name of a network namespace; NULL where nothing was looked up. */
struct netns_text {
	uint32_t inode;
	json_t *name;
};

#define NETNS_CACHED 64

/* What many rows of one answer look up: findings of a connection, cgroup of a process. */
struct context {
	const struct engine *e;
	const struct finding **findings;	/* by cookie */
	size_t count;
	struct cgroup_text cgroups[CGROUPS_CACHED];
	uint32_t own_netns;
	struct netns_text netns[NETNS_CACHED];
};

/* 0 or -ENOMEM. */
int context_init(struct context *x, const struct engine *e);
void context_done(struct context *x);

/* The first finding of a connection and how many follow it; NULL: none. */
const struct finding **context_findings(const struct context *x, uint64_t cookie, size_t *ret_count);

/* New references.  `findings` of a connection are ids; a pool's are empty, to be filled. */
json_t *document_conn(struct context *x, const struct conn *c, uint64_t now_ns);
json_t *document_pool(const struct pool *p);

/* Whose pool it is, where to, as whom: the members that all that is about a pool begins with. */
void document_pool_identity(json_t *o, const struct pool *p);
json_t *document_gear(const struct gear_change *change);
json_t *document_finding(const struct finding *f, uint64_t now_ns);

/* Sets goroutine, thread and stack of a connection's document; `who` NULL: not known. */
void document_culprit(json_t *o, const struct culprit *who, const struct conn *c);

#endif
