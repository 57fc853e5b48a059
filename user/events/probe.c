// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Probes on other people's programs.  They lie on a file, not on a process: one is
 * enough for all that run it, and those that start later are in it from the beginning.
 * By offset and by a descriptor that names the file: nothing here looks into it, and
 * whose mount namespace it is in does not matter.
 *
 * The kernel changes one file's probes at a time, so there is one order under way, and
 * the others wait here, where they can still be taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events/internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LONG_NS	 (3 * NS_PER_S) /* worth a word */
#define AGAIN_NS NS_PER_S	/* after the process beside us ended */

struct probes {
	struct events *events;
	uint32_t number;
	int pin;
	int result;    /* -EINPROGRESS until it is answered */
	bool there;    /* as far as it was answered */
	bool unwanted; /* its owner has let go of it */
	uint32_t count;
	struct probe_place places[];
};

static void forget(struct probes *p)
{
	p->events->sets[p->number] = NULL;
	cleanup_close(&p->pin);
	free(p);
}

/* ---- orders */

static bool needs_order(const struct probes *p)
{
	return p && (p->unwanted ? p->there : p->result == -EINPROGRESS);
}

/* What is to be put goes before what is to be taken away: somebody waits for it. */
static struct probes *choose(const struct events *e)
{
	struct probes *found = NULL;

	for (uint32_t i = 0; i < ATTACH_SETS; i++) {
		struct probes *p = e->sets[i];

		if (!needs_order(p))
			continue;
		if (!p->unwanted)
			return p;
		found = p;
	}
	return found;
}

static void order(struct events *e)
{
	struct probes *p = e->attacher.pid && !e->ordered ? choose(e) : NULL;
	struct attach_order o;

	if (!p)
		return;
	o = (struct attach_order){ .number = p->number, .count = p->unwanted ? 0 : p->count };
	memcpy(o.places, p->places, o.count * sizeof(o.places[0]));
	/* When that fails its process has ended, and its next answer says so. */
	if (attacher_order(&e->attacher, &o, p->unwanted ? -1 : p->pin))
		return;
	e->ordered = p;
	e->putting = !p->unwanted;
	e->ordered_ns = clock_now_ns();
	e->called_slow = false;
}

static void take(struct events *e, int result)
{
	struct probes *p = TAKE(e->ordered);

	if (!p)
		return;
	p->there = e->putting && !result;
	p->result = result;
	if (p->unwanted && !p->there)
		forget(p);
}

/* What it had put is gone with it. */
static void begin_anew(struct events *e)
{
	attacher_end(&e->attacher);
	e->ordered = NULL;
	e->ordered_ns = clock_now_ns();
	for (uint32_t i = 0; i < ATTACH_SETS; i++) {
		struct probes *p = e->sets[i];

		if (!p)
			continue;
		if (p->there)
			p->result = -EINPROGRESS;
		p->there = false;
		if (p->unwanted)
			forget(p);
	}
	(void)log_warn(0, "the process that holds the probes ended: they are put again");
}

static int start(struct events *e)
{
	const int programs[PROBE_KINDS] = {
		[PROBE_GO] = bpf_program__fd(e->bpf->progs.on_go_conn),
		[PROBE_ENTRY] = bpf_program__fd(e->bpf->progs.on_call),
		[PROBE_RETURN] = bpf_program__fd(e->bpf->progs.on_return),
	};
	int r = attacher_start(&e->attacher, programs, e->has_multi);

	return r ? r : events_wait_for(e, e->attacher.socket);
}

static void call_slow(struct events *e)
{
	char path[40], name[256] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", e->ordered->pin);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	(void)log_warn(0, "a process that runs %s keeps the kernel from changing the probes on it: "
			  "until it does not, nobody new is looked into", name);
	e->called_slow = true;
}

void events_probe_step(struct events *e)
{
	int result, r;

	if (!e->attacher.pid) {
		if (elapsed_ns(e->ordered_ns, clock_now_ns()) > AGAIN_NS && start(e))
			e->ordered_ns = clock_now_ns();
		order(e);
		return;
	}
	r = attacher_answer(&e->attacher, &result);
	if (!r)
		take(e, result);
	else if (r == -EPIPE)
		begin_anew(e);
	else if (e->ordered && !e->called_slow && elapsed_ns(e->ordered_ns, clock_now_ns()) > LONG_NS)
		call_slow(e);
	order(e);
}

/* ---- begin and end */

void events_probe_prepare(const struct events *e, struct plimsoll_bpf *bpf)
{
	struct bpf_program *const programs[] = { bpf->progs.on_go_conn, bpf->progs.on_call,
						 bpf->progs.on_return };

	for (size_t i = 0; i < ARRAY_SIZE(programs) && e->has_multi; i++)
		(void)bpf_program__set_expected_attach_type(
			programs[i], (enum bpf_attach_type)ATTACH_UPROBE_MULTI);
	(void)bpf_program__set_autoattach(bpf->progs.on_said_sent, false);
}

int events_probe_open(struct events *e)
{
	return start(e);
}

void events_probe_close(struct events *e)
{
	attacher_end(&e->attacher);
	for (uint32_t i = 0; i < ATTACH_SETS; i++)
		if (e->sets[i])
			forget(e->sets[i]);
}

/* ---- what others ask for */

int events_probe(struct events *e, int pin, const struct probe_place *places, uint32_t n,
		 struct probes **ret)
{
	uint32_t number = 0;
	struct probes *p;

	if (n > PROBE_PLACES)
		return -E2BIG;
	while (number < ATTACH_SETS && e->sets[number])
		number++;
	if (number == ATTACH_SETS)
		return -ENOSPC;
	p = malloc(sizeof(*p) + n * sizeof(p->places[0]));
	if (!p)
		return -ENOMEM;
	*p = (struct probes){ .events = e, .number = number, .result = -EINPROGRESS, .count = n };
	memcpy(p->places, places, n * sizeof(p->places[0]));
	p->pin = fcntl(pin, F_DUPFD_CLOEXEC, 3);
	if (p->pin < 0) {
		free(p);
		return -errno;
	}
	e->sets[number] = p;
	order(e);
	*ret = p;
	return 0;
}

int events_probe_result(const struct probes *p)
{
	return p->result;
}

void events_unprobe(struct probes *p)
{
	struct events *e;

	if (!p)
		return;
	e = p->events;
	p->unwanted = true;
	if (p->there || e->ordered == p)
		order(e);
	else
		forget(p);
}

bool events_is_probing(const struct events *e)
{
	return e->ordered;
}

bool events_await_probes(struct events *e, int ms)
{
	struct pollfd p = { .fd = e->attacher.socket, .events = POLLIN };
	int result;

	if (!e->ordered)
		return true;
	(void)poll(&p, 1, ms);
	/* The next one can wait, too. */
	if (!attacher_answer(&e->attacher, &result))
		take(e, result);
	return !e->ordered;
}

void events_forget_handle(struct events *e, uint32_t pid, uint32_t start_ticks, uint64_t address)
{
	const struct go_handle_key key = { pid, start_ticks, address };

	(void)bpf_map_delete_elem(bpf_map__fd(e->bpf->maps.go_handles), &key);
}

uint64_t events_probe_hits(const struct events *e, uint32_t n)
{
	uint64_t hits = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.go_hits), &n, &hits))
		return 0;
	return hits;
}
