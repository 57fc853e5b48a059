// SPDX-License-Identifier: GPL-2.0-or-later
/* What can happen in a story: each verb, and what the kernel side would show of it. */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/param.h"
#include "repair.h"
#include "sim.h"

#define TCP_ESTABLISHED 1
#define TCP_CLOSE_WAIT	8
#define A_LOAN_NS	(50 * NS_PER_MS)

int sim_init(struct sim *s, const char *file)
{
	*s = (struct sim){ .file = file };
	if (conns_init(&s->conns, SIM_SLOTS, "5175") < 0 ||
	    levels_init(&s->levels, SIM_SLOTS) < 0 || detect_init(&s->detect, SIM_SLOTS) < 0 ||
	    detect_conf_init(&s->detect_conf) < 0)
		return -1;
	policy_conf_init(&s->policy_conf);
	s->policy_conf.rules = s->rules;
	return 0;
}

void sim_done(struct sim *s)
{
	detect_conf_done(&s->detect_conf);
	detect_done(&s->detect);
	levels_done(&s->levels);
	conns_done(&s->conns);
}

const char *sim_option(const struct words *w, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < w->count; i++)
		if (strncmp(w->word[i], key, len) == 0 && w->word[i][len] == '=')
			return w->word[i] + len + 1;
	return NULL;
}

const char *sim_option_or(const struct words *w, const char *key, const char *otherwise)
{
	const char *value = sim_option(w, key);

	return value ? value : otherwise;
}

/* The latest connection of that name: a story may use one twice. */
struct client *sim_client(struct sim *s, const struct words *w, size_t at)
{
	for (size_t i = s->client_count; at < w->count && i-- > 0;)
		if (strcmp(s->clients[i].name, w->word[at]) == 0)
			return &s->clients[i];
	sim_broken(s, "no connection '%s'", at < w->count ? w->word[at] : "");
	return NULL;
}

static const char *name_of(struct sim *s, uint64_t cookie)
{
	for (size_t i = 0; i < s->client_count; i++)
		if (s->clients[i].cookie == cookie)
			return s->clients[i].name;
	return "?";
}

static void say(struct sim *s, bool loud, const char *what, const char *why, const char *who)
{
	struct event *e = &s->events[s->event_count];

	char text[sizeof(e->text)];

	(void)snprintf(text, sizeof(text), "%s %s %s", what, why, who);
	for (size_t i = 0; !loud && i < s->event_count; i++)
		if (strcmp(s->events[i].text, text) == 0)
			return;		/* the same verdict at every look of a watch */
	if (s->event_count == SIM_EVENTS)
		return;
	s->event_count++;
	*e = (struct event){ .loud = loud };
	memcpy(e->text, text, sizeof(text));
}

static struct slot *slot_of(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);

	if (c && !c->open) {
		sim_broken(s, "connection '%s' is over", c->name);
		return NULL;
	}
	return c ? &s->slots[c->slot] : NULL;
}

static void add_hold(struct sim *s, uint64_t cookie, uint32_t pid, const char *comm)
{
	struct hold *h = &s->holds[s->hold_count++ % SIM_HOLDS];

	*h = (struct hold){ .cookie = cookie, .pid = pid };
	(void)strncpy(h->comm, comm, sizeof(h->comm) - 1);
}

static uint32_t free_slot(struct sim *s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s->client_count; i++)
		if (s->clients[i].open && s->clients[i].slot == n) {
			n++;
			i = (size_t)-1;
		}
	return n;
}

static struct client *add_client(struct sim *s, const struct words *w)
{
	struct client *c = &s->clients[s->client_count];
	uint32_t n = free_slot(s), pid = 0;
	struct slot *slot = &s->slots[n];
	struct addr remote;

	if (w->count < 2 || s->client_count == SIM_CLIENTS || n == SIM_SLOTS) {
		sim_broken(s, "no name, or too many connections");
		return NULL;
	}
	(void)sscanf(sim_option_or(w, "pid", "4711"), "%u", &pid);
	if (addr_parse(sim_option_or(w, "remote", "10.0.0.2:5432"), &remote) < 0) {
		sim_broken(s, "no address: '%s'", sim_option(w, "remote"));
		return NULL;
	}
	s->client_count++;
	*c = (struct client){ .slot = n, .cookie = 0x100 + s->client_count, .open = true };
	(void)snprintf(c->name, sizeof(c->name), "%s", w->word[1]);
	*slot = (struct slot){
		.gen = slot->gen + 1,
		.cookie = c->cookie,
		.opened_ns = s->now_ns,
		.last_ns = s->now_ns,
		.tcp_state = TCP_ESTABLISHED,
		.tgid = pid,
		.tid = pid,
		.backend_pid = 0x9000 + (uint32_t)s->client_count,
		.start_ticks = pid,
		.rport = remote.port,
	};
	(void)sscanf(sim_option_or(w, "tid", ""), "%u", &slot->tid);
	memcpy(slot->raddr, remote.ip, sizeof(slot->raddr));
	(void)snprintf(slot->comm, sizeof(slot->comm), "%.15s",
		       sim_option_or(w, "comm", "billing"));
	add_hold(s, c->cookie, pid, slot->comm);
	return c;
}

/* The start-up packet as its own ring record, before anybody looks at the slot. */
static void send_startup(struct sim *s, const struct client *c, const struct words *w)
{
	struct rec_startup r = {
		.hdr = { REC_STARTUP, sizeof(r), c->slot, s->slots[c->slot].gen, 0, c->cookie,
			 s->now_ns },
	};
	const char *user = sim_option_or(w, "user", "app"), *database = sim_option(w, "database");
	char *pairs = (char *)r.bytes + 8;
	int len = snprintf(pairs, 200, "user%c%s", '\0', user) + 1;

	if (database)
		len += snprintf(pairs + len, 200, "database%c%s", '\0', database) + 1;
	r.copied = r.size = 8 + (uint32_t)len + 1;
	conns_apply_record(&s->conns, &r.hdr, sizeof(r));
}

static void do_open(struct sim *s, const struct words *w)
{
	struct client *c = add_client(s, w);
	struct slot *slot = c ? &s->slots[c->slot] : NULL;

	if (!c)
		return;
	slot->phase = PHASE_HELLO;
	if (strcmp(sim_option_or(w, "speaks", "postgresql"), "postgresql") != 0)
		return;
	slot->phase = PHASE_AUTH;
	slot->protocol = WIRE_POSTGRESQL;
	if (strcmp(sim_option_or(w, "startup", "seen"), "lost") != 0)
		send_startup(s, c, w);
}

static void do_adopt(struct sim *s, const struct words *w)
{
	struct client *c = add_client(s, w);
	struct slot *slot = c ? &s->slots[c->slot] : NULL;

	if (!c)
		return;
	slot->phase = PHASE_ADOPTED;
	slot->flags = SLOT_ADOPTED;
	slot->tgid = slot->start_ticks = 0;
	memset(slot->comm, 0, sizeof(slot->comm));
}

static void answer(struct sim *s, struct slot *slot, char status)
{
	if (status == 'I')
		slot->txn_ns = 0;
	else if (!slot->txn_ns)
		slot->txn_ns = s->now_ns;
	slot->status = (uint8_t)status;
	slot->pending = 0;
	slot->flags &= (uint8_t)~SLOT_BUSY;
	slot->last_ns = s->now_ns;
	slot->rx_bytes += 60;
	slot->answered = (uint32_t)slot->rx_bytes;
}

static void do_ready(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (slot && (w->count < 3 || !strchr("ITE", w->word[2][0])))
		sim_broken(s, "ready NAME I|T|E");
	if (!slot || s->broken)
		return;
	slot->phase = PHASE_READY;
	slot->protocol = WIRE_POSTGRESQL;
	slot->flags &= (uint8_t)~(SLOT_UNCOUNTED | SLOT_UNFRAMED);
	slot->queries++;
	answer(s, slot, w->word[2][0]);
}

/* Let in, and not asked anything yet. */
static void do_login(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->phase = PHASE_READY;
	slot->protocol = WIRE_POSTGRESQL;
	answer(s, slot, 'I');
}

static void do_busy(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->flags |= SLOT_BUSY;
	slot->pending = 1;
	slot->tx_bytes += 30;
	slot->last_ns = s->now_ns;
}

static void do_lose(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	if (w->count > 2 && strcmp(w->word[2], "framing") == 0)
		slot->flags |= SLOT_UNFRAMED;
	else if (w->count > 2 && strcmp(w->word[2], "counting") == 0)
		slot->flags |= SLOT_UNCOUNTED;
	else
		sim_broken(s, "lose NAME framing|counting");
}

static void do_encrypt(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->phase = PHASE_BLIND;
	slot->flags |= w->count > 2 && strcmp(w->word[2], "gss") == 0 ? SLOT_GSS : SLOT_TLS;
	slot->last_ns = s->now_ns;
}

static uint32_t pid_of(struct sim *s, const struct words *w)
{
	uint32_t pid = 0;

	if (sscanf(sim_option_or(w, "pid", ""), "%u", &pid) != 1)
		sim_broken(s, "pid=N is missing");
	return pid;
}

static void do_hold(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);
	uint32_t pid = pid_of(s, w);

	if (c && pid)
		add_hold(s, c->cookie, pid, sim_option_or(w, "comm", "worker"));
}

static void do_release(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);
	uint32_t pid = pid_of(s, w);

	for (size_t i = 0; c && i < s->hold_count; i++)
		if (s->holds[i].cookie == c->cookie && s->holds[i].pid == pid)
			s->holds[i].cookie = 0;
}

static void do_freeze(struct sim *s, const struct words *w)
{
	if (s->frozen_count < SIM_HOLDS)
		s->frozen[s->frozen_count++] = pid_of(s, w);
}

static void do_thaw(struct sim *s, const struct words *w)
{
	uint32_t pid = pid_of(s, w);

	for (size_t i = 0; i < s->frozen_count; i++)
		if (s->frozen[i] == pid)
			s->frozen[i] = 0;
}

static void do_stop(struct sim *s, const struct words *w)
{
	(void)w;
	s->stopped = true;
}

static void do_resume(struct sim *s, const struct words *w)
{
	(void)w;
	s->stopped = false;
}

/* The server closes, the client has not noticed. */
static void do_cut(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->tcp_state = TCP_CLOSE_WAIT;
	slot->last_ns = s->now_ns;
	slot->rx_bytes++;
}

/* Something is said that answers nothing: a notification, a notice. */
static void do_notify(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->rx_bytes += 40;
	slot->last_ns = s->now_ns;
}

static uint32_t number(const struct words *w, const char *key)
{
	uint32_t n = 0;

	(void)sscanf(sim_option_or(w, key, "0"), "%u", &n);
	return n;
}

static void do_turns(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);

	if (c && w->count > 2)
		(void)sscanf(w->word[2], "%u", &c->turns);
	else
		sim_broken(s, "turns NAME N");
}

/* From now on this lies in its queues. */
static void do_queues(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);

	if (!c)
		return;
	c->queues = (struct queues){
		.unread = number(w, "unread"),
		.unacked = number(w, "unacked"),
		.room = number(w, "room"),
		.retransmits = number(w, "retransmits"),
		.error = number(w, "error"),
		.held = number(w, "held"),
	};
}

/* Over without a word: the slot is used again before anybody looks. */
static void do_vanish(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);

	if (!c)
		return;
	c->open = false;
	for (size_t i = 0; i < s->hold_count; i++)
		if (s->holds[i].cookie == c->cookie)
			s->holds[i].cookie = 0;
}

static void do_close(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct rec_closed r = { .hdr = { .type = REC_CLOSED, .len = sizeof(r) } };

	if (!slot)
		return;
	r.hdr.slot = (uint32_t)(slot - s->slots);
	r.hdr.gen = slot->gen;
	r.hdr.cookie = slot->cookie;
	slot->phase = PHASE_FREE;
	conns_apply_record(&s->conns, &r.hdr, sizeof(r));
	do_vanish(s, w);
}

/* What its own pool says of a connection: lent, or lying in it. */
static void do_lend(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	bool lent = w->count > 2 && strcmp(w->word[2], "lent") == 0;

	if (slot && w->count > 2 && conns_find_cookie(&s->conns, slot->cookie))
		conns_apply_lending(&s->conns, slot->cookie, lent ? LENDING_LENT : LENDING_FREE,
				    s->now_ns, s->now_ns);
	else if (slot)
		sim_broken(s, "lend NAME lent|free, of a connection that was seen");
}

/*
 * A thread of the application's borrows it from HikariCP's first pool (or pool=N), pings it,
 * asks two things, and has its answers.
 */
static void do_use(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	uint32_t thread = 0;
	struct conn *c;

	if (slot && (w->count < 3 || sscanf(w->word[2], "%u", &thread) != 1))
		sim_broken(s, "use NAME THREAD");
	if (!slot || s->broken)
		return;
	slot->phase = PHASE_READY;
	slot->queries += 3;
	answer(s, slot, 'I');
	c = conns_apply_slot(&s->conns, (uint32_t)(slot - s->slots), slot);
	c->bag = sim_option(w, "pool") ? number(w, "pool") : 1;
	conn_apply_sender(c, thread, thread, c->borrower == thread ? c->borrowed_ns : s->now_ns - A_LOAN_NS);
}

/* A request of which only a part is sent. */
static void do_half(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	do_busy(s, w);
	if (slot)
		slot->tx_msg = slot->tx_next + 100;
}

/* The answer begins: here, the server's word that COPY may go on. */
static void do_hear(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);

	if (!slot)
		return;
	slot->rx_bytes += 10;
	slot->last_ns = s->now_ns;
}

static void do_cancel(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct rec_cancel r = { .hdr = { .type = REC_CANCEL, .len = sizeof(r) } };

	if (!slot)
		return;
	r.hdr.ts_ns = s->now_ns;
	r.backend_pid = slot->backend_pid;
	r.tgid = slot->tgid;
	r.rport = slot->rport;
	memcpy(r.raddr, slot->raddr, sizeof(r.raddr));
	conns_apply_record(&s->conns, &r.hdr, sizeof(r));
}

static void do_listen(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct rec_hdr r = { .type = REC_LISTEN, .len = sizeof(r) };

	if (!slot)
		return;
	r.slot = (uint32_t)(slot - s->slots);
	r.gen = slot->gen;
	r.cookie = slot->cookie;
	(void)conns_apply_slot(&s->conns, r.slot, slot);
	conns_apply_record(&s->conns, &r, sizeof(r));
}

/* Its owner could not run for so long, from now on. */
static void do_paused(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct conn *c = slot ? conns_find_cookie(&s->conns, slot->cookie) : NULL;
	uint64_t ns = 0;

	if (c && w->count > 2 && param_duration(w->word[2], &ns) == 0)
		c->paused_ns += ns;
	else if (slot)
		sim_broken(s, "paused NAME DURATION, of a connection that was seen");
}

/* A pool goes by the name of its process. */
static const char *subject_of(struct sim *s, const struct finding *f)
{
	return finding_is_of_pool(f) ? f->conn.comm : name_of(s, f->conn.cookie);
}

static void changed(const struct finding *f, void *arg)
{
	say(arg, true, finding_state_name(f->state), f->detector->name, subject_of(arg, f));
}

/* Our own defuse worked: the server said E, and that ends the finding. */
static void do_defused(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct conn *c = slot ? conns_find_cookie(&s->conns, slot->cookie) : NULL;
	struct finding *f = c ? detect_find(&s->detect, c->id) : NULL;

	if (slot && !f)
		sim_broken(s, "there is no finding to mend");
	if (!f)
		return;
	answer(s, slot, 'E');
	c = conns_apply_slot(&s->conns, c->slot, slot);
	c->defused_rx_bytes = c->rx_bytes;
	detect_mend(&s->detect, f, s->now_ns, changed, s);
}

static void do_deny(struct sim *s, const struct words *w)
{
	struct client *c = sim_client(s, w, 1);

	if (c)
		c->denied = true;
}

static bool is_frozen(const struct sim *s, uint32_t pid)
{
	for (size_t i = 0; i < s->frozen_count; i++)
		if (s->frozen[i] == pid)
			return true;
	return false;
}

/* What pauses.c would see at this look, and saw at the last. */
static void apply_pauses(struct sim *s)
{
	conns_for_each(&s->conns, c) {
		bool frozen = is_frozen(s, c->pid);

		if (frozen || c->paused)
			conn_apply_pause(c, s->ticked_ns, frozen, s->now_ns);
	}
	s->ticked_ns = s->now_ns;
}

/* Pools that were asked once are asked at each look, and say the same. */
static void read_pools_again(struct sim *s)
{
	conns_for_each(&s->conns, c)
		if (c->lending != LENDING_UNKNOWN)
			conns_apply_lending(&s->conns, c->cookie, c->lending, s->now_ns, s->now_ns);
}

static struct circumstances circumstances(struct sim *s, const struct conn *c)
{
	struct circumstances w = {
		.stopped = s->stopped,
		.process_runs = !is_frozen(s, c->pid),
		.exe = "",
		.cgroup = "",
		.pool = levels_of(&s->levels, c),
	};

	return w;
}

static void do_order(struct sim *s, const struct words *w)
{
	struct slot *slot = slot_of(s, w);
	struct conn *c = slot ? conns_find_cookie(&s->conns, slot->cookie) : NULL;
	struct circumstances around;
	struct verdict v;

	if (!c || w->count < 3) {
		sim_broken(s, "order NAME ACTION, of a connection that was seen");
		return;
	}
	around = circumstances(s, c);
	v = policy_order(&s->policy_conf, c, &around, action_face_find(w->word[2]));
	say(s, v.kind == VERDICT_ACT, v.kind == VERDICT_ACT ? "order act" : "order refuse",
	    v.kind == VERDICT_ACT ? v.action : reason_word(v.reason), name_of(s, c->cookie));
}

static void decide(struct sim *s, struct finding *f)
{
	struct circumstances around = circumstances(s, &f->conn);
	struct verdict v = policy_decide(&s->policy, &s->policy_conf, f, &around, action_face_find,
					 s->now_ns);
	char what[32];

	(void)snprintf(what, sizeof(what), "verdict %s", verdict_name(v.kind));
	say(s, v.kind == VERDICT_ACT, what,
	    v.kind == VERDICT_ACT ? v.action : reason_word(v.reason), subject_of(s, f));
	if (v.kind == VERDICT_ACT)
		policy_acted(&s->policy, f, &v, s->now_ns);
}

static void count_holders(struct sim *s)
{
	conns_holders_begin(&s->conns);
	for (size_t i = 0; i < s->hold_count; i++) {
		const struct hold *from = &s->holds[i];
		struct holder h = {
			.cookie = from->cookie,
			.tgid = from->pid,
			.fd = 5,
			.start_ticks = from->pid,
			.uid = 1000,
		};

		memcpy(h.comm, from->comm, sizeof(h.comm));
		if (from->cookie)
			conns_apply_holder(&s->conns, &h);
	}
	conns_holders_end(&s->conns);
}

static void walk_queues(struct sim *s)
{
	conns_queues_begin(&s->conns, s->now_ns);
	for (size_t i = 0; i < s->client_count; i++) {
		const struct client *c = &s->clients[i];
		struct queues q = c->queues;

		q.slot = c->slot;
		q.cookie = c->cookie;
		q.gen = s->slots[c->slot].gen;
		if (c->open && (q.unread || q.unacked))
			conns_apply_queues(&s->conns, &q, s->now_ns);
	}
	conns_queues_end(&s->conns);
}

static void count_turns(struct sim *s)
{
	for (size_t i = 0; i < s->client_count; i++) {
		struct conn *c = conns_find_cookie(&s->conns, s->clients[i].cookie);

		if (c)
			conn_apply_turns(c, s->clients[i].turns, s->now_ns);
	}
}

/* The second source agrees, unless the story has it otherwise. */
static void check_findings(struct sim *s)
{
	findings_for_each(&s->detect, f) {
		for (size_t i = 0; i < s->client_count; i++)
			if (s->clients[i].cookie == f->conn.cookie)
				f->denied = s->clients[i].denied;
		f->checked = true;
	}
}

static void do_tick(struct sim *s, const struct words *w)
{
	(void)w;
	for (uint32_t i = 0; i < SIM_SLOTS; i++)
		(void)conns_apply_slot(&s->conns, i, &s->slots[i]);
	walk_queues(s);
	if (!s->uncounted)
		count_holders(s);
	count_turns(s);
	conns_guess_protocols(&s->conns);
	read_pools_again(s);
	apply_pauses(s);
	conns_judge_stages(&s->conns, s->now_ns);
	levels_update(&s->levels, &s->conns, s->now_ns);
	detect_run(&s->detect, &s->detect_conf, &s->conns, &s->levels, s->now_ns, changed, s);
	findings_for_each(&s->detect, f)
		decide(s, f);
	check_findings(s);
}

/* Looks every second for a while. */
static void do_watch(struct sim *s, const struct words *w)
{
	uint64_t ns = 0, end_ns;

	if (w->count < 2 || param_duration(w->word[1], &ns) < 0) {
		sim_broken(s, "watch DURATION");
		return;
	}
	for (end_ns = s->now_ns + ns; s->now_ns < end_ns; s->now_ns += NS_PER_S)
		do_tick(s, w);
	do_tick(s, w);
}

bool sim_happen(struct sim *s, const struct words *w)
{
	static const struct {
		const char *verb;
		void (*fn)(struct sim *s, const struct words *w);
	} verbs[] = {
		{ "open", do_open },	   { "adopt", do_adopt },     { "ready", do_ready },
		{ "busy", do_busy },	   { "lose", do_lose },	      { "encrypt", do_encrypt },
		{ "hold", do_hold },	   { "release", do_release }, { "freeze", do_freeze },
		{ "thaw", do_thaw },	   { "stop", do_stop },	      { "resume", do_resume },
		{ "cut", do_cut },	   { "close", do_close },     { "vanish", do_vanish },
		{ "defused", do_defused }, { "deny", do_deny },	      { "order", do_order },
		{ "notify", do_notify },   { "queues", do_queues },   { "turns", do_turns },
		{ "login", do_login },	   { "lend", do_lend },	      { "watch", do_watch },
		{ "listen", do_listen },
		{ "use", do_use },
		{ "half", do_half },	   { "hear", do_hear },	      { "cancel", do_cancel },
		{ "paused", do_paused },   { "tick", do_tick },
	};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(w->word[0], verbs[i].verb) != 0)
			continue;
		sim_settle(s);
		verbs[i].fn(s, w);
		return true;
	}
	return false;
}
