// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * budget: how much may be repaired, and how often.
 *
 * The rates stop where the policy's memory of past acts ends: a budget that it
 * could not count would be none.
 */
#include <errno.h>

#include "config.h"
#include "lib/clock.h"
#include "lib/schema.h"

#define RATE_MAX (POLICY_ACTS - 1)

/* Defaults are the policy's own, see policy_conf_init(). */
static const struct param share = {
	.name = "share",
	.help = "of a pool's connections, in the time of per_pool",
	.type = PARAM_PCT,
	.offset = offsetof(struct budget, share_pct),
	.min = 1,
	.max = 100,
};

static const struct param cool_down = {
	.name = "cool_down",
	.help = "between two acts on one connection",
	.type = PARAM_NS,
	.offset = offsetof(struct budget, cool_down_ns),
	.max = 86400 * NS_PER_S,
};

static int read_rate(const struct yaml_report *r, const struct yaml_node *value,
		     uint64_t *ret_count, uint64_t *ret_ns)
{
	uint64_t count, ns;
	int err = schema_text(r, value);

	if (err < 0)
		return err;
	err = param_rate(value->text, &count, &ns);
	if (err == -EINVAL)
		return yaml_fail(r, value, "expected a rate such as 5/min (or /s, /h), found '%s'",
				 value->text);
	if (err < 0 || count < 1 || count > RATE_MAX)
		return yaml_fail(r, value, "a rate must be 1 to %d, found '%s'", RATE_MAX,
				 value->text);
	*ret_count = count;
	*ret_ns = ns;
	return 0;
}

static int read_per_pool(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct budget *b = into;

	return read_rate(r, value, &b->per_pool, &b->per_pool_ns);
}

static int read_per_endpoint(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct budget *b = into;

	return read_rate(r, value, &b->per_endpoint, &b->per_endpoint_ns);
}

static int read_total(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct budget *b = into;

	return read_rate(r, value, &b->total, &b->total_ns);
}

static int read_share(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	return schema_param(r, value, &share, into);
}

static int read_cool_down(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	return schema_param(r, value, &cool_down, into);
}

static const struct schema_key keys[] = {
	{ "per_pool", read_per_pool },
	{ "per_endpoint", read_per_endpoint },
	{ "total", read_total },
	{ "share", read_share },
	{ "cool_down", read_cool_down },
	{ 0 },
};

int config_budget(const struct yaml_report *r, const struct yaml_node *node, void *reading)
{
	struct config_reading *into = reading;

	return schema_mapping(r, node, keys, &into->conf.policy.budget);
}
