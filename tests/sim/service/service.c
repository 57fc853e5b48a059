// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 73 days of a service with 2,000 connections, in minutes: the daemon's own engine on a
 * virtual clock, above a model of kernel, net, servers and programs.  All of it follows
 * from the seed, so a run that fails is one command to repeat.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "edge.h"
#include "engine.h"
#include "faults.h"
#include "judge.h"
#include "leaks.h"
#include "look.h"
#include "pool.h"
#include "traffic.h"

struct options {
	uint64_t seed;
	uint32_t conns;
	const char *leaks, *faults;
	double days, per_day;
	bool fixes, tells, always;
};

static struct engine engine;
static struct engine_options engine_options;
static uint64_t close_until_ns, looks;
static unsigned most_conns;
static bool always_closely;

/* ---- when to look */

static void on_close_look(void *who, uint64_t until_ns)
{
	(void)who;
	if (until_ns > close_until_ns)
		close_until_ns = until_ns;
}

void look_closely(uint64_t from_ns, uint64_t until_ns)
{
	happen_at(from_ns, on_close_look, NULL, until_ns);
}

static uint64_t pause_ns(void)
{
	findings_for_each(&engine.detect, f)
		if (f->state == FINDING_SUSPECT &&
		    elapsed_ns(f->suspected_ns, sim_now_ns) < NS_PER_S / 2)
			return 100 * NS_PER_MS;
	if (sim_now_ns < close_until_ns || always_closely)
		return chance_between(100, 400) * NS_PER_MS;
	return chance_between(10000, 50000) * NS_PER_MS;
}

static void look(void)
{
	looks++;
	pools_show();
	(void)engine_drain(&engine);
	engine_tick(&engine, sim_now_ns);
	if (engine.conns.open > most_conns)
		most_conns = engine.conns.open;
}

/* ---- the observer's life */

static void observe(void)
{
	int r = engine_open(&engine, &engine_options);

	if (r) {
		printf("Bail out! the engine does not open: %s\n", strerror(-r));
		exit(2);
	}
	(void)engine_drain(&engine);
}

void look_restart(void)
{
	(void)engine_drain(&engine);
	pools_show();
	engine_close(&engine);
	kernel_forget();
	pools_unseen();
	judge_lost_sight();
	observe();
}

/* The configuration as a file that is nowhere on a disk. */
static const char *configuration(bool fixes)
{
	static char path[64];
	int fd = memfd_create("plimsoll.yaml", 0);

	if (fd < 0 || dprintf(fd, "connections: %d\n%s", KERNEL_SOCKS,
			      fixes ? "mode: fix\n"
				      "rules:\n"
				      "  - match: { kind: idle-in-txn }\n"
				      "    act: [ defuse, close after 5min ]\n"
				      "  - act: [ destroy ]\n"
				    : "mode: observe\n") < 0)
		return NULL;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void run(uint64_t until_ns)
{
	uint64_t look_ns = sim_now_ns;

	while (look_ns < until_ns) {
		uint64_t next_ns = happen_next_ns();

		if (next_ns <= look_ns) {
			uint64_t was_close_ns = close_until_ns;

			happen_step();
			if (edge_has_records())
				(void)engine_drain(&engine);
			if (close_until_ns != was_close_ns && look_ns > sim_now_ns + NS_PER_S / 2)
				look_ns = sim_now_ns + pause_ns();
			continue;
		}
		sim_now_ns = look_ns;
		look();
		look_ns += pause_ns();
	}
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool simulate(const struct options *o)
{
	double began = seconds();
	bool kept;

	chance_seed(o->seed);
	engine_options = (struct engine_options){
		.config_path = configuration(o->fixes),
		.state_dir = "/nonexistent",
		.mode = -1,
	};
	observe();
	judge_begin(o->seed, o->tells, &engine.config.detect);
	network_begin();
	pools_begin(o->conns);
	faults_begin(o->faults);
	leaks_begin(o->leaks, o->per_day);
	always_closely = o->always;
	run(SIM_BEGIN_NS + (uint64_t)(o->days * (double)DAY));
	kept = judge_end();
	printf("# seed %llu: %g days, up to %u connections of %zu pools, %llu looks, %.1f s of CPU\n",
	       (unsigned long long)o->seed, o->days, most_conns, pools_count(),
	       (unsigned long long)looks, seconds() - began);
	engine_close(&engine);
	pools_done();
	happen_done();
	return kept;
}

static const char usage[] =
	"usage: service [--seed N] [--days D] [--conns C] [--leaks all|none|KIND,...] [--per-day N]\n"
	"               [--quiet SECONDS] [--faults all|none|SORT,...] [--judge all|KIND,...] [--fix] [--tell] [--closely]\n";

static bool parse(int argc, char **argv, struct options *ret)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "days", required_argument, NULL, 'd' },
		{ "conns", required_argument, NULL, 'c' },
		{ "leaks", required_argument, NULL, 'l' },
		{ "per-day", required_argument, NULL, 'p' },
		{ "faults", required_argument, NULL, 'f' },
		{ "quiet", required_argument, NULL, 'q' },
		{ "judge", required_argument, NULL, 'j' },
		{ "fix", no_argument, NULL, 'x' },
		{ "tell", no_argument, NULL, 't' },
		{ "closely", no_argument, NULL, 'a' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			ret->seed = strtoull(optarg, NULL, 10);
			break;
		case 'd':
			ret->days = strtod(optarg, NULL);
			break;
		case 'c':
			ret->conns = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			ret->leaks = optarg;
			break;
		case 'p':
			ret->per_day = strtod(optarg, NULL);
			break;
		case 'f':
			ret->faults = optarg;
			break;
		case 'q':
			traffic_quiet_ns = (uint64_t)(strtod(optarg, NULL) * NS_PER_S);
			break;
		case 'j':
			judge_only(optarg);
			break;
		case 'x':
			ret->fixes = true;
			break;
		case 'a':
			ret->always = true;
			break;
		case 't':
			ret->tells = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc && ret->per_day > 0 && ret->conns;
}

int main(int argc, char **argv)
{
	struct options o = {
		.seed = 1,
		.days = 73,
		.conns = 2000,
		.leaks = "all",
		.faults = "all",
		.per_day = 4,
	};

	if (!parse(argc, argv, &o)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	return simulate(&o) ? 0 : 1;
}
