// SPDX-License-Identifier: GPL-2.0-or-later
/* pools: how many connections a pool may have, where an operator knows. */
#include <errno.h>
#include <stdlib.h>

#include "config.h"
#include "lib/schema.h"

#define LIMITS_MAX 1000

static const struct param max_param = {
	"max", "connections", PARAM_UINT, offsetof(struct pool_limit, max), 0, 1, 100000,
};

static int read_comm(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct pool_limit *limit = into;

	return config_comm(r, value, limit->comm, sizeof(limit->comm));
}

static int read_endpoint(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct pool_limit *limit = into;

	return config_endpoint(r, value, limit->endpoint);
}

static int read_database(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct pool_limit *limit = into;

	return schema_field(r, value, limit->database, sizeof(limit->database));
}

static int read_user(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct pool_limit *limit = into;

	return schema_field(r, value, limit->user, sizeof(limit->user));
}

static const struct schema_key match_keys[] = {
	{ "comm", read_comm },
	{ "endpoint", read_endpoint },
	{ "database", read_database },
	{ "user", read_user },
	{ 0 },
};

static int read_match(const struct yaml_report *r, const struct yaml_node *node, void *into)
{
	return schema_mapping(r, node, match_keys, into);
}

static int read_max(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	return schema_param(r, value, &max_param, into);
}

static const struct schema_key limit_keys[] = {
	{ "match", read_match },
	{ "max", read_max },
	{ 0 },
};

static int read_limit(const struct yaml_report *r, const struct yaml_node *item, void *into)
{
	struct config_reading *all = into;
	struct pool_limit limit = { .max = 0 };
	int err = schema_mapping(r, item, limit_keys, &limit);

	if (err < 0)
		return err;
	if (!limit.max)
		return yaml_fail(r, item, "a pool without 'max'");
	all->conf.limits[all->conf.limit_count++] = limit;
	return 0;
}

int config_pools(const struct yaml_report *r, const struct yaml_node *node, void *reading)
{
	struct config_reading *into = reading;

	if (node->count > LIMITS_MAX)
		return yaml_fail(r, node, "more than %d pools", LIMITS_MAX);
	if (node->kind == YAML_SEQUENCE && node->count) {
		into->conf.limits = calloc(node->count, sizeof(*into->conf.limits));
		if (!into->conf.limits) {
			(void)yaml_fail(r, node, "out of memory");
			return -ENOMEM;
		}
	}
	return schema_sequence(r, node, read_limit, reading);
}
