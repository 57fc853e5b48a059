/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host in memory, for stories: slots and holders as the kernel side would show
 * them, a clock that moves when the story says so, and the path conn -> policy.
 */
#ifndef PLIMSOLL_SIM_H
#define PLIMSOLL_SIM_H

#include "policy.h"

#define SIM_SLOTS   64
#define SIM_CLIENTS 128
#define SIM_HOLDS   256
#define SIM_EVENTS  512
#define SIM_RULES   8
#define SIM_WORDS   24

/* A connection as the story calls it. */
struct client {
	char name[16];
	uint32_t slot;
	uint64_t cookie;
	bool open, denied;
	uint32_t turns;		/* how often its holders sent in turn */
	struct queues queues;	/* what lies there until the story says otherwise */
};

struct hold {
	uint64_t cookie;
	uint32_t pid;
	char comm[16];
};

/* What the path said at the last tick; `loud` must be expected by the story. */
struct event {
	char text[128];
	bool loud, taken;
};

struct sim {
	const char *file;
	unsigned line, tests, failed;
	bool broken;		/* the story makes no sense from here on */
	char must_fail[96];	/* this story has to fail, and say this */
	bool failed_so;

	uint64_t now_ns, ticked_ns;
	struct slot slots[SIM_SLOTS];
	struct client clients[SIM_CLIENTS];
	struct hold holds[SIM_HOLDS];
	uint32_t frozen[SIM_HOLDS];
	size_t client_count, hold_count, frozen_count;
	bool stopped, uncounted;

	struct conns conns;
	struct levels levels;
	struct detect detect;
	struct detect_conf detect_conf;
	struct policy policy;
	struct policy_conf policy_conf;
	struct rule rules[SIM_RULES];
	struct event events[SIM_EVENTS];
	size_t event_count;
};

/* One line of a story, in words. */
struct words {
	char *word[SIM_WORDS];
	size_t count;
};

int sim_init(struct sim *s, const char *file);
void sim_done(struct sim *s);

/* One line of TAP, and what explains it. */
void sim_tap(struct sim *s, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sim_note(const struct sim *s, const char *text, const char *more);

/* The line makes no sense: says why, and ends the story. */
void sim_broken(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A setting: `w` begins with its name.  False when there is no such setting. */
bool sim_set(struct sim *s, const struct words *w);

/* What happens: `w` begins with the verb.  False when there is no such verb. */
bool sim_happen(struct sim *s, const struct words *w);

/* What must have come of it: `w` begins behind the word expect. */
void sim_expect(struct sim *s, const struct words *w);

/* Everything loud that nobody expected is a failure. */
void sim_settle(struct sim *s);

/* For all of them. */
struct client *sim_client(struct sim *s, const struct words *w, size_t at);
const char *sim_option(const struct words *w, const char *key);
const char *sim_option_or(const struct words *w, const char *key, const char *otherwise);

#endif
