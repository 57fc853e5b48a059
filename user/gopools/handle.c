// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program goes on while it is being read.  Numbers and list are taken in one
 * breath, and the numbers once more: had they changed, the list may be of neither time.
 */
#include <string.h>

#include "gopools/handle.h"
#include "lib/cleanup.h"

#define TRIES	 5
#define OPEN_MAX (1 << 20) /* more connections than that no process has */

struct db {
	uint8_t bytes[GO_DB_BYTES];
	uint64_t list[HANDLE_FREE_MAX];
	uint64_t free_at, free_count, free_room, closed_count;
	int64_t open, max_open;
};

static uint64_t word_at(const uint8_t *bytes, uint32_t at)
{
	uint64_t v;

	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

static void take_numbers(const struct go_layout *l, struct db *d)
{
	d->free_at = word_at(d->bytes, l->at[GO_DB_FREE_CONN]);
	d->free_count = word_at(d->bytes, l->at[GO_DB_FREE_CONN] + 8);
	d->free_room = word_at(d->bytes, l->at[GO_DB_FREE_CONN] + 16);
	d->closed_count = word_at(d->bytes, l->at[GO_DB_NUM_CLOSED]);
	d->open = (int64_t)word_at(d->bytes, l->at[GO_DB_NUM_OPEN]);
	d->max_open = (int64_t)word_at(d->bytes, l->at[GO_DB_MAX_OPEN]);
}

static bool read_db(const struct go_memory *m, const struct go_layout *l, uint64_t address,
		    struct db *d)
{
	if (!memory_read(m, address, d->bytes, l->db_bytes))
		return false;
	take_numbers(l, d);
	return true;
}

/* With one call, where the list is where it was: what a quiet pool costs. */
static bool read_with_list(const struct go_memory *m, const struct go_layout *l, uint64_t address,
			   const struct handle_reading *r, struct db *d)
{
	const struct go_span spans[] = {
		{ address, d->bytes, l->db_bytes },
		{ r->free_at, d->list, r->free_count * sizeof(d->list[0]) },
	};

	if (r->state != HANDLE_READ || !address || !r->free_count ||
	    !m->read(spans, ARRAY_SIZE(spans), m->arg))
		return false;
	take_numbers(l, d);
	return d->free_at == r->free_at && d->free_count == r->free_count;
}

static bool is_plausible(const struct go_layout *l, const struct db *d)
{
	return d->bytes[l->at[GO_DB_CLOSED]] <= 1 && d->open >= 0 && d->open <= OPEN_MAX &&
	       d->free_count <= d->free_room && d->free_room <= OPEN_MAX &&
	       d->free_count <= (uint64_t)d->open && (d->free_at || !d->free_count) &&
	       (int64_t)word_at(d->bytes, l->at[GO_DB_WAIT_COUNT]) >= 0 &&
	       (int64_t)word_at(d->bytes, l->at[GO_DB_WAIT_DURATION]) >= 0;
}

static bool same_numbers(const struct db *a, const struct db *b)
{
	return a->open == b->open && a->free_at == b->free_at && a->free_count == b->free_count &&
	       a->closed_count == b->closed_count;
}

static bool is_as_before(const struct handle_reading *r, const struct db *d)
{
	if (r->state != HANDLE_READ || r->open != (uint64_t)d->open || r->free_at != d->free_at ||
	    r->free_count != d->free_count || r->closed_count != d->closed_count)
		return false;
	for (uint32_t i = 0; i < r->free_count; i++)
		if (r->free[i].at != d->list[i] || r->free[i].socket == GO_SOCKET_UNKNOWN)
			return false;
	return true;
}

/* Numbers and list of one time; `ret_same` when it is as it was last read. */
static enum handle_state take_both(const struct go_memory *m, const struct go_layout *l,
				   uint64_t address, const struct handle_reading *r, struct db *d,
				   bool *ret_same)
{
	for (int i = 0; i < TRIES; i++) {
		bool both = !i && read_with_list(m, l, address, r, d);
		struct db again;

		if ((!both && !read_db(m, l, address, d)) || !is_plausible(l, d))
			return HANDLE_WRONG;
		if (d->bytes[l->at[GO_DB_CLOSED]])
			return HANDLE_CLOSED;
		if (d->free_count > HANDLE_FREE_MAX)
			return HANDLE_UNSTEADY;
		if (d->free_count && !both &&
		    !memory_read(m, d->free_at, d->list, d->free_count * sizeof(d->list[0])))
			continue;
		*ret_same = is_as_before(r, d);
		if (*ret_same)
			return HANDLE_READ;
		if (!read_db(m, l, address, &again))
			return HANDLE_WRONG;
		if (same_numbers(d, &again))
			return HANDLE_READ;
	}
	return HANDLE_UNSTEADY;
}

/* Mostly it is where it was, or near. */
static const struct handle_conn *known_before(const struct handle_reading *r, uint32_t from,
					      const struct handle_conn *c)
{
	for (uint32_t i = 0; i < r->free_count; i++) {
		const struct handle_conn *k = &r->free[(from + i) % r->free_count];

		if (k->at == c->at && !memcmp(k->created, c->created, sizeof(k->created)))
			return k->socket == GO_SOCKET_UNKNOWN ? NULL : k;
	}
	return NULL;
}

static bool read_conn(const struct go_memory *m, const struct go_layout *l, uint64_t address,
		      struct handle_conn *c)
{
	uint8_t bytes[GO_CONN_BYTES];

	if (!memory_read(m, c->at, bytes, l->conn_bytes) ||
	    word_at(bytes, l->at[GO_CONN_DB]) != address)
		return false;
	c->created[0] = word_at(bytes, l->at[GO_CONN_CREATED]);
	c->created[1] = word_at(bytes, l->at[GO_CONN_CREATED] + 8);
	return true;
}

static bool read_free(const struct go_memory *m, const struct go_layout *l, uint64_t address,
		      const struct db *d, struct handle_reading *r)
{
	struct handle_conn fresh[HANDLE_FREE_MAX];

	for (uint32_t i = 0; i < d->free_count; i++) {
		struct handle_conn *c = &fresh[i];
		const struct handle_conn *known;

		*c = (struct handle_conn){ .at = d->list[i] };
		if (!read_conn(m, l, address, c))
			return false;
		known = known_before(r, i, c);
		if (known)
			*c = *known;
		else
			c->socket = go_socket_find(m, l->minor, c->at + l->at[GO_CONN_CI],
						   &c->local, &c->remote);
	}
	r->free_count = (uint32_t)d->free_count;
	memcpy(r->free, fresh, d->free_count * sizeof(fresh[0]));
	return true;
}

void handle_read(const struct go_memory *m, const struct go_layout *l, uint64_t address,
		 struct handle_reading *r)
{
	bool same = false;
	struct db d;

	r->state = take_both(m, l, address, r, &d, &same);
	if (r->state != HANDLE_READ)
		return;
	/* One that is no longer this pool's was closed in between. */
	if (!same && !read_free(m, l, address, &d, r)) {
		r->state = HANDLE_UNSTEADY;
		return;
	}
	r->open = (uint32_t)d.open;
	r->free_at = d.free_at;
	r->closed_count = d.closed_count;
	r->max_open = d.max_open > 0 && d.max_open <= UINT32_MAX ? (uint32_t)d.max_open : 0;
	r->max_idle = (int64_t)word_at(d.bytes, l->at[GO_DB_MAX_IDLE]);
	r->max_lifetime_ns = (int64_t)word_at(d.bytes, l->at[GO_DB_MAX_LIFETIME]);
	r->max_idle_ns = (int64_t)word_at(d.bytes, l->at[GO_DB_MAX_IDLE_TIME]);
	r->wait_count = word_at(d.bytes, l->at[GO_DB_WAIT_COUNT]);
	r->wait_ns = word_at(d.bytes, l->at[GO_DB_WAIT_DURATION]);
}
