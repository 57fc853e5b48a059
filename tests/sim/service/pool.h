/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An application's pool of connections, and the work that goes through it.
 *
 * What all pools do is in pool.c; what is peculiar to one driver's is a family, in a
 * file of its own.  Work is a job: a connection is borrowed, used in a rhythm, and
 * given back.  Between looks nobody sees its single statements, so they are not
 * events: pool_show() says where in its rhythm a job is when somebody looks.
 */
#ifndef PLIMSOLL_SIM_POOL_H
#define PLIMSOLL_SIM_POOL_H

#include "kernel.h"
#include "lib/registry.h"

#define POOL_LINKS 256

struct client_pool;

enum link_state {
	LINK_NONE,
	LINK_DIALLING,
	LINK_FREE, /* in the pool */
	LINK_LENT,
	LINK_LEAKED, /* lent, and nobody will give it back */
};

/* A request, for `busy` of each `period`; in the transaction it opened for `hold` more. */
struct rhythm {
	uint64_t period_ns, busy_ns, hold_ns;
	bool stays_in_txn; /* from the first request to the last */
	uint32_t trickle;  /* bytes/s of an answer that comes slowly; 0: it comes at once */
};

struct job {
	struct rhythm rhythm;
	uint64_t lasts_ns;
	uint64_t waits_ns; /* before anything is asked */
};

/* The application's end of a connection. */
struct link {
	struct sock *sock;
	struct client_pool *pool;
	enum link_state state;
	uint32_t gen;	/* of what is to happen to it, only the newest counts */
	bool wanted;	/* somebody waits for the dial */
	bool forgotten; /* nobody will ever ask for it */
	struct job job;
	uint64_t began_ns, ends_ns; /* of the job */
	uint64_t counted;	    /* requests of the job that were shown as answered */
	uint64_t resumes_ns;	    /* until then what it asked in a cut lies in the net */
	size_t lent_at;		    /* place in the list of what is lent, plus one */
	uint64_t dialled_ns, opened_ns, used_ns, retire_ns;
	uint64_t pinged_ns;
	uint32_t serial; /* of the pool's dials */
	bool telling;	 /* its dial says something of those that lay idle */
	bool dead;	 /* the server is gone, and the application does not know */
	struct leak *leak;
};

struct family {
	const char *name;
	const char *comm; /* of its processes; NULL: the same */
	bool pooler;	  /* what it has open, other programs use */
	unsigned share; /* of the service's connections, in percent */
	/* Chooses the settings of a new pool. */
	void (*begin)(struct client_pool *p);
	/* What the application's driver does by itself every `house_ns`; may be NULL. */
	void (*keep_house)(struct client_pool *p);
};
REGISTRY(family);

struct client_pool {
	const struct family *family;
	struct process *process;
	struct client_pool
		*first; /* of the same program, NULL: this one; they begin and end together */
	struct endpoint *endpoint;
	struct words words;
	char user[24], database[24], comm[16];
	bool runs;
	uint32_t gen;

	/* settings */
	uint32_t max_open, max_idle, min_idle;
	uint64_t lifetime_ns, lifetime_spread_ns, idle_ns; /* 0: none */
	uint64_t keepalive_ns, house_ns;
	bool tells;	       /* its program's memory can be read: it says itself what it lent */
	bool fifo, any;	       /* which free one is taken: oldest, any, or else the latest */
	bool fills_through;    /* min_idle at one go: a dial after the other */
	bool retires_by_timer; /* each in its own time, unless it is lent */
	bool checks;	       /* asks a little question before a connection is used */
	uint32_t workers;      /* jobs that may be wanted at once */
	uint32_t threads;      /* of which any may dial; 0: each time another */

	/* work */
	uint64_t every_ns;			   /* mean time between jobs at noon */
	double night;				   /* what is left of it at night, 0..1 */
	uint64_t phase_ns;			   /* when its noon is */
	struct job (*work)(struct client_pool *p); /* NULL: the usual mixture */

	struct link links[POOL_LINKS];
	struct link *idle[POOL_LINKS]; /* free ones, in the order they came back */
	uint32_t dials;
	uint32_t dialled; /* which of its threads have, a bit each */
	uint64_t minute;  /* of `most` */
	uint32_t most[2]; /* that were open in it, and in the one before */
	uint32_t open, idle_count, dialling, waiting; /* dialling: for the pool itself */
	struct leak *leak;			      /* that the whole pool has */
	double loses;	       /* the share of its jobs that do not give back */
	uint32_t had_idle;     /* max_idle before it churned, or 0 */
	uint32_t lost, chain;  /* so many, and so many one after another */
	uint32_t lost_open[8]; /* how many were open at each of the latter */
	uint64_t lost_ns;      /* the last of the chain */
	uint64_t started_ns;
};

/* All pools of the service; `conns` connections at noon. */
void pools_begin(uint32_t conns);
void pools_done(void);
size_t pools_count(void);
struct client_pool *pools_get(size_t n);
struct client_pool *pools_any(void);

/* A pool more, of a program of its own. */
struct client_pool *pool_add(const struct family *f);

/* Its process begins and ends, with all its pools. */
void pool_start(struct client_pool *p);
void pool_stop(struct client_pool *p);
void pool_restart(struct client_pool *p, uint64_t after_ns);

/* A new connection, for the pool or (`wanted`) for somebody who waits. */
struct link *pool_dial(struct client_pool *p, bool wanted);
void pool_drop(struct link *l);

/* The server or the net ended it; the pool notices now or (`later`) when it is used. */
void pool_lose(struct link *l, bool later);

/* Work for a connection: now. */
void pool_want(struct client_pool *p);
void pool_lend(struct link *l, const struct job *job);
void pool_give(struct link *l);

/* Borrows and never gives back: its job goes on to the moment of the call. */
void pool_leak(struct link *l);

/* What a pool that loses connections does with one it should take back; see leaks.c. */
void pool_lost(struct link *l);

/* The slots of everything that is in use, as they would be now. */
void pools_show(void);
void pool_show(struct link *l);

/* What shows only by what `p` does to `e` over time need not show in time any more. */
void pool_breaks_off(struct client_pool *p, const struct endpoint *e);

/* The net lets nothing pass to `e`, or does so again. */
void pools_cut(struct endpoint *e, uint64_t until_ns);

/* The observer begins anew: no dial was seen yet. */
void pools_unseen(void);

/* A process cannot run, for so long. */
void pool_freeze(struct client_pool *p, uint64_t for_ns);

#endif
