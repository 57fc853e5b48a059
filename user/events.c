// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel edge at run time: slots as memory, the ring, the iterators.
 *
 * The ring is paced: while records come it is drained every 2 ms without being
 * woken (a wake-up costs the producer 34 us, a record 0.2 us); after a few empty
 * rounds the next record is asked to wake us ("armed").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

#include "events/internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PACE_NS	     (2 * NS_PER_MS)
#define QUIET_ROUNDS 4
#define READ_TRIES   1000

static int on_record(void *arg, void *data, size_t len)
{
	struct events *e = arg;
	const struct rec_hdr *rec = data;

	e->delivered++;
	if (len < sizeof(*rec) || rec->len > len)
		return 0;
	if (e->testing)
		events_selftest_record(e, rec, len);
	else if (rec->type == REC_DIALLED && len >= sizeof(struct rec_path))
		events_unix_dialled(e, (const struct rec_path *)rec);
	else
		e->record(rec, len, e->arg);
	return 0;
}

int events_wait_for(struct events *e, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_ring(struct events *e)
{
	int r;

	e->ring = ring_buffer__new(bpf_map__fd(e->bpf->maps.ring), on_record, e, NULL);
	if (!e->ring)
		return log_err(-errno, "cannot map the ring of records");
	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	e->pace = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (e->epoll < 0 || e->pace < 0)
		return log_err(-errno, "cannot wait for records");
	r = events_wait_for(e, ring_buffer__epoll_fd(e->ring));
	if (!r)
		r = events_wait_for(e, e->pace);
	return r ? log_err(r, "cannot wait for records") : 0;
}

static size_t table_bytes(uint32_t slots, size_t each)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (slots * each + page - 1) / page * page;
}

/* NULL when it cannot be mapped. */
static const void *map_table(const struct bpf_map *map, uint32_t slots, size_t each)
{
	void *p = mmap(NULL, table_bytes(slots, each), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap_table(const void *table, uint32_t slots, size_t each)
{
	if (table)
		(void)munmap((void *)table, table_bytes(slots, each));
}

static int map_slots(struct events *e, uint32_t slots)
{
	e->slot_count = slots;
	e->slots = map_table(e->bpf->maps.slots, slots, sizeof(struct slot));
	e->marks = map_table(e->bpf->maps.marks, slots, sizeof(struct mark));
	if (!e->slots || !e->marks)
		return log_err(-errno, "cannot map the table of connections");
	return 0;
}

void events_run(const struct bpf_program *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = bpf_program__fd(p);

	if (fd >= 0)
		(void)bpf_prog_test_run_opts(fd, &opts);
}

void events_set_clock(struct events *e)
{
	events_run(e->bpf->progs.set_clock);
}

int events_open(struct events **ret, const struct events_options *opt, record_fn record, void *arg)
{
	struct events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->epoll = e->pace = -1;
	e->record = record;
	e->arg = arg;
	r = events_load(e, opt);
	if (!r)
		r = map_slots(e, opt->slots);
	if (!r)
		r = open_ring(e);
	if (!r && events_probe_open(e))
		r = log_err(-errno, "cannot start the process that puts probes");
	if (r) {
		events_close(e);
		return r;
	}
	events_find_bases(e);
	events_set_clock(e);
	events_selftest(e);
	events_unix_open(e);
	*ret = e;
	return 0;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	ring_buffer__free(e->ring);
	events_probe_close(e);
	unmap_table(e->slots, e->slot_count, sizeof(struct slot));
	unmap_table(e->marks, e->slot_count, sizeof(struct mark));
	events_unix_close(e);
	events_egress_close(e);
	plimsoll_bpf__destroy(e->bpf);
	cleanup_close(&e->epoll);
	cleanup_close(&e->pace);
	free(e);
}

int events_fd(const struct events *e)
{
	return e->epoll;
}

static void pace(struct events *e, uint64_t ns)
{
	struct itimerspec when = { .it_value.tv_nsec = (long)ns };

	(void)timerfd_settime(e->pace, 0, &when, NULL);
}

int events_drain(struct events *e)
{
	uint64_t ticks;
	int r;

	(void)!read(e->pace, &ticks, sizeof(ticks));
	events_probe_step(e);
	e->delivered = 0;
	r = ring_buffer__consume(e->ring);
	if (r < 0)
		return r;
	e->quiet_rounds = e->delivered ? 0 : e->quiet_rounds + 1;
	if (e->quiet_rounds <= QUIET_ROUNDS) {
		pace(e, PACE_NS);
	} else if (!e->bpf->data_shared->shared.armed) {
		e->bpf->data_shared->shared.armed = 1;
		(void)ring_buffer__consume(e->ring);	/* what came before we armed */
	}
	return e->delivered;
}

uint32_t events_high(const struct events *e)
{
	uint32_t high = *(volatile uint32_t *)&e->bpf->data_shared->shared.high;

	return high < e->slot_count ? high : e->slot_count;
}

bool events_slot(const struct events *e, uint32_t index, struct slot *ret)
{
	const struct slot *s = &e->slots[index];

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t before = __atomic_load_n(&s->lock, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(ret, s, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->lock, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}

/* The text that was prepared under the name, if that still stands for it. */
static bool find_prepared(const struct events *e, uint32_t index, struct statement *kept)
{
	struct prepared_key key = { .slot = index, .gen = kept->gen, .name = kept->name };
	struct prepared_note note;

	if (bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.prepared_notes), &index, &note))
		return false;
	key.epoch = note.epoch;
	return !bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.prepared), &key, kept);
}

/*
 * A record of the map, as it was at one moment: its bytes are written before their number
 * (bpf/statement.bpf.c), so that what reads the same twice is not part of two texts.
 */
static bool read_statement(const struct events *e, uint32_t key, struct statement *ret)
{
	int map = bpf_map__fd(key < 2 * NEAR_SLOTS ? e->bpf->maps.near_statements
						   : e->bpf->maps.statements);
	struct statement again;

	for (int i = 0; i < READ_TRIES; i++) {
		if (bpf_map_lookup_elem(map, &key, ret) || bpf_map_lookup_elem(map, &key, &again))
			return false;
		if (memcmp(ret, &again, sizeof(again)) == 0)
			return true;
	}
	return false;
}

enum statement_known events_statement(const struct events *e, uint32_t index, uint32_t gen,
				      enum statement_which which, struct statement_text *ret)
{
	struct statement kept;
	uint32_t key = index * 2 + which;

	if (!read_statement(e, key, &kept) || kept.gen != gen)
		return STATEMENT_NONE;
	if (kept.call)
		return STATEMENT_CALL;
	if (!kept.copied && (!kept.name || !find_prepared(e, index, &kept)))
		return kept.name ? STATEMENT_UNSEEN : STATEMENT_NONE;
	if (kept.copied > STATEMENT_MAX)
		return STATEMENT_NONE;
	ret->len = strnlen((const char *)kept.bytes, kept.copied);
	ret->cut = ret->len == kept.copied && kept.copied < kept.size;
	memcpy(ret->bytes, kept.bytes, ret->len);
	return STATEMENT_TEXT;
}

/* A request on its way may make it untrue in the same moment; then the next answer is another's. */
bool events_is_last(const struct events *e, uint32_t index)
{
	return index < e->slot_count && e->slots[index].phase == PHASE_READY &&
	       e->marks[index].upto == e->slots[index].tx_msg;
}

bool events_is_sender(const struct events *e, uint32_t index)
{
	return index < e->slot_count && e->marks[index].sent_last;
}

uint32_t events_sender(const struct events *e, uint32_t index)
{
	return events_is_sender(e, index) ? e->marks[index].sender : 0;
}

bool events_snapshot(const struct events *e, uint32_t index, uint32_t gen, enum deed deed,
		     struct stack_snapshot *ret)
{
	const struct bpf_map *map = deed == DEED_SENT ? e->bpf->maps.snapshots :
							e->bpf->maps.connects;

	return !bpf_map_lookup_elem(bpf_map__fd(map), &index, ret) &&
	       ret->gen == gen && ret->len <= SNAPSHOT_BYTES;
}

/* An interrupt may bring an event while one is looked at; the kernel does not do both. */
static uint64_t skipped_runs(const struct bpf_object *object)
{
	struct bpf_program *p;
	uint64_t sum = 0;

	bpf_object__for_each_program(p, object) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (bpf_program__fd(p) >= 0 &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size))
			sum += info.recursion_misses;
	}
	return sum;
}

uint64_t events_counter(const struct events *e, enum counter c)
{
	_free_ uint64_t *values = NULL;
	uint32_t key = c;
	uint64_t sum = 0;
	int cpus;

	if (c == COUNT_RUNS_SKIPPED)	/* the kernel's own count */
		return skipped_runs(e->bpf->obj) +
		       (e->local ? skipped_runs(e->local->obj) : 0) +
		       (e->egress ? skipped_runs(e->egress->obj) : 0);
	cpus = libbpf_num_possible_cpus();
	values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;
	if (!values || bpf_map_lookup_elem(bpf_map__fd(e->bpf->maps.counters), &key, values))
		return 0;
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

#define COUNTER_NAME(id, name, help) #name,
#define COUNTER_HELP(id, name, help) help,
static const char *const counter_names[] = { COUNTERS(COUNTER_NAME) };
static const char *const counter_helps[] = { COUNTERS(COUNTER_HELP) };
_Static_assert(ARRAY_SIZE(counter_names) == COUNT_MAX, "every counter has a name");

const char *events_counter_name(enum counter c)
{
	return counter_names[c];
}

const char *events_counter_help(enum counter c)
{
	return counter_helps[c];
}

size_t events_facts(const struct events *e, const struct event_fact **ret)
{
	*ret = e->facts;
	return e->fact_count;
}
