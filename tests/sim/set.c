// SPDX-License-Identifier: GPL-2.0-or-later
/* The settings a story begins with. */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/param.h"
#include "repair.h"
#include "sim.h"

static void do_mode(struct sim *s, const struct words *w)
{
	const char *mode = w->count > 1 ? w->word[1] : "";

	if (strcmp(mode, "fix") != 0 && strcmp(mode, "observe") != 0)
		sim_broken(s, "mode observe|fix");
	s->policy_conf.mode = strcmp(mode, "fix") == 0 ? MODE_FIX : MODE_OBSERVE;
}

static void do_grace(struct sim *s, const struct words *w)
{
	const char *kind = w->count > 2 ? w->word[2] : "idle-in-txn";
	struct detector_setting *set = detect_conf_find(&s->detect_conf, kind);

	if (!set || w->count < 2 || param_duration(w->word[1], &set->base.grace_ns) < 0)
		sim_broken(s, "grace DURATION [KIND]");
}

static void do_holders(struct sim *s, const struct words *w)
{
	s->uncounted = w->count > 1 && strcmp(w->word[1], "uncounted") == 0;
}

static void do_budget(struct sim *s, const struct words *w)
{
	struct budget *b = &s->policy_conf.budget;
	const struct {
		const char *key;
		uint64_t *value;
	} keys[] = {
		{ "per_pool", &b->per_pool },
		{ "per_endpoint", &b->per_endpoint },
		{ "total", &b->total },
		{ "share", &b->share_pct },
	};
	const char *cool = sim_option(w, "cool_down");
	size_t found = cool != NULL;

	if (cool && param_duration(cool, &b->cool_down_ns) < 0)
		sim_broken(s, "cool_down=DURATION");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = sim_option(w, keys[i].key);

		found += value && sscanf(value, "%lu", keys[i].value) == 1;
	}
	if (found != w->count - 1)
		sim_broken(s, "a budget nobody knows");
}

/* act=defuse,close+30s */
static bool read_rungs(struct rule *r, const char *text)
{
	char copy[128], *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *a = strtok_r(copy, ",", &save); a; a = strtok_r(NULL, ",", &save)) {
		struct rung *rung = &r->act[r->rungs++];
		char *after = strchr(a, '+');

		if (r->rungs > RULE_RUNGS ||
		    (after && param_duration(after + 1, &rung->after_ns) < 0))
			return false;
		if (after)
			*after = '\0';
		(void)snprintf(rung->action, sizeof(rung->action), "%.15s", a);
		if (!action_face_find(rung->action))
			return false;
	}
	return true;
}

static void do_rule(struct sim *s, const struct words *w)
{
	struct rule *r = &s->rules[s->policy_conf.rule_count];

	if (s->policy_conf.rule_count == SIM_RULES) {
		sim_broken(s, "too many rules");
		return;
	}
	s->policy_conf.rule_count++;
	(void)snprintf(r->kind, sizeof(r->kind), "%s", sim_option_or(w, "kind", ""));
	(void)snprintf(r->comm, sizeof(r->comm), "%s", sim_option_or(w, "comm", ""));
	(void)snprintf(r->database, sizeof(r->database), "%s", sim_option_or(w, "database", ""));
	(void)snprintf(r->user, sizeof(r->user), "%s", sim_option_or(w, "user", ""));
	if (!read_rungs(r, sim_option_or(w, "act", "")))
		sim_broken(s, "no such ladder: '%s'", sim_option(w, "act"));
}

bool sim_set(struct sim *s, const struct words *w)
{
	static const struct {
		const char *name;
		void (*fn)(struct sim *s, const struct words *w);
	} settings[] = {
		{ "mode", do_mode },	   { "grace", do_grace }, { "budget", do_budget },
		{ "holders", do_holders }, { "rule", do_rule },
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (strcmp(w->word[0], settings[i].name) != 0)
			continue;
		settings[i].fn(s, w);
		return true;
	}
	return false;
}
