// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define GROUP		  "plimsoll"
#define CLIENTS_OF_UID	  16	/* of one user other than root */
#define CLIENTS_FOR_ROOT  8	/* that others cannot take */
#define PAUSE_US	  1000000ULL
#define QUEUED_MAX	  (64UL << 20)	/* bytes of answers that wait to be read */

struct control {
	struct engine *e;
	sd_event *loop;
	struct client *clients;
	size_t count;
	uint64_t dropped;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	sd_event_source *io, *pause;
};

/* --- the lock ------------------------------------------------------------- */

#define ORPHAN_MS  3000	/* how long a repair outlives its daemon at most, and some more */
#define ORPHAN_STEP 10

static pid_t holder_of(int fd)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return (pid_t)strtol(pid, NULL, 10);
}

static int refuse_second(int fd, const char *run_dir)
{
	pid_t pid = holder_of(fd);

	if (pid > 0)
		(void)log_err(0, "another plimsolld (pid %d) serves %s", (int)pid, run_dir);
	else
		(void)log_err(0, "another plimsolld serves %s", run_dir);
	return -EBUSY;
}

/*
 * A daemon that was killed may have left a repair under way, and that has the lock too:
 * its end is awaited, so that what it leaves can be looked at.
 */
static int take_lock(int fd, const char *run_dir)
{
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += ORPHAN_STEP) {
		pid_t pid;

		if (errno != EWOULDBLOCK)
			return log_err(-errno, "cannot lock %s", run_dir);
		pid = holder_of(fd);
		if (waited >= ORPHAN_MS || pid <= 0 || !kill(pid, 0) || errno != ESRCH)
			return refuse_second(fd, run_dir);
		(void)poll(NULL, 0, ORPHAN_STEP);
	}
	return 0;
}

int control_lock(const char *run_dir, int *ret_fd)
{
	_free_ char *path = NULL;
	_close_ int fd = -1;
	int r;

	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return log_err(-errno, "cannot make the run directory %s", run_dir);
	if (asprintf(&path, "%s/lock", run_dir) < 0) {
		path = NULL;
		return log_err(-ENOMEM, "cannot lock %s", run_dir);
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return log_err(-errno, "cannot open %s", path);
	r = take_lock(fd, run_dir);
	if (r)
		return r;
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return log_err(-errno, "cannot write %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* --- requests ------------------------------------------------------------- */

static const char *error_name(enum exit_code code)
{
	switch (code) {
	case EXIT_USAGE:
		return CONTROL_INTERFACE ".Usage";
	case EXIT_NOTHING:
		return CONTROL_INTERFACE ".NothingMatched";
	case EXIT_PERMISSION:
		return CONTROL_INTERFACE ".PermissionDenied";
	case EXIT_REFUSED:
		return CONTROL_INTERFACE ".Refused";
	default:
		return CONTROL_INTERFACE ".Failed";
	}
}

/* Takes `parameters`, which may be NULL when memory ran out. */
static json_t *error_reply(const char *name, enum exit_code code, json_t *parameters)
{
	if (!parameters)
		parameters = json_pack("{s:s}", "message", "out of memory");
	(void)json_object_set_new(parameters, "exit", json_integer(code));
	return json_pack("{s:s, s:o}", "error", name, "parameters", parameters);
}

static json_t *usage_reply(const char *name, const char *message)
{
	return error_reply(name, EXIT_USAGE, json_pack("{s:s}", "message", message));
}

static json_t *info_reply(void)
{
	return json_pack("{s:{s:s, s:s, s:s, s:s, s:[s, s]}}", "parameters", "vendor", "plimsoll",
			 "product", "plimsolld", "version", PLIMSOLL_VERSION, "url", "", "interfaces",
			 "org.varlink.service", CONTROL_INTERFACE);
}

static json_t *ask_reply(struct control *c, struct client *cl, const char *method, json_t *params)
{
	json_t *doc = NULL;
	enum exit_code code = ask_piece(c->e, &cl->who, method, params, &cl->place, &doc);

	if (code != EXIT_OK || !doc)
		return error_reply(error_name(code), code == EXIT_OK ? EXIT_FAIL : code, doc);
	return json_pack("{s:o}", "parameters", doc);
}

static size_t queued(const struct control *c)
{
	size_t sum = 0;

	for (const struct client *cl = c->clients; cl; cl = cl->next)
		sum += cl->out_len - cl->out_sent;
	return sum;
}

static bool is_true(json_t *request, const char *key)
{
	return json_is_true(json_object_get(request, key));
}

static json_t *dispatch(struct control *c, struct client *cl, json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	json_t *params = json_object_get(request, "parameters");
	size_t prefix = strlen(CONTROL_INTERFACE ".");

	if (!method)
		return usage_reply(CONTROL_INTERFACE ".Usage", "the request names no method");
	if (strcmp(method, "org.varlink.service.GetInfo") == 0)
		return info_reply();
	if (strncmp(method, CONTROL_INTERFACE ".", prefix) != 0)
		return usage_reply("org.varlink.service.InterfaceNotFound",
				   "there is no such interface; there is " CONTROL_INTERFACE);
	method += prefix;
	if (queued(c) > QUEUED_MAX)
		return error_reply(CONTROL_INTERFACE ".Busy", EXIT_FAIL,
				   json_pack("{s:s}", "message", "too many answers wait to be read"));
	if (strcmp(method, "Watch") != 0)
		return ask_knows(method) ? ask_reply(c, cl, method, params) :
					   usage_reply("org.varlink.service.MethodNotFound",
						       "there is no such method");
	if (!is_true(request, "more"))
		return usage_reply(CONTROL_INTERFACE ".Usage", "Watch needs \"more\": true");
	cl->watching = true;
	return NULL;
}

void control_request(struct control *c, struct client *cl, json_t *request, json_t **reply)
{
	json_t *answer = dispatch(c, cl, request);

	if (is_true(request, "oneway")) {
		json_decref(answer);
		answer = NULL;
		cl->place = 0;
	} else if (!answer && !cl->watching) {
		answer = error_reply(CONTROL_INTERFACE ".Failed", EXIT_FAIL, NULL);
	}
	*reply = answer;
}

/* --- watchers ------------------------------------------------------------- */

static uid_t uid_of(enum notice what, const void *record)
{
	const struct finding *f = record;
	const struct repair *r = record;
	const struct gear_change *g = record;

	switch (what) {
	case NOTICE_FINDING:
		return f->conn.uid;
	case NOTICE_GEAR:
		return g->pool->uid;
	default:
		return r->finding.conn.uid;
	}
}

static char *notice_text(enum notice what, const void *record, uint64_t now_ns)
{
	json_t *o = ask_notice(what, record, now_ns), *message;
	char *text;

	message = json_pack("{s:o, s:b}", "parameters", o, "continues", true);
	text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	return text;
}

void control_notice(enum notice what, const void *record, void *arg)
{
	struct control *c = arg;
	_free_ char *text = NULL;
	struct client *next;

	for (struct client *cl = c->clients; cl; cl = next) {
		next = cl->next;
		if (!cl->watching || (cl->who.role == ROLE_OWN && cl->who.uid != uid_of(what, record)))
			continue;
		if (!text)
			text = notice_text(what, record, c->e->now_ns);
		if (!text || !client_push(cl, text, strlen(text) + 1))
			control_drop(c, cl, true);
	}
}

/* --- clients -------------------------------------------------------------- */

size_t control_clients(const struct control *c)
{
	return c->count;
}

uint64_t control_dropped(const struct control *c)
{
	return c->dropped;
}

void control_drop(struct control *c, struct client *cl, bool bad)
{
	*cl->link = cl->next;
	if (cl->next)
		cl->next->link = cl->link;
	c->count--;
	c->dropped += bad;
	client_free(cl);
}

static bool has_room(const struct control *c, uid_t uid)
{
	size_t same = 0, others = 0;

	for (const struct client *cl = c->clients; cl; cl = cl->next) {
		same += cl->who.uid == uid;
		others += cl->who.uid != 0;
	}
	if (c->count >= CONTROL_CLIENTS)
		return false;
	return uid == 0 ||
	       (same < CLIENTS_OF_UID && others < CONTROL_CLIENTS - CLIENTS_FOR_ROOT);
}

int control_add(struct control *c, int fd, const struct caller *who)
{
	struct client *cl;
	int r;

	if (!has_room(c, who->uid)) {
		(void)close(fd);
		return -EBUSY;
	}
	r = client_new(&cl, c, c->loop, fd, who);
	if (r < 0)
		return r;
	cl->next = c->clients;
	cl->link = &c->clients;
	if (cl->next)
		cl->next->link = &cl->next;
	c->clients = cl;
	c->count++;
	return 0;
}

/* What the process has, not what the user database would give it. */
static bool is_in_group(int fd, const struct ucred *peer)
{
	const struct group *group = getgrnam(GROUP);
	gid_t gids[256];
	socklen_t size = sizeof(gids);

	if (!group)
		return false;
	if (peer->gid == group->gr_gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(*gids); i++) {
		if (gids[i] == group->gr_gid)
			return true;
	}
	return false;
}

static int identify(int fd, struct caller *out)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	out->uid = peer.uid;
	if (peer.uid == 0)
		out->role = ROLE_ALL;
	else
		out->role = is_in_group(fd, &peer) ? ROLE_READ : ROLE_OWN;
	return 0;
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *arg)
{
	const struct control *c = arg;

	(void)s;
	(void)usec;
	return sd_event_source_set_enabled(c->io, SD_EVENT_ON);
}

/* Out of descriptors: the client stays in the backlog, and we do not spin. */
static int pause_accept(struct control *c)
{
	(void)log_warn(0, "too many open files, no client is let in for a second");
	(void)sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	(void)sd_event_source_set_time_relative(c->pause, PAUSE_US);
	return sd_event_source_set_enabled(c->pause, SD_EVENT_ONESHOT);
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct control *c = arg;
	struct caller who;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)s;
	(void)events;
	if (peer < 0)
		return errno == EMFILE || errno == ENFILE ? pause_accept(c) : 0;
	if (identify(peer, &who) < 0)
		(void)close(peer);
	else if (control_add(c, peer, &who) < 0)
		c->dropped++;
	return 0;
}

/* --- the socket ----------------------------------------------------------- */

static int bind_socket(struct control *c, const char *run_dir)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int n = snprintf(c->path, sizeof(c->path), "%s/%s", run_dir, CONTROL_SOCKET);
	mode_t old;
	int r;

	if (n < 0 || (size_t)n >= sizeof(c->path)) {
		c->path[0] = '\0';
		return log_err(-ENAMETOOLONG, "cannot listen in %s", run_dir);
	}
	if (fd < 0)
		return log_err(-errno, "cannot make a socket");
	memcpy(where.sun_path, c->path, sizeof(c->path));
	/* Whoever left it there is gone: the lock is ours. */
	(void)unlink(c->path);
	old = umask(0111);
	r = bind(fd, (const struct sockaddr *)&where, sizeof(where));
	(void)umask(old);
	if (r < 0 || listen(fd, CONTROL_CLIENTS) < 0)
		return log_err(-errno, "cannot listen at %s", c->path);
	c->fd = TAKE_FD(fd);
	return 0;
}

int control_new(struct control **ret, sd_event *loop, struct engine *e)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return log_err(-ENOMEM, "cannot serve clients");
	c->e = e;
	c->fd = -1;
	c->loop = sd_event_ref(loop);
	*ret = c;
	return 0;
}

static int add_sources(struct control *c)
{
	int r = sd_event_add_io(c->loop, &c->io, c->fd, EPOLLIN, on_accept, c);

	if (r >= 0)
		r = sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_NORMAL + 10);
	if (r >= 0)
		r = sd_event_add_time_relative(c->loop, &c->pause, CLOCK_MONOTONIC, PAUSE_US, 0,
					       on_pause_over, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->pause, SD_EVENT_OFF);
	return r < 0 ? log_err(r, "cannot serve clients") : 0;
}

int control_open(struct control **ret, sd_event *loop, const char *run_dir, struct engine *e)
{
	struct control *c = NULL;
	int r = control_new(&c, loop, e);

	if (r < 0)
		return r;
	r = bind_socket(c, run_dir);
	if (r >= 0)
		r = add_sources(c);
	if (r < 0) {
		control_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		control_drop(c, c->clients, false);
	(void)sd_event_source_disable_unref(c->io);
	(void)sd_event_source_disable_unref(c->pause);
	if (c->fd >= 0) {
		(void)close(c->fd);
		(void)unlink(c->path);
	}
	(void)sd_event_unref(c->loop);
	free(c);
}
