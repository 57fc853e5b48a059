// SPDX-License-Identifier: GPL-2.0-or-later
/* `evidence`: how much is taken of who sent what; a tier alone, or with more. */
#include <string.h>

#include "config.h"
#include "lib/schema.h"

static const char *const tiers[] = { "off", "transactions", "all" };

static const struct param statement = {
	"statement", "bytes kept of a statement", PARAM_UINT,
	offsetof(struct evidence_conf, statement_bytes), STATEMENT_DEFAULT, STATEMENT_DEFAULT,
	STATEMENT_MAX
};

static const struct param handles = {
	"handles", "count connections and results that libraries hand out, in every process",
	PARAM_BOOL, offsetof(struct evidence_conf, handles), 0, 0, 1
};

static int read_tier(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	struct evidence_conf *e = into;
	int err = schema_text(r, value);

	if (err < 0)
		return err;
	for (uint64_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
		if (strcmp(value->text, tiers[i]) == 0) {
			e->tier = i;
			return 0;
		}
	}
	return yaml_fail(r, value, "tier: expected off, transactions or all, found '%s'",
			 value->text);
}

static int read_statement(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	return schema_param(r, value, &statement, into);
}

static int read_handles(const struct yaml_report *r, const struct yaml_node *value, void *into)
{
	return schema_param(r, value, &handles, into);
}

static const struct schema_key keys[] = {
	{ "tier", read_tier },
	{ "statement", read_statement },
	{ "handles", read_handles },
	{ 0 },
};

int config_evidence(const struct yaml_report *r, const struct yaml_node *node, void *reading)
{
	struct config_reading *into = reading;

	if (node->kind == YAML_SCALAR)
		return read_tier(r, node, &into->conf.evidence);
	return schema_mapping(r, node, keys, &into->conf.evidence);
}
