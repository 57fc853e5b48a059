/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code addresses of another process -> function, file and line.
 *
 * The files it has mapped are opened here, and read only in a process of their own
 * without privileges (user/symbols.c), within 3 s,
 * not counting what it waits for a processor.  Whatever goes wrong there, every
 * address still gets its module and offset.  What was found is remembered per version
 * of the file: a stack seen before costs no process.
 */
#ifndef PLIMSOLL_SYMBOLS_H
#define PLIMSOLL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_MAX 128 /* addresses looked at; the rest of a deeper stack is left out */

/* Escaped text: fit to be shown. */
struct frame {
	char function[128]; /* "" when there is no symbol */
	char file[128];	    /* of the source; "" unknown.  The end of a long path */
	uint32_t line;	    /* 0 unknown */
	char module[128];   /* name of the mapped file, and why it was not read */
	char build_id[41];  /* hex; "" when there is none */
	uint64_t offset;    /* in the module, as its ELF headers count (addr2line); its
				 * place in the file when nothing could read it */
	bool application;   /* the first frame that is no driver's and no runtime's */
};

/* Patterns of text_match(); NULL: whatever it is.  What matches all is not the application's. */
struct frame_rule {
	const char *module, *function, *file;
};

struct symbols;
struct lookup;

/*
 * `rules` end with an empty one and stay the caller's, as must `helper`: the path of the
 * reading program, NULL for `plimsoll-symbols` beside our own.  0 or -ENOMEM.
 */
int symbols_new(const struct frame_rule *rules, const char *helper, struct symbols **ret);
void symbols_free(struct symbols *s);

/*
 * Begins to look up the stack `addrs` of `pid`, innermost first, as
 * bpf_get_stack() gives it (all but the first are return addresses).  Never blocks.
 * 0; -ESRCH: no such process; -EPERM: its memory map may not be read; -ENOMEM.
 */
int symbols_start(struct symbols *s, uint32_t pid, const uint64_t *addrs, size_t n,
		  struct lookup **ret);

/* What a thread had in its registers when it entered the kernel. */
struct registers {
	uint64_t ip, sp, bp, bx, r12, r13, r14, r15;
};

#define STACK_BYTES_MAX	 8192 /* looked at */
#define STACK_FRAMES_MAX 64

/*
 * The same for a stack that nobody has followed yet: `stack` holds `len` bytes from
 * regs->sp upward.  Call frame information says where each caller is, and the chain of
 * frame pointers where there is none; Go's own table for Go.  Who was followed how
 * far depends on the reader: without it there is one frame, that of regs->ip.
 */
int symbols_start_stack(struct symbols *s, uint32_t pid, const struct registers *regs,
			const uint8_t *stack, size_t len, struct lookup **ret);

#define GO_FIELDS_MAX 24

/* What there is to know of an executable written in Go: names as Go writes them. */
struct go_question {
	const char *function;
	size_t count; /* of the fields, at most GO_FIELDS_MAX */
	struct {
		const char *type, *field;
	} fields[GO_FIELDS_MAX];
};

struct go_facts {
	bool read, is_go;
	char version[32];	       /* "go1.19.8"; "" unknown */
	uint64_t function_at;	       /* where in the file it begins; 0: not in it */
	int32_t fields[GO_FIELDS_MAX]; /* offset in its type; -1: no debug information */
};

/*
 * Begins to ask this of the executable that `pin` holds and `pid` runs; the pin stays the caller's.
 * Never blocks.  0, -ENOMEM, -EBUSY: too many at work, -EACCES: not to be read.
 */
int symbols_start_go(struct symbols *s, uint32_t pid, int pin, const struct go_question *q,
		     struct lookup **ret);

/* After lookup_step() said true; `read` is false where nothing came.  Lives as long as the lookup. */
const struct go_facts *lookup_go(const struct lookup *l);

/*
 * Readable when it is worth calling lookup_step(); -1 when it is done already.  Another
 * one after lookup_step(), perhaps: a stack is followed first and looked up then.
 */
int lookup_fd(const struct lookup *l);

/* True when all is known that ever will be.  Call it also now and then: it keeps the deadline. */
bool lookup_step(struct lookup *l);

/*
 * After that.  False: no reader could be had, or it was ended, so that the same
 * question may find more in a minute.
 */
bool lookup_is_whole(const struct lookup *l);

/* Whether a look-up begun now would have a reader: only so many are at work at once. */
bool symbols_have_room(struct symbols *s);

/*
 * After that.  One frame for each address, and for a python process the script
 * (no function, only the file) as one more.  Lives as long as the lookup.
 */
const struct frame *lookup_frames(const struct lookup *l, size_t *ret_n);

/* "go", "jvm", "python", "node", "native"; "" unknown. */
const char *lookup_language(const struct lookup *l);

/* At any time; NULL is allowed.  Before symbols_free(). */
void lookup_free(struct lookup *l);

#endif
