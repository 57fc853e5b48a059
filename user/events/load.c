// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loading: what must be there, what may be missing, and how to say so.
 *
 * Only the hook on state changes is indispensable.  When the kernel refuses the
 * whole, each other program is tried by itself, and what is refused is left out
 * and reported.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "events/internal.h"
#include "lib/clock.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define KERNEL_FLOOR_MAJOR 6
#define KERNEL_FLOOR_MINOR 1
#define BTF_PATH	   "/sys/kernel/btf/vmlinux"

static char last_complaint[128];

/* libbpf's own words are for us; the user gets one sentence of ours. */
static int keep_complaint(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), fmt, args);

	if (level == LIBBPF_WARN && n > 0 && !strchr(line, '{')) {
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(last_complaint, sizeof(last_complaint), "%.100s",
			       strncmp(line, "libbpf: ", 8) == 0 ? line + 8 : line);
	}
	return n;
}

void events_fact(struct events *e, const char *fact, const char *way, const char *why_not)
{
	struct event_fact *f = &e->facts[e->fact_count];

	if (e->fact_count == EVENT_FACTS)
		return;
	e->fact_count++;
	f->fact = fact;
	f->way = way;
	f->works = !why_not;
	(void)snprintf(f->why_not, sizeof(f->why_not), "%s", why_not ? why_not : "");
}

const char *events_complaint(int err)
{
	return *last_complaint ? last_complaint : strerror(-err);
}

static bool kernel_is(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int is_major = 0, is_minor = 0;

	return sscanf(release, "%u.%u", &is_major, &is_minor) == 2 &&
	       (is_major > major || (is_major == major && is_minor >= minor));
}

static int check_kernel(struct events *e)
{
	struct utsname u;

	if (geteuid() != 0)
		return log_err(-EPERM, "observing the kernel's sockets needs root (or CAP_BPF, "
				       "CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_PTRACE): run it "
				       "with sudo");
	(void)uname(&u);
	if (!kernel_is(u.release, KERNEL_FLOOR_MAJOR, KERNEL_FLOOR_MINOR))
		return log_err(-EOPNOTSUPP, "kernel %s is too old: %d.%d or later is needed",
			       u.release, KERNEL_FLOOR_MAJOR, KERNEL_FLOOR_MINOR);
	if (access(BTF_PATH, R_OK))
		return log_err(-EOPNOTSUPP, "this kernel has no type information (%s): one built "
					    "with CONFIG_DEBUG_INFO_BTF is needed", BTF_PATH);
	e->has_multi = kernel_is(u.release, 6, 6);
	return 0;
}

static uint64_t tick_ns(void)
{
	struct timespec ts = { .tv_nsec = 4000000 };

	(void)clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_nsec;
}

static struct plimsoll_bpf *open_sized(const struct events *e, const struct events_options *opt)
{
	struct plimsoll_bpf *bpf = plimsoll_bpf__open();

	if (!bpf)
		return NULL;
	bpf->rodata->cfg_slots = opt->slots;
	bpf->rodata->cfg_statement_bytes = opt->statement_bytes;
	bpf->rodata->cfg_evidence = opt->tier;
	bpf->rodata->cfg_tick_ns = tick_ns();
	(void)bpf_map__set_max_entries(bpf->maps.slots, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.socks, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.free_slots, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.statements, 2 * opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.prepared_notes, opt->slots);
	events_probe_prepare(e, bpf);
	return bpf;
}

static const struct {
	const char *program, *fact, *way;
} optional[] = {
	{ "on_segment", "what server and client say", "tp_btf/tcp_probe" },
	{ "on_tcp", "connections older than the observer", "iter/tcp" },
	{ "on_file", "which processes hold a connection", "iter/task_file" },
	{ "on_socket", "what lies unread or unacknowledged", "iter/bpf_map_elem" },
	{ "on_retransmit", "what is sent into the void", "tp_btf/tcp_retransmit_skb" },
	{ "on_turn", "who sends on a shared connection", "tp_btf/sock_send_length" },
	{ "find_bases", "where sent bytes lie", "syscall program" },
	{ "set_clock", "when a byte passed", "jiffies" },
	{ "on_go_conn", "where large Go programs have pools", "uprobe database/sql.(*DB).conn" },
	{ "on_send", "thread, goroutine, stack", "tp_btf/sock_send_length" },
	{ "on_call", "what libraries are asked", "uprobes (uprobe_multi)" },
	{ "on_return", "what libraries hand out", "uprobes (uprobe_multi)" },
	{ "on_said_sent", "on which connection", "tp_btf/sock_send_length" },
};

/* Loads with the optional programs whose bit is set in `mask`. */
static int try_load(const struct events *e, const struct events_options *opt, unsigned int mask,
		    struct plimsoll_bpf **ret)
{
	struct plimsoll_bpf *bpf = open_sized(e, opt);
	int r;

	if (!bpf)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		struct bpf_program *p =
			bpf_object__find_program_by_name(bpf->obj, optional[i].program);

		(void)bpf_program__set_autoload(p, mask & (1U << i));
	}
	(void)bpf_program__set_autoattach(bpf->progs.on_socket, false);	/* needs to be told its map */
	(void)bpf_program__set_autoattach(bpf->progs.on_turn, false);	/* only while somebody shares */
	r = plimsoll_bpf__load(bpf);
	if (r) {
		plimsoll_bpf__destroy(bpf);
		return r;
	}
	*ret = bpf;
	return 0;
}

/* Finds out which of the optional programs this kernel takes. */
static unsigned int probe_each(struct events *e, const struct events_options *opt)
{
	const struct events_options small = { 64, opt->statement_bytes, opt->tier };
	unsigned int mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		struct plimsoll_bpf *bpf = NULL;

		last_complaint[0] = '\0';
		if (!try_load(e, &small, 1U << i, &bpf)) {
			mask |= 1U << i;
			plimsoll_bpf__destroy(bpf);
		}
		events_fact(e, optional[i].fact, optional[i].way,
			    mask & (1U << i) ? NULL : last_complaint);
	}
	return mask;
}

#define EVIDENCE 4	/* the last of them */

/* Every optional program, but not the evidence that nobody asked for. */
static unsigned int wanted(const struct events_options *opt)
{
	unsigned int all = (1U << ARRAY_SIZE(optional)) - 1;

	return opt->tier == TIER_OFF ? all >> EVIDENCE : all;
}

/* Without it nothing is known of queues, and nothing is found there. */
static void attach_walk(struct plimsoll_bpf *bpf)
{
	union bpf_iter_link_info info = { .map.map_fd = (__u32)bpf_map__fd(bpf->maps.socks) };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));

	if (bpf_program__fd(bpf->progs.on_socket) >= 0)
		bpf->links.on_socket = bpf_program__attach_iter(bpf->progs.on_socket, &opts);
}

int events_load(struct events *e, const struct events_options *opt)
{
	unsigned int all = wanted(opt);
	int r = check_kernel(e);

	if (r)
		return r;
	(void)libbpf_set_print(keep_complaint);
	r = try_load(e, opt, all, &e->bpf);
	if (!r) {
		for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
			events_fact(e, optional[i].fact, optional[i].way,
				    all & (1U << i) ? NULL : "not asked for (evidence: off)");
	} else if (r != -EPERM && r != -ENOMEM) {
		r = try_load(e, opt, probe_each(e, opt) & all, &e->bpf);
	}
	if (r)
		return log_err(r, "the kernel refuses the program that watches connections "
				  "(%s)", last_complaint);
	events_fact(e, "open, owner, close", "tp_btf/inet_sock_set_state", NULL);
	r = plimsoll_bpf__attach(e->bpf);
	if (!r)
		attach_walk(e->bpf);
	if (r)
		return log_err(r, "cannot attach to the kernel's socket tracepoints");
	last_complaint[0] = '\0';
	events_unix_open(e);
	return 0;
}
