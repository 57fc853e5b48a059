// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What bpf/ would write of each socket.  As there: a slot is taken at SYN_SENT and
 * given back at CLOSE, used ones first, and each use of it has a generation of its
 * own; a record is made when a name is said and when a connection ends; what is
 * adopted is unknown until a request was followed to the end of its answer.
 */
#include <stdio.h>
#include <string.h>

#include "edge.h"
#include "kernel.h"

#define PROCESSES	4096
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TICK_NS		(10 * NS_PER_MS) /* of start_ticks */

static struct sock socks[KERNEL_SOCKS];
static uint32_t free_slots[KERNEL_SOCKS], free_count, high, open_count;
static uint64_t last_cookie = 0x1000;
static struct process processes[PROCESSES];
static uint32_t last_process;
static double records_lost;

struct sock *kernel_sock(uint32_t index)
{
	return &socks[index];
}

uint32_t kernel_high(void)
{
	return high;
}

uint32_t kernel_open_socks(void)
{
	return open_count;
}

struct sock *kernel_find(uint64_t cookie)
{
	socks_for_each(s) if (s->slot.cookie == cookie) return s;
	return NULL;
}

/* ---- processes */

struct process *kernel_process(uint32_t pid)
{
	struct process *p = &processes[pid % PROCESSES];

	return p->runs && p->pid == pid ? p : NULL;
}

struct process *kernel_spawn(const char *comm)
{
	struct process *p;

	do
		p = &processes[++last_process % PROCESSES];
	while (p->runs);
	*p = (struct process){
		.pid = last_process,
		.start_ticks = (uint32_t)(sim_now_ns / TICK_NS),
		.runs = true,
	};
	(void)snprintf(p->comm, sizeof(p->comm), "%.15s", comm);
	return p;
}

void kernel_exit(struct process *p)
{
	p->runs = false;
}

void kernel_freeze(struct process *p, uint64_t until_ns)
{
	p->frozen_ns = sim_now_ns;
	p->thaw_ns = until_ns;
	p->by_cgroup = chance(0.5);
}

/* ---- records */

void kernel_lose_records(double share)
{
	records_lost = share;
}

static struct rec_hdr header(const struct sock *s, enum rec_type type, size_t len)
{
	return (struct rec_hdr){
		.type = (uint16_t)type,
		.len = (uint16_t)len,
		.slot = (uint32_t)(s - socks),
		.gen = s->slot.gen,
		.cookie = s->slot.cookie,
		.ts_ns = sim_now_ns,
	};
}

/* False when it is lost. */
static bool submit(const struct sock *s, const struct rec_hdr *rec)
{
	if (s->slot.phase == PHASE_FREE || (records_lost > 0 && chance(records_lost)))
		return false;
	return edge_submit(rec);
}

static void say_names(struct sock *s, const struct words *w)
{
	struct rec_startup r = { .hdr = header(s, REC_STARTUP, sizeof(r)) };
	char *out = (char *)r.bytes;
	size_t size = sizeof(r.bytes);
	int len = s->endpoint->wire == WIRE_MYSQL
			  ? snprintf(out + 4, size - 4, "%s%c%s", w->user, 0, w->database) + 1 + 4
			  : snprintf(out + 8, size - 8, "user%c%s%cdatabase%c%s%c", 0, w->user, 0,
				     0, w->database, 0) +
				    1 + 8;

	r.size = r.copied = (uint32_t)len;
	s->named = submit(s, &r.hdr);
}

bool kernel_cancel(const struct sock *s)
{
	struct rec_cancel r = {
		.hdr = header(s, REC_CANCEL, sizeof(r)),
		.backend_pid = s->slot.backend_pid,
		.tgid = s->owner->pid,
		.rport = s->slot.rport,
	};

	memcpy(r.raddr, s->slot.raddr, sizeof(r.raddr));
	return s->slot.backend_pid && submit(s, &r.hdr);
}

/* ---- the life of a connection */

static void clear_slot(struct slot *s)
{
	uint32_t gen = s->gen;

	*s = (struct slot){ .gen = gen + 1 };
}

static void fill_addresses(struct sock *s)
{
	uint32_t index = (uint32_t)(s - socks);

	memcpy(s->slot.raddr, s->endpoint->addr.ip, sizeof(s->slot.raddr));
	s->slot.rport = s->endpoint->addr.port;
	s->slot.laddr[10] = s->slot.laddr[11] = 0xff;
	s->slot.laddr[12] = 10;
	s->slot.laddr[15] = 1;
	s->slot.lport = (uint16_t)(20000 + index);
	s->slot.netns = 4026531840U;
	s->slot.uid = 1000;
}

struct sock *kernel_connect(struct process *p, uint32_t tid, struct endpoint *to, struct link *link)
{
	uint32_t index = free_count ? free_slots[--free_count] : high;
	struct sock *s = &socks[index];
	struct slot keep = s->slot;

	if (index == KERNEL_SOCKS)
		return NULL;
	high += index == high;
	*s = (struct sock){
		.slot = keep,
		.open = true,
		.written = true,
		.tcp_state = TCP_SYN_SENT,
		.owner = p,
		.endpoint = to,
		.link = link,
	};
	clear_slot(&s->slot);
	fill_addresses(s);
	s->slot.phase = PHASE_OPENING;
	s->slot.tcp_state = TCP_SYN_SENT;
	s->slot.opened_ns = s->slot.last_ns = sim_now_ns;
	s->slot.cookie = ++last_cookie;
	s->slot.tgid = p->pid;
	s->slot.tid = tid;
	s->slot.start_ticks = p->start_ticks;
	memcpy(s->slot.comm, p->comm, sizeof(s->slot.comm));
	open_count++;
	return s;
}

/* False where nobody looks: it was on its way when the observer began. */
static bool write_slot(struct sock *s)
{
	s->written = true;
	return s->slot.phase != PHASE_FREE;
}

void kernel_greet(struct sock *s, const struct words *w)
{
	s->tcp_state = TCP_ESTABLISHED;
	s->tls = w->tls;
	if (!write_slot(s))
		return;
	s->slot.tcp_state = TCP_ESTABLISHED;
	s->slot.last_ns = sim_now_ns;
	s->slot.protocol = s->endpoint->wire;
	s->slot.phase = w->tls ? PHASE_NEGOTIATE : PHASE_AUTH;
	s->slot.flags = w->tls ? SLOT_TLS : 0;
	if (!w->tls)
		say_names(s, w);
}

void kernel_let_in(struct sock *s, const struct words *w)
{
	if (!write_slot(s) || s->slot.phase == PHASE_ADOPTED)
		return;
	s->slot.phase = w->tls ? PHASE_BLIND : PHASE_READY;
	s->slot.status = w->tls ? 0 : 'I';
	s->slot.backend_pid = w->tls ? 0 : (uint32_t)(s->slot.cookie & 0xffffff);
	s->slot.last_ns = sim_now_ns;
	kernel_count(s, 1 + w->setup, 80, 300);
	s->slot.queries = w->tls ? 0 : w->setup;
}

void kernel_queues(const struct sock *s, struct queues *ret)
{
	*ret = (struct queues){
		.cookie = s->slot.cookie,
		.slot = (uint32_t)(s - socks),
		.gen = s->slot.gen,
		.unread = s->unread,
		.unacked = s->unacked,
		.room = s->full ? 0 : 65536,
		.retransmits =
			s->cut_ns ? network_retransmits(sim_now_ns - s->cut_ns) : s->retransmits,
	};
}

void kernel_fin(struct sock *s)
{
	s->tcp_state = TCP_CLOSE_WAIT;
	if (!write_slot(s))
		return;
	s->slot.tcp_state = TCP_CLOSE_WAIT;
	s->slot.rx_bytes++; /* its FIN takes a number */
	s->slot.last_ns = sim_now_ns;
}

void kernel_close(struct sock *s, bool by_server)
{
	struct rec_closed r = {
		.hdr = header(s, REC_CLOSED, sizeof(r)),
		.queries = s->slot.queries,
		.phase = s->slot.phase,
		.by_server = by_server,
	};

	(void)submit(s, &r.hdr);
	if (s->also)
		kernel_exit(s->also);
	s->slot.phase = PHASE_FREE;
	s->written = true;
	s->open = false;
	s->link = NULL;
	s->tcp_state = TCP_CLOSE;
	free_slots[free_count++] = (uint32_t)(s - socks);
	open_count--;
}

/* ---- what is said on it */

void kernel_count(struct sock *s, uint64_t n, uint32_t asked_bytes, uint32_t answer_bytes)
{
	uint32_t rtt_us = network_rtt_us(s->endpoint);
	uint64_t spread = s->endpoint->jitter_us;

	if (!n || !write_slot(s))
		return;
	s->slot.tx_bytes += n * asked_bytes;
	s->slot.rx_bytes += n * answer_bytes;
	s->slot.queries += s->slot.phase == PHASE_READY ? (uint32_t)n : 0;
	s->slot.rtt_us = rtt_us;
	s->slot.mdev_us = (uint32_t)spread;
	s->slot.rtt_n += (uint32_t)n;
	s->slot.rtt_sum_us += n * rtt_us;
	s->slot.rtt_sq_us2 += n * ((uint64_t)rtt_us * rtt_us + spread * spread / 3);
}

static void touch(struct sock *s, uint64_t last_ns)
{
	s->unacked = s->retransmits = 0;
	if (last_ns > s->slot.last_ns)
		s->slot.last_ns = last_ns;
}

void kernel_busy(struct sock *s, uint64_t since_ns)
{
	if (!write_slot(s))
		return;
	touch(s, since_ns);
	if (s->slot.phase != PHASE_READY || s->slot.flags & SLOT_BUSY)
		return;
	s->slot.tx_bytes += 60;
	s->slot.flags |= SLOT_BUSY;
	s->slot.pending = 1;
}

void kernel_half_ask(struct sock *s)
{
	kernel_busy(s, sim_now_ns);
	s->slot.tx_msg = s->slot.tx_next + 1000;
}

/* The thread is found again by a request that was seen, and its whole answer. */
static void find_thread(struct sock *s, uint64_t asked_ns)
{
	if (!s->lost_ns || asked_ns <= s->lost_ns || s->tls)
		return;
	s->lost_ns = 0;
	s->slot.phase = PHASE_READY;
	s->slot.protocol = s->endpoint->wire;
	s->slot.flags &= SLOT_ADOPTED;
}

void kernel_rest(struct sock *s, char status, uint64_t asked_ns, uint64_t since_ns, uint64_t txn_ns)
{
	if (!write_slot(s))
		return;
	find_thread(s, asked_ns);
	touch(s, since_ns);
	if (s->slot.phase != PHASE_READY)
		return;
	s->slot.flags &= (uint8_t) ~(SLOT_BUSY | SLOT_EDGE);
	s->slot.pending = 0;
	s->slot.tx_msg = s->slot.tx_next;
	s->slot.status = (uint8_t)status;
	if (s->slot.protocol == WIRE_POSTGRESQL)
		s->slot.answered = (uint32_t)s->slot.rx_bytes;
	s->slot.txn_ns = status == 'I' ? 0 : txn_ns;
}

void kernel_trickle(struct sock *s, uint32_t bytes, uint64_t last_ns)
{
	if (!write_slot(s))
		return;
	s->slot.rx_bytes += bytes;
	touch(s, last_ns);
}

void kernel_lose_thread(struct sock *s)
{
	if (s->tls || !write_slot(s) || s->slot.phase != PHASE_READY)
		return;
	s->lost_ns = sim_now_ns;
	s->slot.flags |= SLOT_UNFRAMED | SLOT_UNCOUNTED;
}

/* ---- the observer's own end and beginning */

static void adopt(struct sock *s)
{
	struct slot was = s->slot;

	clear_slot(&s->slot);
	s->written = true;
	s->lost_ns = sim_now_ns;
	s->named = false;
	if (s->tcp_state != TCP_ESTABLISHED && s->tcp_state != TCP_CLOSE_WAIT)
		return;
	fill_addresses(s);
	s->slot.phase = PHASE_ADOPTED;
	s->slot.flags = SLOT_ADOPTED | SLOT_UNFRAMED | SLOT_UNCOUNTED;
	s->slot.tcp_state = s->tcp_state;
	s->slot.cookie = was.cookie;
	s->slot.opened_ns = s->slot.last_ns = was.last_ns;
	s->slot.rx_bytes = was.rx_bytes;
	s->slot.tx_bytes = was.tx_bytes;
	s->slot.rtt_us = was.rtt_us;
	s->slot.mdev_us = was.mdev_us;
}

void kernel_forget(void)
{
	for (uint32_t i = 0; i < high; i++)
		if (socks[i].open)
			adopt(&socks[i]);
}
