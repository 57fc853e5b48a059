// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "control.h"
#include "fixture.h"
#include "lib/cleanup.h"

struct world {
	struct engine e;
	sd_event *loop;
	struct control *control;
};

/* The test's end of a client. */
struct peer {
	int fd;
	char in[1 << 20];
	size_t len;
};

static void world_open(struct world *w)
{
	fixture_open(&w->e);
	assert_true(sd_event_new(&w->loop) >= 0);
	assert_int_equal(control_new(&w->control, w->loop, &w->e), 0);
}

static void world_close(struct world *w)
{
	control_close(w->control);
	(void)sd_event_unref(w->loop);
	fixture_close(&w->e);
}

static struct peer *join(struct world *w, enum role role, uid_t uid)
{
	const struct caller who = { .role = role, .uid = uid };
	struct peer *p = calloc(1, sizeof(*p));
	int fds[2];

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(control_add(w->control, fds[0], &who), 0);
	p->fd = fds[1];
	return p;
}

static void leave(struct peer *p)
{
	(void)close(p->fd);
	free(p);
}

/* Runs the loop until it has nothing left to do. */
static void pump(const struct world *w)
{
	while (sd_event_run(w->loop, 0) > 0)
		;
}

static void say(const struct world *w, const struct peer *p, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = send(p->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
		pump(w);
	}
	pump(w);
}

/* A whole request; the literal's own end is the message's. */
#define SAY(w, p, text) say(w, p, text, sizeof(text))

/* The next message, or NULL when there is none now. */
static json_t *hear(const struct world *w, struct peer *p)
{
	json_t *message;
	char *end;

	while (!(end = memchr(p->in, '\0', p->len))) {
		ssize_t n = recv(p->fd, p->in + p->len, sizeof(p->in) - p->len, MSG_DONTWAIT);

		if (n <= 0)
			return NULL;
		p->len += (size_t)n;
		pump(w);
	}
	message = json_loads(p->in, 0, NULL);
	assert_non_null(message);
	p->len -= (size_t)(end - p->in) + 1;
	memmove(p->in, end + 1, p->len);
	return message;
}

static bool hung_up(const struct peer *p)
{
	char byte;

	return recv(p->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void hears_nothing(const struct world *w, struct peer *p)
{
	assert_null(hear(w, p));
	assert_false(hung_up(p));
}

static void hears_document(const struct world *w, struct peer *p, const char *name, size_t rows)
{
	json_t *message = hear(w, p), *doc = json_object_get(message, "parameters");

	assert_non_null(message);
	assert_null(json_object_get(message, "error"));
	assert_int_equal(json_integer_value(json_object_get(doc, "schema")), 1);
	assert_int_equal(json_array_size(json_object_get(doc, name)), rows);
	json_decref(message);
}

static void hears_error(const struct world *w, struct peer *p, const char *name, int code,
			const char *says)
{
	json_t *message = hear(w, p), *parameters = json_object_get(message, "parameters");
	const char *text = json_string_value(json_object_get(parameters, "message"));

	assert_non_null(message);
	assert_string_equal(json_string_value(json_object_get(message, "error")), name);
	assert_int_equal(json_integer_value(json_object_get(parameters, "exit")), code);
	assert_non_null(text);
	if (!strstr(text, says))
		fail_msg("'%s' is not in '%s'", says, text);
	json_decref(message);
}

#define CONNS "{\"method\":\"io.plimsoll.Conns\"}"

static void frames_requests(void **state)
{
	struct world w;
	struct peer *p;

	(void)state;
	world_open(&w);
	(void)fixture_conn(&w.e, 0, 1000, 'I');
	p = join(&w, ROLE_ALL, 0);
	for (size_t i = 0; i + 1 < sizeof(CONNS); i++) {
		say(&w, p, CONNS + i, 1);
		hears_nothing(&w, p);
	}
	say(&w, p, "", 1);
	hears_document(&w, p, "conns", 1);
	SAY(&w, p, CONNS "\0" CONNS "\0" CONNS);
	for (int i = 0; i < 3; i++)
		hears_document(&w, p, "conns", 1);
	hears_nothing(&w, p);
	SAY(&w, p, "{\"method\":\"io.plimsoll.Conns\",\"oneway\":true}");
	hears_nothing(&w, p);
	SAY(&w, p, "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}");
	json_decref(hear(&w, p));
	assert_int_equal(control_clients(w.control), 1);
	leave(p);
	pump(&w);
	assert_int_equal(control_clients(w.control), 0);
	world_close(&w);
}

static void answers_after_half_close(void **state)
{
	struct world w;
	struct peer *p;

	(void)state;
	world_open(&w);
	p = join(&w, ROLE_ALL, 0);
	assert_int_equal(send(p->fd, CONNS "\0" CONNS, sizeof(CONNS "\0" CONNS), 0),
			 sizeof(CONNS "\0" CONNS));
	assert_int_equal(shutdown(p->fd, SHUT_WR), 0);
	pump(&w);
	hears_document(&w, p, "conns", 0);
	hears_document(&w, p, "conns", 0);
	assert_true(hung_up(p));
	leave(p);
	world_close(&w);
}

static void bad_message(const char *bytes, size_t size, const char *says)
{
	struct world w;
	struct peer *p, *other;

	world_open(&w);
	p = join(&w, ROLE_ALL, 0);
	other = join(&w, ROLE_ALL, 0);
	say(&w, p, bytes, size);
	hears_error(&w, p, "io.plimsoll.BadMessage", EXIT_USAGE, says);
	assert_true(hung_up(p));
	assert_int_equal(control_dropped(w.control), 1);
	SAY(&w, other, CONNS);
	hears_document(&w, other, "conns", 0);
	leave(p);
	leave(other);
	world_close(&w);
}

#define BAD(text, says) bad_message(text, sizeof(text), says)

static void hangs_up_on_nonsense(void **state)
{
	static char large[CONTROL_REQUEST_MAX], deep[200];

	(void)state;
	BAD("", "not a JSON object");
	BAD("nonsense", "not a JSON object");
	BAD("[1]", "not a JSON object");
	BAD("{\"method\":\"\xff\xfe\"}", "not a JSON object");
	BAD("{\"a\":1,\"a\":2}", "not a JSON object");
	memset(large, ' ', sizeof(large));
	bad_message(large, sizeof(large), "too long");
	memset(deep, '[', sizeof(deep) - 1);
	bad_message(deep, sizeof(deep), "too deeply");
}

static void keeps_those_who_err(void **state)
{
	struct world w;
	struct peer *p;

	(void)state;
	world_open(&w);
	p = join(&w, ROLE_ALL, 0);
	SAY(&w, p, "{}");
	hears_error(&w, p, "io.plimsoll.Usage", EXIT_USAGE, "no method");
	SAY(&w, p, "{\"method\":5}");
	hears_error(&w, p, "io.plimsoll.Usage", EXIT_USAGE, "no method");
	SAY(&w, p, "{\"method\":\"io.plimsoll.Dance\"}");
	hears_error(&w, p, "org.varlink.service.MethodNotFound", EXIT_USAGE, "no such method");
	SAY(&w, p, "{\"method\":\"com.example.Conns\"}");
	hears_error(&w, p, "org.varlink.service.InterfaceNotFound", EXIT_USAGE, "interface");
	SAY(&w, p, "{\"method\":\"io.plimsoll.Conns\",\"parameters\":[]}");
	hears_error(&w, p, "io.plimsoll.Usage", EXIT_USAGE, "must be an object");
	SAY(&w, p, "{\"method\":\"io.plimsoll.Show\",\"parameters\":{\"id\":\"c1.1\"}}");
	hears_error(&w, p, "io.plimsoll.NothingMatched", EXIT_NOTHING, "c1.1");
	SAY(&w, p, "{\"method\":\"io.plimsoll.Watch\"}");
	hears_error(&w, p, "io.plimsoll.Usage", EXIT_USAGE, "more");
	/* Deep in a text is not deep, and as deep as allowed is allowed. */
	SAY(&w, p, "{\"method\":\"io.plimsoll.Conns\",\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}");
	hears_document(&w, p, "conns", 0);
	assert_int_equal(control_dropped(w.control), 0);
	leave(p);
	world_close(&w);
}

static void grants_by_role(void **state)
{
	struct world w;
	struct peer *own, *reader;

	(void)state;
	world_open(&w);
	(void)fixture_conn(&w.e, 0, 1000, 'I');
	(void)fixture_conn(&w.e, 1, 1001, 'I');
	own = join(&w, ROLE_OWN, 1000);
	reader = join(&w, ROLE_READ, 1002);
	SAY(&w, own, CONNS);
	hears_document(&w, own, "conns", 1);
	SAY(&w, reader, CONNS);
	hears_document(&w, reader, "conns", 2);
	SAY(&w, own, "{\"method\":\"io.plimsoll.Stop\"}");
	hears_error(&w, own, "io.plimsoll.PermissionDenied", EXIT_PERMISSION, "uid 1000");
	SAY(&w, reader, "{\"method\":\"io.plimsoll.Fix\",\"parameters\":{\"id\":\"cab12.100\"}}");
	hears_error(&w, reader, "io.plimsoll.PermissionDenied", EXIT_PERMISSION, "uid 1002");
	SAY(&w, own, "{\"method\":\"io.plimsoll.Fix\",\"parameters\":{\"id\":\"cab12.101\"}}");
	hears_error(&w, own, "io.plimsoll.Refused", EXIT_REFUSED, "may not act");
	leave(own);
	leave(reader);
	world_close(&w);
}

/* An answer that is not read holds up its reader and nobody else. */
static void waits_for_slow_readers(void **state)
{
	struct world w;
	struct peer *slow, *other;

	(void)state;
	world_open(&w);
	for (uint32_t i = 0; i < 600; i++)
		(void)fixture_conn(&w.e, i, 1000, 'I');
	slow = join(&w, ROLE_ALL, 0);
	other = join(&w, ROLE_OWN, 1);
	SAY(&w, slow, CONNS "\0" CONNS);
	SAY(&w, other, CONNS);
	hears_document(&w, other, "conns", 0);
	assert_int_equal(control_clients(w.control), 2);
	hears_document(&w, slow, "conns", 600);
	hears_document(&w, slow, "conns", 600);
	leave(slow);
	leave(other);
	world_close(&w);
}

#define PIECE 256 /* rows */

static void hears_conns(const struct world *w, struct peer *p, size_t rows)
{
	SAY(w, p, CONNS);
	hears_document(w, p, "conns", rows);
	hears_nothing(w, p);
}

/* A long answer is made a piece at a time, and others are answered in between. */
static void answers_in_pieces(void **state)
{
	static const size_t counts[] = { 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 1000 };
	const struct slot over = {};
	struct peer *slow, *quick;
	struct world w;
	uint32_t made = 0;

	(void)state;
	world_open(&w);
	slow = join(&w, ROLE_ALL, 0);
	quick = join(&w, ROLE_ALL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		while (made < counts[i])
			(void)fixture_conn(&w.e, made++, 1000, 'I');
		hears_conns(&w, slow, counts[i]);
	}
	/* The last of them end while the answer to one who reads nothing is under way. */
	SAY(&w, slow, CONNS "\0" CONNS);
	for (uint32_t i = PIECE * 3; i < made; i++)
		assert_null(conns_apply_slot(&w.e.conns, i, &over));
	hears_conns(&w, quick, PIECE * 3);
	hears_document(&w, slow, "conns", PIECE * 3);
	hears_document(&w, slow, "conns", PIECE * 3);
	/* Who goes in the middle of it takes nobody along. */
	SAY(&w, slow, CONNS);
	leave(slow);
	pump(&w);
	hears_conns(&w, quick, PIECE * 3);
	leave(quick);
	world_close(&w);
}

static const struct finding *some_finding(struct world *w, uint32_t uid)
{
	(void)fixture_conn(&w->e, 0, uid, 'T');
	fixture_detect(&w->e);
	findings_for_each(&w->e.detect, f)
		return f;
	fail_msg("no finding");
	return NULL;
}

#define WATCH "{\"method\":\"io.plimsoll.Watch\",\"more\":true}"

static void tells_watchers(void **state)
{
	struct world w;
	struct peer *all, *own, *other;
	const struct finding *f;
	json_t *message;

	(void)state;
	world_open(&w);
	f = some_finding(&w, 1000);
	all = join(&w, ROLE_ALL, 0);
	own = join(&w, ROLE_OWN, 1000);
	other = join(&w, ROLE_OWN, 1001);
	SAY(&w, all, WATCH);
	SAY(&w, own, WATCH);
	SAY(&w, other, WATCH);
	hears_nothing(&w, all);
	control_notice(NOTICE_FINDING, f, w.control);
	message = hear(&w, all);
	assert_true(json_is_true(json_object_get(message, "continues")));
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(message, "parameters"), "id")),
			    f->id);
	json_decref(message);
	message = hear(&w, own);
	assert_non_null(message);
	json_decref(message);
	hears_nothing(&w, other);
	/* A watcher has nothing more to say. */
	SAY(&w, other, CONNS);
	assert_null(hear(&w, other));
	assert_int_equal(control_clients(w.control), 2);
	leave(all);
	leave(own);
	leave(other);
	world_close(&w);
}

static void drops_watchers_that_lag(void **state)
{
	struct world w;
	struct peer *p;
	const struct finding *f;
	int told = 0;

	(void)state;
	world_open(&w);
	f = some_finding(&w, 1000);
	p = join(&w, ROLE_ALL, 0);
	SAY(&w, p, WATCH);
	while (control_clients(w.control) && told < 100000) {
		control_notice(NOTICE_FINDING, f, w.control);
		told++;
	}
	assert_int_equal(control_clients(w.control), 0);
	assert_int_equal(control_dropped(w.control), 1);
	/* It took more than a socket's worth to lose patience. */
	assert_true(told > 4000);
	leave(p);
	world_close(&w);
}

static void bounds_clients(void **state)
{
	struct peer *peers[CONTROL_CLIENTS];
	struct caller who = { .role = ROLE_OWN, .uid = 7 };
	struct world w;
	size_t n = 0;
	int fds[2];

	(void)state;
	world_open(&w);
	while (n < CONTROL_CLIENTS) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		if (control_add(w.control, fds[0], &who) < 0) {
			(void)close(fds[1]);
			break;
		}
		peers[n] = calloc(1, sizeof(*peers[n]));
		peers[n++]->fd = fds[1];
	}
	assert_int_equal(n, 16);
	while (n < CONTROL_CLIENTS)
		peers[n++] = join(&w, ROLE_ALL, 0);
	who = (struct caller){ .role = ROLE_ALL };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(control_add(w.control, fds[0], &who), -EBUSY);
	(void)close(fds[1]);
	while (n)
		leave(peers[--n]);
	pump(&w);
	assert_int_equal(control_clients(w.control), 0);
	world_close(&w);
}

static void serves_a_directory(void **state)
{
	char dir[] = "/tmp/plimsoll-test-XXXXXX", run[64];
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	struct control *control;
	struct world w;
	struct stat st;
	int lock = -1, second = -1, fd;

	(void)state;
	world_open(&w);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	(void)snprintf(where.sun_path, sizeof(where.sun_path), "%s/run/control.sock", dir);
	assert_int_equal(control_lock(run, &lock), 0);
	assert_int_equal(control_lock(run, &second), -EBUSY);
	assert_int_equal(second, -1);
	/* What a daemon that was killed left behind. */
	fd = open(where.sun_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(control_open(&control, w.loop, run, &w.e), 0);
	assert_int_equal(stat(where.sun_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0666);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	pump(&w);
	assert_int_equal(control_clients(control), 1);
	(void)close(fd);
	control_close(control);
	assert_int_equal(stat(where.sun_path, &st), -1);
	(void)close(lock);
	assert_int_equal(control_lock(run, &lock), 0);
	(void)close(lock);
	(void)snprintf(where.sun_path, sizeof(where.sun_path), "%s/lock", run);
	(void)unlink(where.sun_path);
	(void)rmdir(run);
	(void)rmdir(dir);
	world_close(&w);
}

/* A repair that outlives its daemon has the lock, too: its end is awaited. */
static void awaits_an_orphan(void **state)
{
	char dir[] = "/tmp/plimsoll-test-XXXXXX", run[64], path[96];
	int lock = -1, status;
	pid_t daemon, orphan;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(run, sizeof(run), "%s/run", dir);
	(void)snprintf(path, sizeof(path), "%s/lock", run);
	daemon = fork();
	if (daemon == 0) {
		if (control_lock(run, &lock))
			_exit(1);
		orphan = fork();
		if (orphan == 0)
			(void)usleep(300000);
		_exit(0);
	}
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	assert_int_equal(status, 0);
	assert_int_equal(control_lock(run, &lock), 0);
	(void)close(lock);
	(void)unlink(path);
	(void)rmdir(run);
	(void)rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_requests),
		cmocka_unit_test(answers_after_half_close),
		cmocka_unit_test(hangs_up_on_nonsense),
		cmocka_unit_test(keeps_those_who_err),
		cmocka_unit_test(grants_by_role),
		cmocka_unit_test(waits_for_slow_readers),
		cmocka_unit_test(answers_in_pieces),
		cmocka_unit_test(tells_watchers),
		cmocka_unit_test(drops_watchers_that_lag),
		cmocka_unit_test(bounds_clients),
		cmocka_unit_test(serves_a_directory),
		cmocka_unit_test(awaits_an_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
