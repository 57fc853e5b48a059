/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the questions share: one question is one file that ends in REGISTER(),
 * answers from the engine's tables and changes nothing unless it is an order.
 */
#ifndef PLIMSOLL_ASK_QUESTION_H
#define PLIMSOLL_ASK_QUESTION_H

#include "ask.h"

/* Who may ask: a set, since a reader may not do what an owner may. */
#define MAY(role) (1U << (role))
#define MAY_READ  (MAY(ROLE_OWN) | MAY(ROLE_READ) | MAY(ROLE_ALL))

struct inquiry {
	struct engine *e;
	const struct caller *who;
	json_t *params;		/* an object, never NULL */
	uint64_t now_ns;
	size_t from, most;	/* where in its table a long answer begins; rows in a piece */
	size_t *next;		/* who stops for `most` leaves here where */
};

/* Whether `rows` is a whole piece, and the next one begins at `place`. */
bool ask_is_full(const struct inquiry *q, const json_t *rows, size_t place);

struct question {
	const char *method;
	unsigned int roles;	/* MAY() of each that may ask */
	enum exit_code (*answer)(const struct inquiry *q, json_t **ret);
};
REGISTRY(question);

/* Whether the caller may know of something that belongs to `uid`. */
bool ask_may_see(const struct inquiry *q, uid_t uid);

/* Both set *ret: the document {"schema":1, command: rows}, taking `rows`; or {"message"}. */
enum exit_code ask_done(const char *command, json_t *rows, json_t **ret);
enum exit_code ask_fail(json_t **ret, enum exit_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Refuses parameters other than those of the list that ends with NULL. */
enum exit_code ask_only(const struct inquiry *q, const char *const *names, json_t **ret);

#endif
