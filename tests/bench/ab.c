// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Measures what an observer costs a workload, by short paired windows.
 *
 * The machine drifts by more than we want to tell apart, and so do its neighbours.  So a
 * run is many rounds; in each, every variant (in shuffled order) has one window between
 * two without any observer, and its ratio is against the mean of those two.  One variant
 * is no observer again: its ratio shows the noise.  All of it, with the server and the
 * observer, is pinned to one CPU by the caller, so every added nanosecond is serial: the
 * worst case.  What is counted is the time that the CPU gave to it, all together: on a
 * quiet host that is the time by the clock, on any other it leaves out what the neighbours
 * took.
 *
 * usage: ab WORKLOAD DIRECTORY CPU_STAT VARIANT...
 * CPU_STAT is that file of the control group (v2) which we are in, with the server.
 * Prints a line "VARIANT BEFORE WITH AFTER HEARD" (operations in a second of the CPU;
 * answers that the observer heard) for each variant of each round, until nobody reads
 * them any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define WINDOW_MS 100	/* so that it holds one of the daemon's looks at all */
#define WARM_MS	  10
#define VARIANTS  8

enum order { ORDER_IDLE, ORDER_OPEN, ORDER_RUN };

/* Shared with the worker. */
struct board {
	_Atomic int order, obeyed;
	_Atomic uint64_t ops;
};

struct run {
	const struct workload *workload;
	struct board *board;
	pid_t worker;
	int cpu_stat;
	struct observer variants[VARIANTS];
	size_t n;
};

void die(const char *what)
{
	fprintf(stderr, "ab: %s: %s\n", what, strerror(errno));
	exit(1);
}

void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void work(struct board *b, const struct workload *w)
{
	for (;;) {
		int order = atomic_load(&b->order);

		if (order == ORDER_RUN) {
			w->step();
			atomic_fetch_add_explicit(&b->ops, 1, memory_order_relaxed);
			continue;
		}
		if (atomic_load(&b->obeyed) != order) {
			if (order == ORDER_OPEN)
				w->open();
			atomic_store(&b->obeyed, order);
		}
		pause_ms(1);
	}
}

static void give(struct run *r, enum order order)
{
	atomic_store(&r->board->order, order);
	if (order == ORDER_RUN)
		return;
	while (atomic_load(&r->board->obeyed) != (int)order) {
		if (waitpid(r->worker, NULL, WNOHANG) == r->worker)
			exit(1);
		pause_ms(1);
	}
}

static uint64_t done(const struct run *r)
{
	return r->workload->done ? r->workload->done() : atomic_load(&r->board->ops);
}

/* Microseconds of the CPU that all of us had, ever. */
static uint64_t used_us(const struct run *r)
{
	uint64_t us;
	char text[64];
	ssize_t n = pread(r->cpu_stat, text, sizeof(text) - 1, 0);

	if (n < 0)
		die("cpu.stat");
	text[n] = '\0';
	if (sscanf(text, "usage_usec %" SCNu64, &us) != 1)
		die("cpu.stat");
	return us;
}

static double window(struct run *r)
{
	uint64_t ops, us;

	give(r, ORDER_OPEN);
	give(r, ORDER_RUN);
	pause_ms(WARM_MS);
	ops = done(r);
	us = used_us(r);
	pause_ms(WINDOW_MS);
	ops = done(r) - ops;
	us = used_us(r) - us;
	give(r, ORDER_IDLE);
	return (double)ops * 1e6 / (double)us;
}

static void shuffle(struct observer *o, size_t n)
{
	for (size_t i = n - 1; i > 0; i--) {
		size_t j = (size_t)rand() % (i + 1);
		struct observer t = o[i];

		o[i] = o[j];
		o[j] = t;
	}
}

static void run_round(struct run *r)
{
	double before = window(r), with, after;

	shuffle(r->variants, r->n);
	for (size_t i = 0; i < r->n; i++) {
		uint64_t heard;

		(void)observer_turn(&r->variants[i]);
		with = window(r);
		heard = observer_turn(&r->variants[i]);
		after = window(r);
		printf("%s %.1f %.1f %.1f %" PRIu64 "\n", r->variants[i].name, before, with,
		       after, heard);
		/* With all observers off, this is where a closed pipe ends us. */
		fflush(stdout);
		before = after;
	}
}

int main(int argc, char **argv)
{
	struct run r = { 0 };

	r.n = (size_t)argc - 4;
	if (argc < 5 || r.n > VARIANTS) {
		fprintf(stderr, "usage: ab WORKLOAD DIRECTORY CPU_STAT VARIANT...\n");
		return 2;
	}
	r.workload = workload_find(argv[1]);
	if (!r.workload) {
		fprintf(stderr, "ab: no workload '%s'\n", argv[1]);
		return 2;
	}
	r.board = mmap(NULL, sizeof(*r.board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (r.board == MAP_FAILED)
		die("mmap");
	r.cpu_stat = open(argv[3], O_RDONLY | O_CLOEXEC);
	if (r.cpu_stat < 0)
		die(argv[3]);
	srand((unsigned int)getpid());
	workload_prepare();
	r.worker = child();
	if (r.worker == 0)
		work(r.board, r.workload);
	(void)window(&r);	/* what is opened once is open then, and is adopted */
	for (size_t i = 0; i < r.n; i++)
		observer_start(&r.variants[i], argv[4 + i], argv[2]);
	for (;;)
		run_round(&r);
}
