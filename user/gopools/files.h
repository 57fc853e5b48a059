/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Executables of database clients: which have Go's pools, and the probes on these. */
#ifndef PLIMSOLL_GOPOOLS_FILES_H
#define PLIMSOLL_GOPOOLS_FILES_H

#include "events.h"
#include "gopools/layout.h"
#include "lib/mapping.h"

#define GO_FILES_MAX GO_PROBES
#define GO_FILE_NONE UINT32_MAX

enum go_file_state {
	GO_FILE_FREE,	/* no file's entry */
	GO_FILE_ASKED,	/* the reader is at it */
	GO_FILE_PLAIN,	/* no pools, or none that we can read */
	GO_FILE_POOLS,
};

struct go_file {
	enum go_file_state state;
	struct file_key key;
	int pin; /* -1: there is nothing more to ask it */
	uint32_t pid; /* one that ran it when it was first seen */
	struct lookup *lookup;
	bool without_types; /* asked again, for less */
	struct go_layout layout;
	uint64_t function_at;
	uint64_t retry_ns; /* it could not be read: not before this time again */

	bool used;	/* a process runs it; set anew for each look, before others are asked for */
	bool wanted;	/* one of them has a pool that is not known; likewise */
	struct probes *probes; /* NULL: none */
	uint64_t wanted_ns, rest_until_ns;
	uint64_t hits_before;
};

struct go_files {
	struct events *events;
	struct symbols *symbols;
	struct go_file list[GO_FILES_MAX];
};

/* 0 or -ENOMEM; `e` stays the caller's and must live longer. */
int go_files_init(struct go_files *f, struct events *e);
void go_files_done(struct go_files *f);

/* The file that `pid` runs, asked about if it is new; or GO_FILE_NONE: not now. */
uint32_t go_files_of(struct go_files *f, uint32_t pid, uint64_t now_ns);

/* Takes answers, and attaches and detaches probes as they are wanted. */
void go_files_step(struct go_files *f, uint64_t now_ns);

#endif
