// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gopools/layout.h"
#include "lib/cleanup.h"

#define GO_FIELD_ASK(id, type, field) { type, field },
const struct go_question go_pool_question = {
	.function = "database/sql.(*DB).conn",
	.count = GO_FIELD_MAX,
	.fields = { GO_FIELDS(GO_FIELD_ASK) },
};

/*
 * For stripped programs, from the sources of each release.  Before 1.18 the table of
 * functions has another form; after the last one somebody has to look again.
 */
static const struct {
	uint32_t first, last; /* minor versions */
	uint32_t at[GO_FIELD_MAX];
} releases[] = {
	{ 18, 22, {
		[GO_DB_WAIT_DURATION] = 0,
		[GO_DB_CONNECTOR] = 8,
		[GO_DB_NUM_CLOSED] = 24,
		[GO_DB_FREE_CONN] = 40,
		[GO_DB_NUM_OPEN] = 80,
		[GO_DB_OPENER] = 88,
		[GO_DB_CLOSED] = 96,
		[GO_DB_MAX_IDLE] = 120,
		[GO_DB_MAX_OPEN] = 128,
		[GO_DB_MAX_LIFETIME] = 136,
		[GO_DB_MAX_IDLE_TIME] = 144,
		[GO_DB_WAIT_COUNT] = 160,
		[GO_CONN_DB] = 0,
		[GO_CONN_CREATED] = 8,
		[GO_CONN_CI] = 40,
	} },
	/* A set of requests, 24 bytes, in place of a map and a number. */
	{ 23, 25, {
		[GO_DB_WAIT_DURATION] = 0,
		[GO_DB_CONNECTOR] = 8,
		[GO_DB_NUM_CLOSED] = 24,
		[GO_DB_FREE_CONN] = 40,
		[GO_DB_NUM_OPEN] = 88,
		[GO_DB_OPENER] = 96,
		[GO_DB_CLOSED] = 104,
		[GO_DB_MAX_IDLE] = 128,
		[GO_DB_MAX_OPEN] = 136,
		[GO_DB_MAX_LIFETIME] = 144,
		[GO_DB_MAX_IDLE_TIME] = 152,
		[GO_DB_WAIT_COUNT] = 168,
		[GO_CONN_DB] = 0,
		[GO_CONN_CREATED] = 8,
		[GO_CONN_CI] = 40,
	} },
};

/* What is read at a field's place at most: a slice, an instant, an interface. */
#define WIDEST 24

static bool by_debug_information(const struct go_facts *facts, struct go_layout *ret)
{
	for (size_t i = 0; i < GO_FIELD_MAX; i++) {
		uint32_t bytes = i < GO_CONN_DB ? GO_DB_BYTES : GO_CONN_BYTES;

		if (facts->fields[i] < 0 || (uint32_t)facts->fields[i] + WIDEST > bytes)
			return false;
		ret->at[i] = (uint32_t)facts->fields[i];
	}
	return true;
}

static bool by_version(struct go_layout *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(releases); i++) {
		if (ret->minor < releases[i].first || ret->minor > releases[i].last)
			continue;
		memcpy(ret->at, releases[i].at, sizeof(ret->at));
		return true;
	}
	return false;
}

static void measure(struct go_layout *l)
{
	for (size_t i = 0; i < GO_FIELD_MAX; i++) {
		uint32_t *bytes = i < GO_CONN_DB ? &l->db_bytes : &l->conn_bytes;
		uint32_t end = l->at[i] + (i == GO_DB_FREE_CONN ? 24 : i >= GO_CONN_CREATED ? 16 : 8);

		*bytes = end > *bytes ? end : *bytes;
	}
}

int go_layout_of(const struct go_facts *facts, struct go_layout *ret)
{
	struct go_layout l = { 0 };

	if (!facts->read || !facts->is_go || !facts->function_at)
		return -ENOENT;
	if (sscanf(facts->version, "go1.%u", &l.minor) != 1 || l.minor < releases[0].first)
		return -EOPNOTSUPP;
	if (!by_debug_information(facts, &l) && !by_version(&l))
		return -EOPNOTSUPP;
	measure(&l);
	*ret = l;
	return 0;
}
