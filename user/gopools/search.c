// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Go's heap is searched twice: for the channels, and for who has their addresses.  It
 * grows upwards and an sql.DB is made early, so one lies in the first megabytes mostly, however
 * large the rest is.
 */
#include <string.h>

#include "gopools/search.h"
#include "lib/cleanup.h"

#define BLOCK_WORDS 32768
#define QUEUE_SIZE  1000000 /* of sql.DB.openerCh, in every release */
#define KIND_AT	    23	    /* in a type */
#define KIND_MASK   31
#define INTERFACE   20

/* runtime.hchan: count, size, buffer.  For elements of no size the buffer is the field itself. */
#define CHAN_SIZE   1
#define CHAN_BUFFER 2

struct hunt {
	const struct go_memory *memory;
	const struct go_pages *pages;
	struct search *search;
	uint64_t channels[SEARCH_FOUND_MAX];
	uint32_t channel_count;
};

static uint64_t block[BLOCK_WORDS]; /* of other people's: not to stay here */

typedef void (*look_fn)(struct hunt *h, uint64_t at, const uint64_t *words, size_t n);

/* All that is there, in blocks; false when it is more than is looked at. */
static bool go_through(struct hunt *h, look_fn look)
{
	uint64_t at = 0, end, left = SEARCH_BYTES;

	while (h->pages->next(at, &at, &end, h->pages->arg)) {
		while (at < end) {
			uint64_t size = end - at < sizeof(block) ? end - at : sizeof(block);

			if (size > left)
				return false;
			left -= size;
			if (memory_read(h->memory, at, block, size))
				look(h, at, block, size / sizeof(block[0]));
			at += size;
		}
	}
	return true;
}

static void find_channels(struct hunt *h, uint64_t at, const uint64_t *words, size_t n)
{
	for (size_t i = CHAN_SIZE; i + CHAN_BUFFER - CHAN_SIZE < n; i++) {
		uint64_t channel = at + (i - CHAN_SIZE) * sizeof(*words);

		if (words[i] == QUEUE_SIZE && h->channel_count < SEARCH_FOUND_MAX &&
		    words[i - CHAN_SIZE + CHAN_BUFFER] == channel + CHAN_BUFFER * sizeof(*words))
			h->channels[h->channel_count++] = channel;
	}
}

static bool is_channel(const struct hunt *h, uint64_t word)
{
	for (uint32_t i = 0; i < h->channel_count; i++)
		if (h->channels[i] == word)
			return true;
	return false;
}

/* The connector's table begins with the address of the interface's type. */
static bool is_db(const struct hunt *h, uint64_t at)
{
	const struct go_layout *l = &h->search->layout;
	uint64_t table, type;
	uint8_t kind, closed;

	return memory_read(h->memory, at + l->at[GO_DB_CONNECTOR], &table, sizeof(table)) &&
	       memory_read(h->memory, table, &type, sizeof(type)) &&
	       memory_read(h->memory, type + KIND_AT, &kind, sizeof(kind)) &&
	       (kind & KIND_MASK) == INTERFACE &&
	       memory_read(h->memory, at + l->at[GO_DB_CLOSED], &closed, sizeof(closed)) && !closed;
}

static void find_owners(struct hunt *h, uint64_t at, const uint64_t *words, size_t n)
{
	struct search *s = h->search;

	for (size_t i = 0; i < n; i++) {
		uint64_t db = at + i * sizeof(*words) - s->layout.at[GO_DB_OPENER];

		if (words[i] < h->channels[0] ||
		    words[i] > h->channels[h->channel_count - 1] || !is_channel(h, words[i]))
			continue;
		if (s->count < SEARCH_FOUND_MAX && is_db(h, db))
			s->found[s->count++] = db;
	}
}

void search_run(const struct go_memory *m, const struct go_pages *p, struct search *s)
{
	struct hunt h = { .memory = m, .pages = p, .search = s };

	s->count = 0;
	s->whole = go_through(&h, find_channels);
	if (h.channel_count)
		s->whole &= go_through(&h, find_owners);
	explicit_bzero(block, sizeof(block));
}
