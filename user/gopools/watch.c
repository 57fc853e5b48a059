// SPDX-License-Identifier: GPL-2.0-or-later
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "gopools/watch.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/helper.h"
#include "lib/proc.h"

#define PATIENCE_NS NS_PER_S /* a reading takes microseconds, a search milliseconds */

/* Both processes have it.  Readings are large, and memory only where they were used. */
struct board {
	volatile uint32_t at; /* which one is being read, or searched */
	struct search searches[SEARCHES_MAX];
	uint32_t search_count;
	struct watched list[WATCHED_MAX];
	struct handle_reading readings[WATCHED_MAX];
};

struct watch {
	struct board *board;
	struct helper child; /* pid 0: none */
	int ask;	     /* one byte says what to do, and comes back when it is done */
	pid_t lingering;     /* ended, and not gone; 0: none */
	uint32_t searches; /* asked for */
	bool under_way;
	uint32_t seen;	/* board->at, since then */
	uint64_t since_ns;
};

int watch_new(struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->ask = w->child.out = -1;
	w->board = mmap(NULL, sizeof(*w->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->board == MAP_FAILED) {
		free(w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

static void end_child(struct watch *w)
{
	if (!w->child.pid)
		return;
	(void)close(TAKE_FD(w->ask));
	if (!helper_stop(&w->child))
		w->lingering = w->child.pid;
	w->child.pid = 0;
	w->under_way = false;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	end_child(w);
	(void)munmap(w->board, sizeof(*w->board));
	free(w);
}

struct watched *watch_at(struct watch *w, uint32_t n)
{
	return &w->board->list[n];
}

const struct handle_reading *watch_reading(const struct watch *w, uint32_t n)
{
	return &w->board->readings[n];
}

void watch_set(struct watch *w, uint32_t n, uint32_t pid, uint64_t address)
{
	w->board->list[n] = (struct watched){ .pid = pid, .address = address };
	w->board->readings[n].state = HANDLE_UNREAD;
	w->board->readings[n].free_count = 0;
}

/* ---- in the child */

static bool read_memory(const struct go_span *spans, size_t n, void *arg)
{
	struct iovec here[GO_SPANS_MAX], there[GO_SPANS_MAX];
	const struct watched *one = arg;
	size_t size = 0;

	for (size_t i = 0; i < n; i++) {
		here[i] = (struct iovec){ spans[i].to, spans[i].size };
		there[i] = (struct iovec){ (void *)(uintptr_t)spans[i].address, spans[i].size };
		size += spans[i].size;
	}
	return process_vm_readv((pid_t)one->pid, here, n, there, n, 0) == (ssize_t)size;
}

static void read_all(struct board *b)
{
	for (uint32_t i = 0; i < WATCHED_MAX; i++) {
		struct watched *one = &b->list[i];
		const struct go_memory memory = { read_memory, one };

		if (!one->wanted)
			continue;
		b->at = i;
		handle_read(&memory, &one->layout, one->address, &b->readings[i]);
		one->read = true;
	}
}

static void search_all(struct board *b)
{
	for (uint32_t i = 0; i < b->search_count; i++) {
		struct watched one = { .pid = b->searches[i].pid };
		const struct go_memory memory = { read_memory, &one };

		b->at = i;
		search_process(&memory, &b->searches[i]);
	}
}

/* It keeps the right to read, and nothing of ours. */
static void serve(struct board *b, int in, int out)
{
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "plimsoll-go");
	capng_clear(CAPNG_SELECT_BOTH);
	(void)capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
			   CAP_SYS_PTRACE);
	if (capng_apply(CAPNG_SELECT_CAPS) || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
	    close_range(3, ~0U, 0))
		return;
	while (read(0, &byte, 1) == 1) {
		if (byte == WATCH_SEARCH)
			search_all(b);
		else
			read_all(b);
		if (write(1, &byte, 1) != 1)
			return;
	}
}

/* ---- in ours */

static int start_child(struct watch *w)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return -errno;

	_close_ int in_read = in[0];
	_close_ int in_write = in[1];

	if (pipe2(out, O_CLOEXEC))
		return -errno;

	_close_ int out_read = out[0];
	_close_ int out_write = out[1];

	if (fcntl(out_read, F_SETFL, O_NONBLOCK))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		/* Above what they are moved to. */
		in_read = fcntl(in_read, F_DUPFD, 3);
		out_write = fcntl(out_write, F_DUPFD, 3);
		serve(w->board, in_read, out_write);
		_exit(0);
	}
	w->child = (struct helper){ .pid = pid, .out = TAKE_FD(out_read) };
	w->ask = TAKE_FD(in_write);
	return 0;
}

bool watch_has_child(const struct watch *w)
{
	return w->child.pid;
}

bool watch_search(struct watch *w, uint32_t pid, const struct go_layout *layout)
{
	struct search *s = &w->board->searches[w->searches];

	if (w->searches == SEARCHES_MAX)
		return false;
	s->pid = pid;
	s->layout = *layout;
	s->whole = false;
	s->count = 0;
	w->searches++;
	return true;
}

void watch_forget_searches(struct watch *w)
{
	w->searches = 0;
}

const struct search *watch_found(const struct watch *w, uint32_t n)
{
	return n < w->searches ? &w->board->searches[n] : NULL;
}

int watch_begin(struct watch *w, enum watch_what what, uint64_t now_ns)
{
	const char byte = (char)what;
	int r = 0;

	if (w->under_way)
		return -EBUSY;
	if (w->lingering && helper_gone(w->lingering))
		w->lingering = 0;
	if (!w->child.pid)
		r = w->lingering ? -EBUSY : start_child(w);
	if (r)
		return r;
	w->board->at = w->seen = 0;
	w->board->search_count = w->searches;
	if (write(w->ask, &byte, 1) != 1) {
		end_child(w);	/* somebody ended it: the next round has another */
		return -EPIPE;
	}
	w->under_way = true;
	w->since_ns = now_ns;
	return 0;
}

/* One that waits for a processor is not stuck, nor is one that comes on. */
static bool is_stuck(struct watch *w, uint64_t now_ns)
{
	struct proc_stat st;

	if (w->seen != w->board->at) {
		w->seen = w->board->at;
		w->since_ns = now_ns;
	}
	return elapsed_ns(w->since_ns, now_ns) > PATIENCE_NS &&
	       (proc_stat((uint32_t)w->child.pid, &st) || st.state != 'R');
}

enum watch_progress watch_step(struct watch *w, uint64_t now_ns, uint32_t *ret)
{
	ssize_t n;
	char byte;

	if (!w->under_way)
		return WATCH_IDLE;
	n = read(w->child.out, &byte, 1);
	if (n == 1) {
		w->under_way = false;
		return WATCH_DONE;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !is_stuck(w, now_ns))
		return WATCH_BUSY;
	*ret = w->board->at;
	end_child(w);
	return WATCH_STUCK;
}
