/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a look-up, shared by lib/symbols*.c alone. */
#ifndef PLIMSOLL_SYMBOLS_LOOKUP_H
#define PLIMSOLL_SYMBOLS_LOOKUP_H

#include "lib/helper.h"
#include "lib/mapping.h"
#include "lib/symbols.h"
#include "lib/symbols_cache.h"

#define HELPERS_MAX 4 /* at once, and those that do not go count too */
#define NO_FILE	    SYMBOLS_NO_FILE

struct symbols {
	const struct frame_rule *rules;
	struct symbols_cache *cache;
	char helper[4096];	      /* "" none */
	pid_t lingering[HELPERS_MAX]; /* ended, and not gone; 0: none */
	uint32_t running;
};

/* A file that some address lies in, or the notes on code that lies in none. */
struct mapped_file {
	struct file_key key;
	uint32_t kind; /* enum symbols_kind */
	int pin;       /* -1: the notes, which are found in the new process */
	int number;    /* in the request; -1: not in it */
};

/* What is to be found out. */
struct want {
	uint32_t file; /* index, or NO_FILE */
	struct symbols_place place;
	bool known;
};

/* Memory of the process in which some address lies. */
struct held_mapping {
	struct mapping mapping;
	uint32_t file; /* index, or NO_FILE */
};

struct lookup {
	struct symbols *symbols;
	uint32_t pid;
	uint64_t started_ns;

	uint64_t addrs[FRAMES_MAX];
	size_t n;
	struct want wants[FRAMES_MAX + 1]; /* the last: the executable itself */
	struct held_mapping held[SYMBOLS_MAPS_MAX];
	uint32_t held_count;
	struct mapped_file files[SYMBOLS_FILES_MAX];
	uint32_t file_count;
	uint32_t exe; /* its index, or NO_FILE */

	struct helper helper;
	bool running;
	bool cut_short;	     /* no reader could be had, or it was ended */
	uint64_t starved_ns; /* of earlier readers: ready to run, without a processor */
	bool following;	  /* it is asked for the addresses first */
	bool followed;	  /* it was */
	uint64_t address; /* the part of the next one that has come */
	size_t address_have;
	uint32_t asked[FRAMES_MAX + 1]; /* which want query i is */
	uint32_t asked_count, answered;
	struct symbols_answer answer; /* the part of it that has come */
	size_t answer_have;

	bool asks_go;			/* nothing but this, of its only file */
	struct symbols_go_answer said_go; /* the part of it that has come */
	size_t said_go_have;
	uint32_t go_fields;
	struct go_facts go;

	struct frame frames[FRAMES_MAX + 1];
	size_t frame_count;
	const char *by_name, *by_library; /* language */
	bool is_go;
};

_Static_assert(FRAMES_MAX + 1 <= SYMBOLS_QUERIES_MAX, "every want fits into a request");

struct lookup *lookup_new(struct symbols *s, uint32_t pid);

/* Index of the file, or NO_FILE when it cannot be had. */
uint32_t lookup_pin(struct lookup *l, const struct mapping *m);
uint32_t lookup_pin_exe(struct lookup *l);
uint32_t lookup_take_pin(struct lookup *l, int pin);
uint32_t lookup_perf_map(struct lookup *l);

/* Holds the mappings in which some of `words` lie, all but the first as return addresses. */
int lookup_hold(struct lookup *l, const uint64_t *words, size_t n);

/* Where l->addrs lie among what is held. */
void lookup_place(struct lookup *l);

/* Whether frame `i` is no code but a script's place, which only the notes can name. */
bool lookup_is_script(const struct lookup *l, size_t i);

/* Why a file is not to be read, or NULL. */
const char *lookup_why_not(const struct lookup *l, const struct mapped_file *f);

/* Takes what is remembered, and starts the reader for the rest. */
void lookup_ask(struct lookup *l);

/* Starts the reader with a request, if there is one and not too many are at work. */
bool lookup_run(struct lookup *l, const void *request, size_t size);
void lookup_stop(struct lookup *l);

/* Whether it has taken that long, less the time that the reader only waited for a processor. */
bool lookup_is_late(const struct lookup *l, uint64_t deadline_ns);

/* Of lib/symbols_stack.c: true when the stack is followed to its end. */
bool lookup_follow(struct lookup *l);

/* Of lib/symbols_go.c: true when the answer is there, or will not come. */
bool lookup_take_go(struct lookup *l);

/* In the new process: the files of the request, opened from SYMBOLS_FD on. */
int lookup_open_files(void *lookup);

#endif
