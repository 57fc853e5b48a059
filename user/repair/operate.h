/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The child in which a repair touches somebody, and what it reports to its parent. */
#ifndef PLIMSOLL_OPERATE_H
#define PLIMSOLL_OPERATE_H

#include "repair.h"

enum report_kind { REPORT_STEP, REPORT_RESULT };

struct report {
	enum report_kind kind;
	struct step step;
	int result;		/* 0 or -errno */
	uint64_t held_ns;
};

/*
 * How long the child may live, hence the longest that anybody can be held still:
 * enough for a server a few round trips away, and no more.
 */
uint64_t operate_deadline_ns(const struct conn *c);

/*
 * Runs in a forked child and never returns: hold the owner, verify the whole
 * precondition, let `action` act (NULL: only cut the connection), let go, report.
 */
void operate(const struct repair *r, const struct action *action, const struct repair_world *w,
	     int report_fd) __attribute__((noreturn));

#endif
