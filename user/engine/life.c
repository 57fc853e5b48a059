// SPDX-License-Identifier: GPL-2.0-or-later
/* Begin and end: configuration, stages, programs, and what a former life left unfinished. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "culprits.h"
#include "engine/internal.h"
#include "events.h"
#include "gopools.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "libraries.h"
#include "pauses.h"

#define ENDED_BEFORE "the observer had ended before the outcome; the connection is "

/* What a repair of a former life came to, as far as the world still shows it. */
static void settle(json_t *repair, void *arg)
{
	struct engine *e = arg;
	const char *id = json_string_value(json_object_get(repair, "id"));
	json_t *pre = json_object_get(repair, "precondition");
	uint64_t cookie = (uint64_t)json_integer_value(json_object_get(pre, "cookie"));
	const struct repair_world world = engine_world(e);
	const struct conn *c = conns_find_cookie(&e->conns, cookie);
	const char *found = c ? ENDED_BEFORE "open" : ENDED_BEFORE "gone";

	if (c && repair_undo(cookie, &world))
		found = ENDED_BEFORE "cut: it was being kept from its owner";
	if (id)
		(void)journal_settle(e->journal, id, OUTCOME_INTERRUPTED, found);
}

static int open_journal(struct engine *e)
{
	int r;

	if (!e->state_dir)
		return 0;
	r = journal_open(e->state_dir, &e->journal);
	if (r)
		return r;
	return journal_unresolved(e->journal, settle, e);
}

static bool action_known(const char *name)
{
	return action_find(name) != NULL;
}

/* The configuration as it should be now: the file's, under the command line's mode. */
static int load_config(const struct engine *e, struct config *ret, char *why, size_t why_size)
{
	int r = e->config_path ? config_load(e->config_path, action_known, ret, why, why_size)
			       : config_init(ret);

	if (!r && e->forced_mode >= 0)
		ret->policy.mode = (enum mode)e->forced_mode;
	return r;
}

static int configure(struct engine *e, const struct engine_options *opt)
{
	char why[512] = "";
	int r;

	e->forced_mode = opt->mode;
	e->config_path = opt->config_path;
	if (!e->config_path && !access(CONFIG_PATH, F_OK))
		e->config_path = CONFIG_PATH;
	r = load_config(e, &e->config, why, sizeof(why));
	if (r)
		(void)log_err(0, "%s", *why ? why : strerror(-r));
	return r ? -EINVAL : 0;
}

static void use_limits(struct engine *e)
{
	e->levels.limits = e->config.limits;
	e->levels.limit_count = e->config.limit_count;
}

static int open_stages(struct engine *e)
{
	uint32_t capacity = (uint32_t)e->config.connections;
	int r = conns_init(&e->conns, capacity, proc_boot_tag());

	if (!r)
		r = levels_init(&e->levels, capacity);
	if (!r)
		r = detect_init(&e->detect, capacity);
	if (!r)
		r = pauses_new(&e->pauses);
	e->levels.shifted = engine_on_shift;
	e->levels.shifted_arg = e;
	use_limits(e);
	return r;
}

static int open_events(struct engine *e)
{
	const struct events_options opt = {
		.slots = (uint32_t)e->config.connections,
		.statement_bytes = (uint32_t)e->config.evidence.statement_bytes,
		.tier = (enum evidence_tier)e->config.evidence.tier,
	};

	int r = events_open(&e->events, &opt, engine_on_record, e);

	if (!r)
		r = culprits_new(e->events, opt.tier, &e->culprits);
	if (!r && opt.tier != TIER_OFF)
		r = libraries_new(e->events, e->config.evidence.handles, &e->libraries);
	if (!r)
		r = gopools_new(e->events, &e->conns, &e->gopools);
	return r;
}

int engine_open(struct engine *e, const struct engine_options *opt)
{
	int r;

	*e = (struct engine){ .state_dir = opt->state_dir, .started_ns = clock_now_ns() };
	r = configure(e, opt);
	if (!r)
		r = open_stages(e);
	if (!r)
		r = open_events(e);
	if (!r) {
		(void)events_adopt(e->events);
		e->now_ns = clock_now_ns();
		engine_read_slots(e);
		engine_count_holders(e);
		conns_guess_protocols(&e->conns);
		r = open_journal(e);
	}
	if (r)
		engine_close(e);
	return r;
}

void engine_close(struct engine *e)
{
	journal_close(e->journal);
	e->journal = NULL;
	culprits_free(e->culprits);
	e->culprits = NULL;
	libraries_free(e->libraries);
	e->libraries = NULL;
	gopools_free(e->gopools);
	e->gopools = NULL;
	events_close(e->events);
	e->events = NULL;
	pauses_free(e->pauses);
	e->pauses = NULL;
	detect_done(&e->detect);
	levels_done(&e->levels);
	conns_done(&e->conns);
	config_done(&e->config);
}

int engine_reload(struct engine *e, char *why, size_t why_size)
{
	struct config fresh;
	int r = load_config(e, &fresh, why, why_size);

	if (r)
		return r;
	fresh.policy.version = e->config.policy.version + 1;
	if (fresh.connections != e->config.connections) {
		(void)log_warn(0, "connections: a new table size takes effect at the next start");
		fresh.connections = e->config.connections;
	}
	config_done(&e->config);
	e->config = fresh;
	use_limits(e);
	return 0;
}
