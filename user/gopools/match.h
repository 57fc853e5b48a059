/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process's sql.DBs say, held against the connections that are seen of it: which
 * of these lie in a pool and which are borrowed.  Where the two do not add up nothing
 * is said.  Pure.
 */
#ifndef PLIMSOLL_GOPOOLS_MATCH_H
#define PLIMSOLL_GOPOOLS_MATCH_H

#include "gopools/handle.h"
#include "level.h"
#include "lib/clock.h"

#define MATCH_POOLS_MAX	  16 /* of one process */
#define MATCH_HANDLES_MAX 64
#define MATCH_OUTSIDER	  255 /* of a connection: in no handle, as was proved once */
#define MATCH_VALID_NS	  (3 * NS_PER_S) /* what was agreed on, while it cannot be read anew */

/* Where the connections of a handle go, once one of them was seen. */
struct home {
	bool known, mixed;	/* mixed: to several places */
	bool elsewhere;		/* to none that we track */
	struct addr remote;
	const struct protocol *protocol;
	char user[NAME_LEN], database[NAME_LEN];
};

struct match_handle {
	const struct handle_reading *reading;
	struct home *home;	/* what was known of it; learns more */
};

/* The word on one pool, by any connection of it. */
struct match_word {
	uint64_t cookie;
	struct pool_word word;
};

struct match {
	/* given */
	struct conn **of_process;	/* its connections that are listed */
	uint8_t *member;		/* which handle it was ever free in, from 1; 0: not known */
	uint8_t *lending;		/* enum lending of each, found */
	uint32_t count;
	struct match_handle handles[MATCH_HANDLES_MAX];
	uint32_t handle_count;
	uint64_t read_ns;		/* connections opened before are in what was read */
	/* found: words on pools, where all that their handles count was seen */
	struct match_word words[MATCH_POOLS_MAX];
	uint32_t word_count;
	bool agreed;			/* every connection is accounted for */
};

/* Fills in what is found, members too; changes no connection. */
void match_run(struct match *m);

/*
 * Says of the connections whether they are lent.  What is not known now is what was known
 * last, for a while: the program goes on while it is read.
 */
void match_apply(const struct match *m, struct conns *t, uint64_t now_ns);

#endif
