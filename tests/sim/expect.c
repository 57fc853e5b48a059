// SPDX-License-Identifier: GPL-2.0-or-later
/* What a story may expect. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define FACTS 16

/* "key=value" of everything that can be asked about one thing. */
struct facts {
	char text[FACTS][96];
	size_t count;
};

static void __attribute__((format(printf, 2, 3))) add(struct facts *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text[f->count++], sizeof(f->text[0]), fmt, ap);
	va_end(ap);
}

static void report(struct sim *s, bool ok, const struct words *w)
{
	char text[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < w->count && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", w->word[i]);
	sim_tap(s, ok, " line %u expect%s", s->line, text);
}

/* Whether `text` begins with these words. */
static bool begins_with(const char *text, const struct words *w)
{
	for (size_t i = 0; i < w->count; i++) {
		size_t len = strlen(w->word[i]);

		if (strncmp(text, w->word[i], len) != 0 || (text[len] && text[len] != ' '))
			return false;
		text += len + (text[len] == ' ');
	}
	return w->count > 0;
}

static void tell_events(const struct sim *s)
{
	for (size_t i = 0; i < s->event_count; i++)
		sim_note(s, s->events[i].text, s->events[i].taken ? " (expected)" : "");
}

static void expect_event(struct sim *s, const struct words *w)
{
	for (size_t i = 0; i < s->event_count; i++) {
		if (s->events[i].taken || !begins_with(s->events[i].text, w))
			continue;
		s->events[i].taken = true;
		report(s, true, w);
		return;
	}
	report(s, false, w);
	tell_events(s);
}

static void expect_nothing(struct sim *s, const struct words *w)
{
	report(s, s->event_count == 0, w);
	tell_events(s);
	s->event_count = 0;
}

static void expect_facts(struct sim *s, const struct words *w, const struct facts *f, size_t from)
{
	bool ok = f->count > 0 && w->count > from;

	for (size_t i = from; i < w->count; i++) {
		size_t key = strcspn(w->word[i], "=") + 1;
		bool known = false;

		for (size_t j = 0; j < f->count; j++) {
			if (strncmp(f->text[j], w->word[i], key) != 0)
				continue;
			known = true;
			ok &= strcmp(f->text[j], w->word[i]) == 0;
		}
		if (f->count && !known) {
			sim_broken(s, "nobody knows '%s'", w->word[i]);
			return;
		}
	}
	report(s, ok, w);
	for (size_t j = 0; !ok && j < f->count; j++)
		sim_note(s, f->text[j], "");
}

static void expect_conn(struct sim *s, const struct words *w)
{
	struct client *who = sim_client(s, w, 1);
	struct conn *c = who ? conns_find_cookie(&s->conns, who->cookie) : NULL;
	struct facts f = { .count = 0 };

	if (!who)
		return;
	if (c) {
		add(&f, "activity=%s", activity_name(c->activity));
		add(&f, "stage=%s", stage_name(c->stage));
		add(&f, "evidence=%s", evidence_name(c->evidence));
		add(&f, "protocol=%s", c->protocol ? c->protocol->name : "none");
		add(&f, "uncertain=%s", c->uncertain ? "yes" : "no");
		add(&f, "adopted=%s", c->adopted ? "yes" : "no");
		add(&f, "encrypted=%s", c->tls || c->gss ? "yes" : "no");
		add(&f, "listed=%s", conn_is_listed(c) ? "yes" : "no");
		add(&f, "paused=%s", c->paused ? "yes" : "no");
		add(&f, "pid=%u", c->pid);
		add(&f, "holders=%u", c->holders);
		add(&f, "comm=%s", c->comm);
		add(&f, "user=%s", c->user);
		add(&f, "overtaken=%u", c->overtaken);
		add(&f, "database=%s", c->database);
	}
	expect_facts(s, w, &f, 2);
}

static void expect_pool(struct sim *s, const struct words *w)
{
	struct client *who = sim_client(s, w, 1);
	struct conn *c = who ? conns_find_cookie(&s->conns, who->cookie) : NULL;
	const struct pool *p = c ? levels_of(&s->levels, c) : NULL;
	struct facts f = { .count = 0 };

	if (!who)
		return;
	if (p) {
		add(&f, "open=%u", p->open);
		add(&f, "in_use=%u", p->in_use);
		add(&f, "idle=%u", p->idle);
		add(&f, "in_txn=%u", p->in_txn);
		add(&f, "unknown=%u", p->unknown);
		add(&f, "watermark=%u", p->watermark);
		add(&f, "gear=%u", p->gear);
	}
	expect_facts(s, w, &f, 2);
}

static void expect_gone(struct sim *s, const struct words *w)
{
	struct client *who = sim_client(s, w, 1);

	if (who)
		report(s, !conns_find_cookie(&s->conns, who->cookie), w);
}

static void expect_total(struct sim *s, const struct words *w)
{
	struct facts f = { .count = 0 };

	add(&f, "suspected=%lu", s->detect.suspected);
	add(&f, "confirmed=%lu", s->detect.confirmed);
	add(&f, "retracted=%lu", s->detect.retracted);
	add(&f, "mended=%lu", s->detect.mended);
	add(&f, "regretted=%lu", s->detect.regretted);
	add(&f, "pools=%u", s->levels.count);
	expect_facts(s, w, &f, 1);
}

void sim_expect(struct sim *s, const struct words *w)
{
	const char *what = w->count ? w->word[0] : "";

	if (strcmp(what, "nothing") == 0)
		expect_nothing(s, w);
	else if (strcmp(what, "conn") == 0)
		expect_conn(s, w);
	else if (strcmp(what, "pool") == 0)
		expect_pool(s, w);
	else if (strcmp(what, "gone") == 0)
		expect_gone(s, w);
	else if (strcmp(what, "total") == 0)
		expect_total(s, w);
	else
		expect_event(s, w);
}

void sim_settle(struct sim *s)
{
	for (size_t i = 0; i < s->event_count; i++) {
		const struct event *e = &s->events[i];

		if (e->loud && !e->taken)
			sim_tap(s, false, " before line %u unexpected: %s", s->line, e->text);
	}
	s->event_count = 0;
}
