/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the look-up and its reader say to each other, by pipe.  Both are built
 * together; still each checks what the other says, for one of them reads what
 * strangers wrote.
 *
 * Request: a head, then `files`, then `queries`.  File number i is descriptor
 * SYMBOLS_FD + i.  Answer: one struct symbols_answer for each query, in the order
 * of the queries, sent as soon as it is known: where they end, the fault lies.
 *
 * Or, with the other magic, one struct symbols_stack, up to the last of its maps.
 * Answer: the address of each frame, innermost first, as soon as it is known, and a 0
 * behind the last.
 *
 * Or, with the third, one struct symbols_go, and one struct symbols_go_answer.
 *
 * Or, with the fourth, one struct symbols_names: `queries` counts the names.  Answer:
 * one struct symbols_offsets for each file, in order, as soon as it is known.
 */
#ifndef PLIMSOLL_SYMBOLS_WIRE_H
#define PLIMSOLL_SYMBOLS_WIRE_H

#include <stdint.h>

#include "lib/symbols.h"

#define SYMBOLS_MAGIC	    0x706c6d31
#define SYMBOLS_STACK_MAGIC 0x706c6d32
#define SYMBOLS_GO_MAGIC    0x706c6d33
#define SYMBOLS_NAMES_MAGIC 0x706c6d34
#define SYMBOLS_FD	    3
#define SYMBOLS_FILES_MAX   32
#define SYMBOLS_QUERIES_MAX 160
#define SYMBOLS_MAPS_MAX    128
#define SYMBOLS_NO_FILE	    UINT32_MAX

/* A query's position that asks only what the file is. */
#define SYMBOLS_NOWHERE UINT64_MAX

enum symbols_kind {
	SYMBOLS_ELF = 1,      /* positions are places in the file */
	SYMBOLS_PERF_MAP = 2, /* positions are addresses in the process */
};

struct symbols_head {
	uint32_t magic;
	uint32_t files, queries;
};

struct symbols_query {
	uint32_t file;
	uint32_t kind; /* enum symbols_kind; of one file always the same */
	uint64_t position;
	uint32_t is_return; /* 1: what is wanted is the call before it */
	uint32_t pad;
};

struct symbols_answer {
	uint32_t query; /* its number */
	uint32_t line;
	uint64_t offset;   /* as the ELF headers count */
	uint8_t read;	   /* 1: the file could be read */
	uint8_t go;	   /* 1: written in Go */
	char build_id[41]; /* texts are terminated, and raw */
	char function[128];
	char file[128];
	uint8_t pad[5];
};

_Static_assert(sizeof(struct symbols_query) == 24, "no holes: sent as it is");
_Static_assert(sizeof(struct symbols_answer) == 320, "no holes: sent as it is");

struct symbols_request {
	struct symbols_head head;
	uint32_t pad;
	struct symbols_query queries[SYMBOLS_QUERIES_MAX];
};

/* Executable memory of the process. */
struct symbols_map {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	uint32_t file;	 /* or SYMBOLS_NO_FILE */
	uint32_t pad;
};

struct symbols_stack {
	struct symbols_head head; /* `queries` counts the maps */
	uint32_t len;		  /* bytes valid */
	struct registers registers;
	uint8_t bytes[STACK_BYTES_MAX]; /* from registers.sp upward */
	struct symbols_map maps[SYMBOLS_MAPS_MAX];
};

#define SYMBOLS_NAMES_MAX 64
#define SYMBOLS_NAME_LEN  32

struct symbols_names {
	struct symbols_head head;
	char names[SYMBOLS_NAMES_MAX][SYMBOLS_NAME_LEN]; /* of functions, terminated */
};

/* Where in the file each function begins; 0: it has none of that name. */
struct symbols_offsets {
	uint32_t file; /* its number */
	uint32_t read; /* 1: the file could be read */
	uint64_t offsets[SYMBOLS_NAMES_MAX];
};

_Static_assert(sizeof(struct symbols_offsets) == 8 + 8 * SYMBOLS_NAMES_MAX,
	       "no holes: sent as it is");

_Static_assert(sizeof(struct symbols_stack) ==
		       16 + 64 + STACK_BYTES_MAX + SYMBOLS_MAPS_MAX * sizeof(struct symbols_map),
	       "no holes: sent as it is");

/* What is asked of an executable that may be Go's.  Texts are terminated. */
struct symbols_go {
	struct symbols_head head; /* `queries` counts the fields */
	char function[64];
	struct {
		char type[48], field[48];
	} fields[GO_FIELDS_MAX];
};

struct symbols_go_answer {
	uint8_t read; /* 1: the file could be read */
	uint8_t go;   /* 1: written in Go */
	uint8_t pad[6];
	uint64_t function_at;	       /* in the file; 0: not in it */
	int32_t fields[GO_FIELDS_MAX]; /* from the type's start; -1: not known */
	char version[32];	       /* "go1.19.8"; raw */
};

_Static_assert(sizeof(struct symbols_go) == 12 + 64 + GO_FIELDS_MAX * 96, "sent as it is");
_Static_assert(sizeof(struct symbols_go_answer) == 16 + GO_FIELDS_MAX * 4 + 32, "sent as it is");

#endif
