// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "judge.h"
#include "look.h"
#include "named.h"

#define KINDS	       32
#define LEAKS	       65536
#define SHOWN	       20 /* of failures of each sort; more are only counted */
#define TCP_CLOSE_WAIT 8

/* What came of the leaks of one kind. */
struct tally {
	const char *kind;
	unsigned leaks, confirmed, missed, hidden, over;
	unsigned false_ones, also, faults, regrets, suspected;
	uint64_t slowest_ns; /* of those confirmed */
};

static struct tally scores[KINDS];
static struct leak leaks[LEAKS];
static size_t leak_count;
static struct detect_conf *settings;
static uint64_t seed;
static bool tells;
static const char *judged = "all";
static unsigned repairs, false_repairs;
static bool blind; /* what pools do is not seen */

void judge_begin(uint64_t with_seed, bool with_words, struct detect_conf *conf)
{
	seed = with_seed;
	tells = with_words;
	settings = conf;
}

void judge_only(const char *kinds)
{
	judged = kinds;
}

bool judge_knows(const char *kind)
{
	const struct detector_setting *s = detect_conf_find(settings, kind);

	return s && s->base.enabled;
}

static struct tally *score_of(const char *kind)
{
	size_t i = 0;

	while (i < KINDS - 1 && scores[i].kind && strcmp(scores[i].kind, kind) != 0)
		i++;
	scores[i].kind = kind;
	return &scores[i];
}

/* "# 12d 03:04:05.678 ..." */
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	uint64_t s = (sim_now_ns - SIM_BEGIN_NS) / NS_PER_S, ms = sim_now_ns / NS_PER_MS % 1000;
	va_list args;

	printf("# %llud %02u:%02u:%02u.%03u ", (unsigned long long)(s / 86400),
	       (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
	       (unsigned)ms);
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	(void)putchar('\n');
}

/* ---- leaks */

static uint64_t deadline_ns(const struct leak *l)
{
	uint64_t frozen_ns = l->pool->process->frozen_sum_ns - l->frozen_sum_ns;

	if (l->pool->process->frozen_ns)
		frozen_ns += elapsed_ns(l->pool->process->frozen_ns, sim_now_ns);
	return l->began_ns + 2 * l->grace_ns + frozen_ns;
}

static void on_deadline(void *who, uint64_t tag)
{
	struct leak *l = who;
	struct tally *score = score_of(l->kind);

	(void)tag;
	if (l->over || l->confirmed)
		return;
	if (sim_now_ns < deadline_ns(l)) {
		happen_at(deadline_ns(l), on_deadline, l, 0);
		return;
	}
	if (l->hidden) {
		score->hidden++;
		return;
	}
	if (score->missed++ < SHOWN)
		say("MISSED %s on c%llx of %s %u, since %.1f s", l->kind,
		    (unsigned long long)l->cookie, l->pool->comm, l->pool->process->pid,
		    ns_to_s(elapsed_ns(l->began_ns, sim_now_ns)));
}

static struct leak *add(const char *kind, struct client_pool *p)
{
	struct leak *l = &leaks[leak_count < LEAKS - 1 ? leak_count++ : leak_count];

	*l = (struct leak){
		.kind = kind,
		.pid = p->process->pid,
		.pool = p,
		.grace_ns = detect_conf_find(settings, kind)->base.grace_ns,
	};
	score_of(kind)->leaks++;
	return l;
}

/* As often as the daemon itself looks, when it has to be found. */
static void watch(struct leak *l)
{
	uint64_t grace_ns = l->grace_ns;

	l->began_ns = sim_now_ns;
	l->frozen_sum_ns = l->pool->process->frozen_sum_ns;
	look_closely(sim_now_ns + grace_ns - NS_PER_S, sim_now_ns + grace_ns + 2 * NS_PER_S);
	look_closely(sim_now_ns + grace_ns * 3 / 2, sim_now_ns + grace_ns * 3 / 2 + NS_PER_S);
	look_closely(deadline_ns(l) - 2 * NS_PER_S, deadline_ns(l));
	happen_at(deadline_ns(l), on_deadline, l, 0);
}

void judge_leak(const char *kind, struct client_pool *p, struct link *link)
{
	struct leak *l = add(kind, p);

	l->cookie = link->sock->slot.cookie;
	link->leak = l;
	if (tells)
		say("leak %s on c%llx of %s %u", kind, (unsigned long long)l->cookie, p->comm,
		    p->process->pid);
	watch(l);
}

/* A pattern shows by many things that happen; each look counts. */
static void on_watch(void *who, uint64_t minutes)
{
	struct leak *l = who;

	if (l->over || l->confirmed || !minutes)
		return;
	look_closely(sim_now_ns, sim_now_ns + MINUTE);
	happen_at(sim_now_ns + MINUTE, on_watch, l, minutes - 1);
}

void judge_pool_leak(const char *kind, struct client_pool *p)
{
	p->leak = add(kind, p);
	p->leak->hidden = blind;
	if (tells)
		say("leak %s begins on %s %u", kind, p->comm, p->process->pid);
	on_watch(p->leak, 15);
}

void judge_evident(struct leak *l)
{
	if (l->began_ns || l->confirmed)
		return;
	if (tells)
		say("leak %s of %s %u shows", l->kind, l->pool->comm, l->pool->process->pid);
	watch(l);
}

void judge_over(struct leak *l)
{
	if (!l->over && !l->confirmed)
		score_of(l->kind)->over++;
	l->over = true;
}

void judge_lost_sight(void)
{
	for (size_t i = 0; i < leak_count; i++)
		leaks[i].hidden |= !leaks[i].over;
}

void judge_overcame(struct endpoint *e, uint64_t until_ns)
{
	e->overcome_ns = until_ns;
	for (size_t i = 0; i < leak_count; i++)
		leaks[i].hidden |= !leaks[i].over && leaks[i].pool->endpoint == e &&
				   strcmp(leaks[i].kind, "half-dead") == 0;
}

void judge_is_blind(bool now)
{
	blind = now;
	for (size_t i = 0; i < leak_count; i++)
		leaks[i].hidden |= !leaks[i].over && !leaks[i].cookie;
}

/* ---- findings */

/* Of several that look like one from outside, the one that leaks. */
static struct client_pool *pool_of(const struct finding *f)
{
	struct client_pool *found = NULL;

	for (size_t i = 0; i < pools_count(); i++) {
		struct client_pool *p = pools_get(i);

		if (p->runs && p->process->pid == f->conn.pid && (!found || p->leak) &&
		    addr_equal(&p->endpoint->addr, &f->conn.remote))
			found = p;
	}
	return found;
}

static void note_confirmed(struct leak *l, struct tally *score)
{
	uint64_t took_ns = l->began_ns ? elapsed_ns(l->began_ns, sim_now_ns) : 0;

	if (!l->confirmed && (!l->began_ns || sim_now_ns <= deadline_ns(l))) {
		score->confirmed++;
		score->slowest_ns = took_ns > score->slowest_ns ? took_ns : score->slowest_ns;
	}
	l->confirmed = true;
}

/* What a fault did to it is no leak, and yet as the finding says. */
static bool is_so(const char *kind, const struct sock *s)
{
	if (strcmp(kind, "close-wait") == 0)
		return s && s->tcp_state == TCP_CLOSE_WAIT;
	if (strcmp(kind, "half-dead") == 0)
		return s && (s->retransmits || s->unacked);
	return false;
}

/* What the model knows of a connection. */
static void tell_truth(const struct link *l)
{
	static const char *const states[] = { "none", "dialling", "free", "lent", "leaked" };
	const struct client_pool *p = l->pool;

	say("  in truth: %s, opened %.1f s ago, asks every %.1f s for %.1f s since %.1f s; %u open, "
	    "%u free%s%s%s",
	    states[l->state], ns_to_s(elapsed_ns(l->opened_ns, sim_now_ns)),
	    ns_to_s(l->job.rhythm.period_ns), ns_to_s(l->job.rhythm.busy_ns),
	    ns_to_s(elapsed_ns(l->began_ns, sim_now_ns)), p->open, p->idle_count,
	    p->process->frozen_ns ? ", frozen" : "", p->endpoint->cut_ns ? ", cut off" : "",
	    l->dead ? ", dead" : "");
}

/* Whether a pool leaked that is no more: it may be told for a while after its end. */
static bool has_leaked(uint32_t pid)
{
	for (size_t i = 0; i < leak_count; i++)
		if (leaks[i].pid == pid && !leaks[i].cookie)
			return true;
	return false;
}

static void judge_confirmed(const struct finding *f)
{
	struct tally *score = score_of(f->detector->name);
	struct sock *s = f->conn.cookie ? kernel_find(f->conn.cookie) : NULL;
	struct client_pool *p = s && s->link ? s->link->pool : pool_of(f);
	struct leak *l = s && s->link ? s->link->leak : p ? p->leak : NULL;

	if (l && strcmp(l->kind, f->detector->name) == 0) {
		note_confirmed(l, score);
	} else if (l || (!s && p && p->leak) || (!p && has_leaked(f->conn.pid))) {
		score->also++;
	} else if (is_so(f->detector->name, s)) {
		score->faults++;
	} else if (score->false_ones++ < SHOWN) {
		say("FALSE %s on c%llx of %s %u (%s): %s", f->detector->name,
		    (unsigned long long)f->conn.cookie, f->conn.comm, f->conn.pid,
		    activity_name(f->conn.activity), f->symptom.why);
		if (s && s->link)
			tell_truth(s->link);
	}
}

void judge_finding(const struct finding *f)
{
	struct tally *score = score_of(f->detector->name);

	score->suspected += f->state == FINDING_SUSPECT;
	score->regrets += f->state == FINDING_RETRACTED && f->confirmed_ns;
	if (tells)
		say("%s %s %s on c%llx of %s %u: %s", finding_state_name(f->state),
		    f->detector->name, f->id, (unsigned long long)f->conn.cookie, f->conn.comm,
		    f->conn.pid, f->symptom.why);
	if (f->state == FINDING_CONFIRMED)
		judge_confirmed(f);
}

int judge_intent(const struct repair *r)
{
	struct sock *s = kernel_find(r->finding.conn.cookie);

	repairs++;
	if (tells)
		say("%s on c%llx", r->verdict.action, (unsigned long long)r->finding.conn.cookie);
	if ((s && s->link && s->link->leak) || is_so(r->finding.detector->name, s) ||
	    !is_named(r->finding.detector->name, judged))
		return 0;
	if (false_repairs++ < SHOWN)
		say("FALSE repair: %s on c%llx of %s %u", r->verdict.action,
		    (unsigned long long)r->finding.conn.cookie, r->finding.conn.comm,
		    r->finding.conn.pid);
	return 0;
}

/* ---- the end */

static bool promise(bool kept, const char *what, unsigned n)
{
	printf("%sok - seed %llu: %s (%u)\n", kept ? "" : "not ", (unsigned long long)seed, what,
	       n);
	return kept;
}

static void print_score(const struct tally *s)
{
	printf("# %-12s leaks %u: confirmed %u (slowest %.1f s), missed %u, ended before %u, hidden %u; "
	       "false %u, also %u, by faults %u, suspected %u, retracted %u\n",
	       s->kind, s->leaks, s->confirmed, ns_to_s(s->slowest_ns), s->missed, s->over,
	       s->hidden, s->false_ones, s->also, s->faults, s->suspected, s->regrets);
}

bool judge_end(void)
{
	unsigned missed = 0, false_ones = 0, confirmed = 0;

	for (size_t i = 0; i < KINDS && scores[i].kind; i++) {
		print_score(&scores[i]);
		if (!is_named(scores[i].kind, judged))
			continue;
		missed += scores[i].missed;
		false_ones += scores[i].false_ones;
		confirmed += scores[i].confirmed;
	}
	(void)promise(!false_ones, "no false finding confirmed", false_ones);
	(void)promise(!missed, "no leak missed", confirmed);
	(void)promise(!false_repairs, "no repair of what does not leak", repairs);
	return !missed && !false_ones && !false_repairs;
}
