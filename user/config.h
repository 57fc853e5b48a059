/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration: a strict reading of plimsoll.yaml.
 *
 * Unknown key, wrong type, value out of range, duplicate key: each is an error
 * with file, line, column and reason, and nothing of the file is taken.  Knows
 * no detector and no action by name; it walks the registries.
 */
#ifndef PLIMSOLL_CONFIG_H
#define PLIMSOLL_CONFIG_H

#include "policy.h"

#define CONFIG_PATH "/etc/plimsoll/plimsoll.yaml"

struct evidence_conf {
	uint64_t tier;			/* enum evidence_tier */
	uint64_t statement_bytes;	/* kept of a statement */
	uint64_t handles;		/* 1: what libraries hand out is counted in every process */
};

struct config {
	struct policy_conf policy;	/* mode, rules, budget */
	struct detect_conf detect;
	struct evidence_conf evidence;
	struct pool_limit *limits;	/* what operators know of pools */
	size_t limit_count;
	uint64_t connections;		/* table size */
};

struct yaml_node;
struct yaml_report;

/* What holds with no file at all.  0 or -ENOMEM. */
int config_init(struct config *c);
void config_done(struct config *c);

/*
 * Reads `path` over the defaults into `ret`, which needs no config_init() before
 * and is to be given to config_done() after.  0, or a negative errno with one
 * line in `why` ("plimsoll.yaml:3:10: unknown key 'grce' (did you mean 'grace'?)");
 * `ret` is then untouched.  `action_known` says whether an action exists.
 */
int config_load(const char *path, bool (*action_known)(const char *name), struct config *ret,
		char *why, size_t why_size);

/* The same of `size` bytes in memory, which errors call `name`. */
int config_parse(const char *name, const void *bytes, size_t size,
		 bool (*action_known)(const char *name), struct config *ret, char *why,
		 size_t why_size);

/* Under way: what is read into, and what its parts need to know. */
struct config_reading {
	struct config conf;
	bool (*action_known)(const char *name);
};

/* The sections with a file of their own in config/; `reading` is a struct config_reading. */
int config_rules(const struct yaml_report *r, const struct yaml_node *node, void *reading);
int config_budget(const struct yaml_report *r, const struct yaml_node *node, void *reading);
int config_pools(const struct yaml_report *r, const struct yaml_node *node, void *reading);
int config_evidence(const struct yaml_report *r, const struct yaml_node *node, void *reading);

/*
 * Patterns that more than one section has: a process's name that may exist, and an
 * address, kept as connections print theirs however it was written.
 */
int config_comm(const struct yaml_report *r, const struct yaml_node *value, char *out, size_t size);
int config_endpoint(const struct yaml_report *r, const struct yaml_node *value,
		    char out[static ADDR_TEXT_LEN]);

/* Another program's settings, whose shape is checked here; nothing is kept of them. */
int config_gateway(const struct yaml_report *r, const struct yaml_node *node, void *reading);

#endif
