/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stage repair: verdicts -> outcomes.  The only stage that touches anybody.
 *
 * A repair runs in a short-lived child with a hard deadline.  The child holds
 * the connection's owner still with ptrace, compares the whole precondition once
 * more, acts through a duplicate of the socket, and lets go.  Whatever dies,
 * however it dies, the kernel lets the owner run on: a tracer's end releases its
 * tracees.  So nothing we stop can stay stopped, and no lease has to be kept.
 */
#ifndef PLIMSOLL_REPAIR_H
#define PLIMSOLL_REPAIR_H

#include "policy.h"

enum outcome {
	OUTCOME_NONE,		/* nothing was tried */
	OUTCOME_DONE,		/* the action was carried out and the kernel shows it */
	OUTCOME_CHANGED,	/* the connection moved: nothing was done */
	OUTCOME_GONE,		/* the connection or its owner had ended: nothing was done */
	OUTCOME_FAILED,		/* tried, and undone as far as it had gone */
	OUTCOME_INTERRUPTED,	/* we died on the way; see the steps */
	OUTCOME_MAX
};

#define REPAIR_ID_LEN 24
#define REPAIR_STEPS  16

struct step {
	char name[24];		/* "hold", "verify", "send", ... */
	int err;		/* 0 or a negative errno */
	uint64_t at_ns;
	char note[96];
};

/* Everything that must still be true at the last moment. */
struct precondition {
	uint64_t cookie;
	uint32_t pid, start_ticks;
	int fd;			/* of the owner */
	uint32_t slot, gen;
	uint8_t tcp_state, status;
	uint64_t rx_bytes, tx_bytes;
	uint32_t unread, unacked;	/* in its queues */
	bool busy;		/* a statement was under way, and that is what was found */
	uint32_t holders;
	uint64_t conf_version;
};

struct repair {
	char id[REPAIR_ID_LEN];	/* of finding, action and rung: the same after a restart */
	struct finding finding;
	struct verdict verdict;
	enum mode mode;
	struct precondition pre;
	struct step steps[REPAIR_STEPS];
	size_t step_count;
	enum outcome outcome;
	int helped;		/* 1, 0, or -1 not known */
	uint64_t at_ns, held_ns;	/* start, and how long the owner was held still */
};

struct operation;

struct action {
	struct action_face face;
	unsigned int harm;	/* the gentlest is 1 */
	const char *summary;
	const char *to_client;	/* what the client notices */
	const char *to_server;	/* what the server gives back */
	const char *undo;	/* whether it can be undone */
	/*
	 * Acts, in the child, while the owner is held.  0, or a negative errno after
	 * undoing what it had begun.
	 */
	int (*perform)(struct operation *op);
	/* Whether the slot of the connection, still its own, shows that it took effect. */
	bool (*took_effect)(const struct slot *now);
};
REGISTRY(action);

/* What an action works with. */
struct operation {
	int sock;		/* a duplicate of the owner's socket */
	struct conn conn;
	uint64_t deadline_ns;
};

/* Notes one step of the repair under way; returns `err`. */
int operation_step(struct operation *op, const char *name, int err, const char *note);

/* What a repair needs of the world beyond its own process. */
struct repair_world {
	/* A consistent copy of the slot; false when there is none to be had. */
	bool (*slot)(uint32_t index, struct slot *ret, void *arg);
	/* Who has the socket open now, and where: holders, and one (pid, fd). */
	int (*holders)(uint64_t cookie, uint32_t *ret_count, struct holder *ret_one, void *arg);
	/* The journal.  Must be durable on return; -EEXIST: this id was begun before. */
	int (*intent)(const struct repair *r, void *arg);
	int (*outcome)(const struct repair *r, void *arg);
	void *arg;
};

/*
 * Names the repair and says what must hold: id, precondition.  `attempt` tells
 * orders by hand apart (0 for the automatic one, which happens once).
 */
void repair_plan(struct repair *r, const struct finding *f, const struct verdict *v,
		 uint64_t attempt);

/*
 * Carries out a planned repair, from intent to verified outcome; blocks for some
 * milliseconds.  Returns 0 when it ran (see r->outcome), or a negative errno when
 * it was never begun: -EEXIST begun before, -EIO the journal cannot be written.
 */
int repair_run(struct repair *r, const struct repair_world *w, uint64_t now_ns);

/*
 * Walks back what a repair left behind that died on the way: a connection that it was
 * keeping from its owner is cut, so that both ends notice.  1 when that was so.
 */
int repair_undo(uint64_t cookie, const struct repair_world *w);

const struct action *action_find(const char *name);
const struct action_face *action_face_find(const char *name);

/* The least harmful action that suits `c`, or NULL. */
const struct action *action_gentlest(const struct conn *c);

const char *outcome_name(enum outcome o);

#endif
