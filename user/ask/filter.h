/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections, pools and findings a question is about. */
#ifndef PLIMSOLL_ASK_FILTER_H
#define PLIMSOLL_ASK_FILTER_H

#include "ask.h"

/* Strings belong to the parameters the filter was read from; NULL or 0: any. */
struct filter {
	uint32_t pid;
	const char *comm, *database, *user;	/* shell-style */
	const char *protocol, *kind;
	bool has_endpoint;
	struct addr endpoint;
	bool leaked;		/* only where there is a finding */
	bool all;		/* also what is not recognised, or was denied */
};

/*
 * Reads `params` (an object).  EXIT_OK, or EXIT_USAGE and in *ret a message that
 * names what was wrong and what there is instead.
 */
enum exit_code filter_parse(json_t *params, struct filter *out, json_t **ret);

/* These leave kind and leaked aside: they speak of findings. */
bool filter_conn(const struct filter *f, const struct conn *c);
bool filter_pool(const struct filter *f, const struct pool *p);

/* Whether the finding counts for kind and leaked. */
bool filter_finding(const struct filter *f, const struct finding *found);

#endif
