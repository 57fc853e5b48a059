// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a connection speaks that is older than we are and has said nothing yet: what else is
 * known of its endpoint.
 */
#include <string.h>
#include <xxhash.h>

#include "conn/internal.h"

static bool same_endpoint(const void *table, uint32_t n, const void *key)
{
	const struct conn *a = &((const struct conn *)table)[n], *b = key;

	return a->netns == b->netns && addr_equal(&a->remote, &b->remote);
}

/* An address means something only in its own network namespace. */
static uint64_t hash_endpoint(const struct conns *t, const struct conn *c)
{
	uint64_t h = XXH3_64bits_withSeed(c->remote.ip, sizeof(c->remote.ip), t->endpoints.seed);

	return h ^ ((uint64_t)c->netns << 16 | c->remote.port) * 0x9e3779b97f4a7c15ULL;
}

static bool wants_guess(const struct conn *c)
{
	return c->adopted && !c->protocol;
}

static void index_endpoints(struct conns *t)
{
	index_clear(&t->endpoints);
	conns_for_each(t, c) {
		uint64_t hash = hash_endpoint(t, c);

		if (c->evidence == EVIDENCE_WIRE &&
		    index_find(&t->endpoints, hash, same_endpoint, t->table, c) == INDEX_NONE)
			index_put(&t->endpoints, hash, c->slot);
	}
}

static bool is_local(const struct conn *c)
{
	static const uint8_t v6_loopback[16] = { [15] = 1 };
	const uint8_t *ip = c->remote.ip;

	return memcmp(ip, c->local.ip, 16) == 0 || memcmp(ip, v6_loopback, 16) == 0 ||
	       (addr_is_v4(ip) && ip[12] == 127);
}

static const struct protocol *served_at(const struct conns *t, const struct conn *c)
{
	for (uint32_t i = 0; i < t->server_count && is_local(c); i++)
		if (t->servers[i].port == c->remote.port && t->servers[i].netns == c->netns)
			return t->servers[i].protocol;
	return NULL;
}

static void guess(struct conns *t, struct conn *c)
{
	uint32_t n = index_find(&t->endpoints, hash_endpoint(t, c), same_endpoint, t->table, c);
	const struct protocol *served = served_at(t, c);

	if (n != INDEX_NONE || served) {
		c->protocol = n != INDEX_NONE ? t->table[n].protocol : served;
		c->evidence = n != INDEX_NONE ? EVIDENCE_ENDPOINT : EVIDENCE_SERVER;
		return;
	}
	for_each(protocol, it) {
		if ((*it)->usual_port == c->remote.port) {
			c->protocol = *it;
			c->evidence = EVIDENCE_PORT;
		}
	}
}

void conns_guess_protocols(struct conns *t)
{
	bool indexed = false;

	conns_for_each(t, c) {
		if (!wants_guess(c))
			continue;
		if (!indexed)
			index_endpoints(t);
		indexed = true;
		guess(t, c);
	}
}
