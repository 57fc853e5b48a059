// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loading: what must be there, what may be missing, and how to say so.
 *
 * Only the hook on state changes is indispensable.  When the kernel refuses the
 * whole, each other program is tried by itself, and what is refused is left out
 * and reported.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "lib/proc.h"

#define KERNEL_FLOOR_MAJOR 6
#define KERNEL_FLOOR_MINOR 1
#define BTF_PATH	   "/sys/kernel/btf/vmlinux"

/* The first of a try: those that follow only say what came of it. */
static char complaint[128];

/* libbpf's own words are for us; the user gets one sentence of ours. */
static int keep_complaint(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), fmt, args);

	if (level == LIBBPF_WARN && n > 0 && !strchr(line, '{') && !*complaint) {
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(complaint, sizeof(complaint), "%.100s",
			       strncmp(line, "libbpf: ", 8) == 0 ? line + 8 : line);
	}
	return n;
}

void events_fact(struct events *e, const char *fact, const char *way, const char *why_not)
{
	struct event_fact *f = e->facts;

	while (f < e->facts + e->fact_count && strcmp(f->fact, fact) != 0)
		f++;
	if (f == e->facts + EVENT_FACTS)
		return;
	if (f == e->facts + e->fact_count)
		e->fact_count++;
	f->fact = fact;
	f->way = way;
	f->works = !why_not;
	(void)snprintf(f->why_not, sizeof(f->why_not), "%s", why_not ? why_not : "");
}

const char *events_complaint(int err)
{
	return *complaint ? complaint : strerror(-err);
}

void events_forget_complaint(void)
{
	complaint[0] = '\0';
}

static int check_kernel(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (geteuid() != 0)
		return log_err(-EPERM, "observing the kernel's sockets needs root (or CAP_BPF, "
				       "CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_PTRACE): run it "
				       "with sudo");
	(void)uname(&u);
	if (sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < KERNEL_FLOOR_MAJOR ||
	    (major == KERNEL_FLOOR_MAJOR && minor < KERNEL_FLOOR_MINOR))
		return log_err(-EOPNOTSUPP, "kernel %s is too old: %d.%d or later is needed",
			       u.release, KERNEL_FLOOR_MAJOR, KERNEL_FLOOR_MINOR);
	if (access(BTF_PATH, R_OK))
		return log_err(-EOPNOTSUPP, "this kernel has no type information (%s): one built "
					    "with CONFIG_DEBUG_INFO_BTF is needed", BTF_PATH);
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
	bpf->rodata->cfg_cast = e->has_cast;
	bpf->rodata->cfg_dynptr = e->has_dynptr;
	bpf->rodata->cfg_bytes = e->has_bytes;
	(void)bpf_map__set_max_entries(bpf->maps.slots, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.socks, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.free_slots, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.statements, 2 * opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.prepared_notes, opt->slots);
	(void)bpf_map__set_max_entries(bpf->maps.marks, opt->slots);
	events_probe_prepare(e, bpf);
	return bpf;
}

#define ON_SEGMENT 0
#define MULTI	   "bpf_uprobe_multi_link_attach"

static const struct {
	const char *program, *fact, *way;
	const char *needs;	/* a kernel function; loading alone does not tell */
} optional[] = {
	[ON_SEGMENT] = { "on_segment", "what server and client say", "tp_btf/tcp_probe", NULL },
	{ "on_tcp", "connections older than the observer", "iter/tcp", NULL },
	{ "on_file", "which processes hold a connection", "iter/task_file", NULL },
	{ "on_socket", "what lies unread or unacknowledged", "iter/bpf_map_elem", NULL },
	{ "on_retransmit", "what is sent into the void", "tp_btf/tcp_retransmit_skb", NULL },
	{ "on_turn", "who sends on a shared connection", "tp_btf/sock_send_length", NULL },
	{ "find_bases", "where sent bytes lie", "syscall program", NULL },
	{ "set_clock", "when a byte passed", "jiffies", NULL },
	{ "on_go_conn", "where large Go programs have pools", "uprobe database/sql.(*DB).conn", NULL },
	{ "on_send", "thread, goroutine, stack", "tp_btf/sock_send_length", NULL },
	{ "on_call", "what libraries are asked", "uprobes (uprobe_multi)", MULTI },
	{ "on_return", "what libraries hand out", "uprobes (uprobe_multi)", MULTI },
	{ "on_said_sent", "on which connection", "tp_btf/sock_send_length", NULL },
};

/* Loads with the optional programs whose bit is set in `mask`. */
static int try_load(const struct events *e, const struct events_options *opt, unsigned int mask,
		    struct plimsoll_bpf **ret)
{
	struct plimsoll_bpf *bpf = open_sized(e, opt);
	int r;

	events_forget_complaint();
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

/* Whether the kernel takes optional program `i`; if not, the complaint says why. */
static bool takes(const struct events *e, const struct events_options *opt, size_t i)
{
	const struct events_options small = { 64, opt->statement_bytes, opt->tier };
	struct plimsoll_bpf *bpf = NULL;

	if (try_load(e, &small, 1U << i, &bpf))
		return false;
	plimsoll_bpf__destroy(bpf);
	return true;
}

static void tell(struct events *e, size_t i, unsigned int all, const char *why_not)
{
	events_fact(e, optional[i].fact, optional[i].way,
		    all & (1U << i) ? why_not : "not asked for (evidence: off)");
}

/* Finds out which of the optional programs this kernel takes. */
static unsigned int probe_each(struct events *e, const struct events_options *opt, unsigned int all)
{
	unsigned int mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		const char *needs = optional[i].needs;

		if (needs && !events_kernel_has(needs)) {
			tell(e, i, all, "this kernel cannot watch many places at once (6.6)");
			continue;
		}
		if (takes(e, opt, i)) {
			mask |= 1U << i;
			tell(e, i, all, NULL);
		} else {
			tell(e, i, all, complaint);
		}
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

static bool is_refused(int r)
{
	return r && r != -EPERM && r != -ENOMEM;
}

/* The newest ways that the kernel has; and of the programs those that it takes. */
static int load_best(struct events *e, const struct events_options *opt, unsigned int all)
{
	int r;

	e->has_cast = events_kernel_has("bpf_rdonly_cast");
	e->has_dynptr = events_kernel_has("bpf_dynptr_from_skb");
	e->has_bytes = e->has_cast && events_kernel_has("bpf_strcmp");	/* came with it */
	e->has_multi = events_kernel_has(MULTI);
	r = try_load(e, opt, all, &e->bpf);
	if (is_refused(r) && e->has_bytes && !takes(e, opt, ON_SEGMENT)) {
		e->has_bytes = false;
		r = try_load(e, opt, all, &e->bpf);
	}
	if (is_refused(r) && e->has_dynptr && !takes(e, opt, ON_SEGMENT)) {
		e->has_dynptr = false;	/* it may be for other programs only */
		r = try_load(e, opt, all, &e->bpf);
	}
	if (is_refused(r)) {
		all &= probe_each(e, opt, all);
		return try_load(e, opt, all, &e->bpf);
	}
	for (size_t i = 0; !r && i < ARRAY_SIZE(optional); i++)
		tell(e, i, all, NULL);
	return r;
}

int events_load(struct events *e, const struct events_options *opt)
{
	int r = check_kernel();

	if (r)
		return r;
	(void)libbpf_set_print(keep_complaint);
	r = load_best(e, opt, wanted(opt));
	if (r)
		return log_err(r, "the kernel refuses the program that watches connections "
				  "(%s)", complaint);
	events_fact(e, "open, owner, close", "tp_btf/inet_sock_set_state", NULL);
	r = plimsoll_bpf__attach(e->bpf);
	if (!r)
		attach_walk(e->bpf);
	return r ? log_err(r, "cannot attach to the kernel's socket tracepoints") : 0;
}

/* ---- objects of their own */

int events_share(const struct events *e, struct bpf_object *to)
{
	static const char *const maps[] = {
		"slots", "socks", "hints", "free_slots", "ring", "counters",
		"statements", "near_statements", "marks", "prepared", "prepared_notes",
		"connects", "snapshots", ".data.shared",
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct bpf_map *mine = bpf_object__find_map_by_name(to, maps[i]);
		int r = bpf_map__reuse_fd(
			mine, bpf_map__fd(bpf_object__find_map_by_name(e->bpf->obj, maps[i])));

		if (r)
			return r;
	}
	return 0;
}

int events_attach_cgroup(const struct bpf_program *p, struct bpf_link **ret)
{
	char root[256];
	int r = proc_cgroup_root(root, sizeof(root));
	_close_ int cgroup = r ? -1 : open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (r)
		(void)snprintf(complaint, sizeof(complaint),
			       "the root of the cgroup2 hierarchy is not mounted");
	if (cgroup < 0)
		return r ?: -errno;
	*ret = bpf_program__attach_cgroup(p, cgroup);
	return *ret ? 0 : -errno;
}
