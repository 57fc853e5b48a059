// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Measures what an observer costs a workload, by short paired windows.
 *
 * The machine drifts by more than we want to tell apart, so a run is many rounds; in
 * each, every variant (in shuffled order) has a block of windows without any observer
 * right before and right after it, and its ratio is against the mean of those two.  One
 * variant is no observer again: its ratio shows the noise.  All of it, with the
 * server and the observer, is pinned to one CPU by the caller, so every added
 * nanosecond is serial: the worst case.
 *
 * usage: ab WORKLOAD PLIMSOLLD DIRECTORY
 * Prints a line "VARIANT BEFORE WITH AFTER" (operations a second) for each variant of
 * each round, until nobody reads them any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define WINDOW_MS 60
#define WINDOWS	  5
#define WARM_MS	  10
#define SETTLE_MS 30
#define SS_EVERY  4	/* rounds: the peer need not be known as well as we are */
#define ECHO_LEN  64
#define CHURN_LEN 8

enum order { ORDER_IDLE, ORDER_OPEN, ORDER_RUN };
enum variant { VARIANT_NONE, VARIANT_AGAIN, VARIANT_PLIMSOLL, VARIANT_SS, VARIANT_MAX };

static const char *const variant_names[] = { "none", "again", "plimsoll", "ss" };
_Static_assert(sizeof(variant_names) / sizeof(*variant_names) == VARIANT_MAX, "a name each");

/* Shared with the worker. */
struct board {
	_Atomic int order, obeyed;
	_Atomic uint64_t ops;
};

struct workload {
	const char *name;
	void (*open)(void);
	void (*step)(void);
};

static PGconn *db;
static int sock = -1;
static uint16_t echo_port;

static void die(const char *what)
{
	fprintf(stderr, "ab: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void query_open(void)
{
	if (db)
		PQfinish(db);
	db = PQconnectdb("");
	if (PQstatus(db) != CONNECTION_OK) {
		fprintf(stderr, "ab: %s", PQerrorMessage(db));
		exit(1);
	}
}

static void query_step(void)
{
	PGresult *r = PQexec(db, "SELECT 1");

	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		die("SELECT 1");
	PQclear(r);
}

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(echo_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

static void exchange(int s, size_t len)
{
	char buf[ECHO_LEN] = "ping";

	if (send(s, buf, len, 0) != (ssize_t)len || recv(s, buf, len, MSG_WAITALL) != (ssize_t)len)
		die("echo");
}

static void echo_open(void)
{
	if (sock >= 0)
		close(sock);
	sock = dial();
}

static void echo_step(void)
{
	exchange(sock, ECHO_LEN);
}

static void churn_open(void)
{
}

/* Ends in a reset, so that no port is left waiting. */
static void churn_step(void)
{
	struct linger hard = { 1, 0 };
	int s = dial();

	exchange(s, CHURN_LEN);
	setsockopt(s, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(s);
}

static const struct workload workloads[] = {
	{ "query", query_open, query_step },
	{ "echo", echo_open, echo_step },
	{ "churn", churn_open, churn_step },
};

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Serves one connection at a time: the worker never has two. */
static void start_echo_server(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 64) < 0 || getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		die("listen");
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	echo_port = ntohs(at.sin_port);
	if (child() > 0) {
		close(listener);
		return;
	}
	for (;;) {
		char buf[ECHO_LEN];
		int s = accept(listener, NULL, NULL);
		ssize_t n;

		while ((n = recv(s, buf, sizeof(buf), 0)) > 0)
			if (send(s, buf, (size_t)n, MSG_NOSIGNAL) != n)
				break;
		close(s);
	}
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

static void give(struct board *b, enum order order, pid_t worker)
{
	atomic_store(&b->order, order);
	if (order == ORDER_RUN)
		return;
	while (atomic_load(&b->obeyed) != (int)order) {
		if (waitpid(worker, NULL, WNOHANG) == worker)
			exit(1);
		pause_ms(1);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double window(struct board *b)
{
	uint64_t ops = atomic_load(&b->ops), began = now_ns();

	pause_ms(WINDOW_MS);
	ops = atomic_load(&b->ops) - ops;
	return (double)ops * 1e9 / (double)(now_ns() - began);
}

/*
 * Operations a second: the middle of a few windows, so that one hiccup of the host
 * does not count.  The connection is new, so an observer has seen its start.
 */
static double block(struct board *b, pid_t worker)
{
	double seen[WINDOWS];

	give(b, ORDER_OPEN, worker);
	give(b, ORDER_RUN, worker);
	pause_ms(WARM_MS);
	for (size_t i = 0; i < WINDOWS; i++)
		seen[i] = window(b);
	give(b, ORDER_IDLE, worker);
	qsort(seen, WINDOWS, sizeof(*seen), compare);
	return seen[WINDOWS / 2];
}

static pid_t start_program(char *const argv[], const char *log)
{
	pid_t pid = child();

	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* Starts what the variant needs and waits until it observes; its pid, or 0. */
static pid_t observer_start(enum variant v, char *plimsolld, char *dir)
{
	char log[4096], control[4096];
	char *daemon[] = { plimsolld, "--foreground", "--run", dir, "--state", dir, NULL };
	char *ss[] = { "sh", "-c", "while :; do ss -tni >/dev/null; sleep 0.1; done", NULL };
	pid_t pid;

	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(control, sizeof(control), "%s/control.sock", dir);
	if (v == VARIANT_SS)
		return start_program(ss, "/dev/null");
	if (v != VARIANT_PLIMSOLL)
		return 0;
	pid = start_program(daemon, log);
	for (int ms = 0; access(control, F_OK) < 0; ms += 5) {
		if (ms > 10000 || waitpid(pid, NULL, WNOHANG) == pid) {
			fprintf(stderr, "ab: plimsolld did not start, see %s\n", log);
			exit(1);
		}
		pause_ms(5);
	}
	/* Its first look at the host is not what is measured. */
	pause_ms(200);
	return pid;
}

static void observer_stop(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
	pause_ms(SETTLE_MS);
}

static void run_round(struct board *b, pid_t worker, bool with_ss, char *plimsolld, char *dir)
{
	enum variant order[] = { VARIANT_AGAIN, VARIANT_PLIMSOLL, VARIANT_SS };
	size_t n = sizeof(order) / sizeof(*order) - !with_ss;
	double before = block(b, worker), with, after;

	for (size_t i = n - 1; i > 0; i--) {
		size_t j = (size_t)rand() % (i + 1);
		enum variant t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (size_t i = 0; i < n; i++) {
		pid_t observer;

		observer = observer_start(order[i], plimsolld, dir);
		with = block(b, worker);
		observer_stop(observer);
		after = block(b, worker);
		printf("%s %.1f %.1f %.1f\n", variant_names[order[i]], before, with, after);
		/* With all observers stopped, this is where a closed pipe ends us. */
		fflush(stdout);
		before = after;
	}
}

static const struct workload *find_workload(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(workloads[i].name, name))
			return &workloads[i];
	fprintf(stderr, "ab: no workload '%s'\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	const struct workload *w;
	struct board *b;
	pid_t worker;

	if (argc != 4) {
		fprintf(stderr, "usage: ab WORKLOAD PLIMSOLLD DIRECTORY\n");
		return 2;
	}
	w = find_workload(argv[1]);
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		die("mmap");
	srand((unsigned int)now_ns());
	start_echo_server();
	worker = child();
	if (worker == 0)
		work(b, w);
	(void)block(b, worker);
	for (unsigned long n = 0;; n++)
		run_round(b, worker, n % SS_EVERY == 0, argv[2], argv[3]);
}
