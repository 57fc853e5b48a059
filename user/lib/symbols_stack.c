// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stack that nobody has followed yet: the reader is asked first for its addresses,
 * then, by another run, what lies there.  Two runs, for the second is not needed when
 * all of it is remembered, and when it fails the addresses are there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/symbols_lookup.h"

#define DEADLINE_NS   (1500 * NS_PER_MS) /* half of the look-up's */
#define LEFT_ALONE_NS (60 * NS_PER_S)	 /* a file that stopped the reader */

/* Which place in a file stands for its call frame information. */
#define FRAME_INFORMATION (SYMBOLS_NOWHERE - 1)

static struct symbols_place frame_information(const struct mapped_file *f)
{
	return (struct symbols_place){ .file = f->key, .position = FRAME_INFORMATION };
}

/* Without its file, memory is followed by frame pointers. */
static uint32_t choose_files(struct lookup *l)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->file_count; i++) {
		struct mapped_file *f = &l->files[i];
		struct symbols_place place = frame_information(f);

		f->number = -1;
		if (f->kind != SYMBOLS_ELF || lookup_why_not(l, f))
			continue;
		if (symbols_cache_get(l->symbols->cache, &place, l->started_ns))
			l->cut_short = true;
		else
			f->number = (int)n++;
	}
	return n;
}

static void ask(struct lookup *l, struct symbols_stack *request)
{
	request->head.magic = SYMBOLS_STACK_MAGIC;
	request->head.files = choose_files(l);
	request->head.queries = l->held_count;
	for (uint32_t i = 0; i < l->held_count; i++) {
		const struct held_mapping *h = &l->held[i];
		int number = h->file == NO_FILE ? -1 : l->files[h->file].number;

		request->maps[i] = (struct symbols_map){
			.start = h->mapping.start,
			.end = h->mapping.end,
			.offset = h->mapping.offset,
			.file = number < 0 ? SYMBOLS_NO_FILE : (uint32_t)number,
		};
	}
	(void)lookup_run(l, request,
			 offsetof(struct symbols_stack, maps) +
				 l->held_count * sizeof(request->maps[0]));
}

int symbols_start_stack(struct symbols *s, uint32_t pid, const struct registers *regs,
			const uint8_t *stack, size_t len, struct lookup **ret)
{
	_free_ struct symbols_stack *request = calloc(1, sizeof(*request));
	uint64_t words[1 + STACK_BYTES_MAX / sizeof(uint64_t)] = { regs->ip };
	struct lookup *l = lookup_new(s, pid);
	int r = -ENOMEM;

	if (l && request) {
		request->registers = *regs;
		request->len = (uint32_t)(len < STACK_BYTES_MAX ? len : STACK_BYTES_MAX);
		memcpy(request->bytes, stack, request->len);
		/* Whatever a caller's address may be, it stands somewhere in these bytes. */
		memcpy(words + 1, stack, request->len & ~7U);
		l->following = true;
		r = lookup_hold(l, words, 1 + request->len / sizeof(uint64_t));
	}
	if (r < 0) {
		lookup_free(l);
		return r;
	}
	l->addrs[0] = regs->ip;
	ask(l, request);
	if (!l->running)
		(void)lookup_step(l);
	*ret = l;
	return 0;
}

/* Nobody asks for a while how frames lie in the file where the reader stopped. */
static void blame(struct lookup *l)
{
	static const struct symbols_answer nothing;
	uint64_t last = l->addrs[l->n - 1] - (l->n > 1);

	l->cut_short = true;
	for (uint32_t i = 0; i < l->held_count; i++) {
		const struct held_mapping *h = &l->held[i];
		struct symbols_place place;

		if (last < h->mapping.start || last >= h->mapping.end || h->file == NO_FILE)
			continue;
		place = frame_information(&l->files[h->file]);
		symbols_cache_put(l->symbols->cache, &place, &nothing,
				  clock_now_ns() + LEFT_ALONE_NS);
	}
}

enum progress { MORE, LATER, END, BROKEN };

static enum progress read_address(struct lookup *l)
{
	char *to = (char *)&l->address + l->address_have;
	ssize_t n = read(l->helper.out, to, sizeof(l->address) - l->address_have);

	if (n < 0 && errno == EINTR)
		return MORE;
	if (n < 0 && errno == EAGAIN)
		return LATER;
	if (n <= 0)
		return BROKEN;
	l->address_have += (size_t)n;
	if (l->address_have < sizeof(l->address))
		return MORE;
	l->address_have = 0;
	if (!l->address)
		return END;
	if (l->n == STACK_FRAMES_MAX)
		return BROKEN;
	l->addrs[l->n++] = l->address;
	return MORE;
}

bool lookup_follow(struct lookup *l)
{
	enum progress p = l->running ? MORE : END;

	while (p == MORE)
		p = read_address(l);
	if (p == LATER && !lookup_is_late(l, DEADLINE_NS))
		return false;
	if (p != END && l->n)
		blame(l);
	lookup_stop(l);
	l->following = false;
	l->followed = true;
	/* That one is known whatever happens. */
	l->n = l->n ?: 1;
	for (uint32_t i = 0; i < l->file_count; i++)
		l->files[i].number = -1;
	return true;
}
