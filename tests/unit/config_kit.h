/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the configuration share.  Included by one file of a test only. */
#ifndef PLIMSOLL_CONFIG_KIT_H
#define PLIMSOLL_CONFIG_KIT_H

#include "config.h"
#include "lib/clock.h"

/* A detector with a setting of every type, whatever others there are. */
struct tide_conf {
	uint64_t depth, ebb_ns, share_pct, loud;
};

static const struct param tide_params[] = {
	{ "depth", "", PARAM_UINT, offsetof(struct tide_conf, depth), 3, 1, 100 },
	{ "ebb", "", PARAM_NS, offsetof(struct tide_conf, ebb_ns), NS_PER_S, 0, 60 * NS_PER_S },
	{ "share", "", PARAM_PCT, offsetof(struct tide_conf, share_pct), 35, 1, 100 },
	{ "loud", "", PARAM_BOOL, offsetof(struct tide_conf, loud), 0, 0, 1 },
	{ 0 },
};

static bool check(const struct conn *c, const struct pool *p, const struct detector_conf *base,
		  const void *conf, uint64_t now_ns, struct symptom *ret)
{
	(void)c;
	(void)p;
	(void)base;
	(void)conf;
	(void)now_ns;
	(void)ret;
	return false;
}

static const struct detector test_tide = {
	.name = "test-tide",
	.summary = "never there",
	.grace_ns = 7 * NS_PER_S,
	.params = tide_params,
	.conf_size = sizeof(struct tide_conf),
	.check = check,
};
REGISTER(detector, test_tide);

static bool action_known(const char *name)
{
	return !strcmp(name, "defuse") || !strcmp(name, "close") || !strcmp(name, "destroy");
}

static char why[512];

static int parse(const char *text, struct config *ret)
{
	why[0] = '\0';
	return config_parse("t.yaml", text, strlen(text), action_known, ret, why, sizeof(why));
}

#endif
