// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opens as many connections as it is told, as fast as it can, to a server of its own
 * that knows no more than to let a client in.  Says "held PORT" and keeps them.  With a
 * second word, that is the state in which the server says they are ("T").
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in where = { .sin_family = AF_INET };

static int check(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
	return r;
}

static void serve(int listener, char status)
{
	/* AuthenticationOk, BackendKeyData, ReadyForQuery */
	static char hello[] = "R\0\0\0\10\0\0\0\0K\0\0\0\14\0\0\0\1\0\0\0\2Z\0\0\0\5I";
	char buf[256];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	hello[sizeof(hello) - 2] = status;
	for (;;) {
		int sock = check(accept(listener, NULL, NULL), "accept");

		if (recv(sock, buf, sizeof(buf), 0) > 0)
			(void)!send(sock, hello, sizeof(hello) - 1, 0);
	}
}

static void let_in(void)
{
	static const char startup[] = "\0\0\0\x21\0\3\0\0user\0app\0database\0burst\0";
	int sock = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	char buf[64];

	check(connect(sock, (struct sockaddr *)&where, sizeof(where)), "connect");
	check((int)send(sock, startup, sizeof(startup), 0), "send");
	check((int)recv(sock, buf, sizeof(buf), 0), "recv");
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	int n = argc > 1 ? atoi(argv[1]) : 1;
	socklen_t size = sizeof(where);

	check(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(bind(listener, (struct sockaddr *)&where, sizeof(where)), "bind");
	check(listen(listener, 128), "listen");
	check(getsockname(listener, (struct sockaddr *)&where, &size), "getsockname");
	if (check(fork(), "fork") == 0)
		serve(listener, argc > 2 ? argv[2][0] : 'I');
	(void)close(listener);
	for (int i = 0; i < n; i++)
		let_in();
	printf("held %d\n", ntohs(where.sin_port));
	(void)fflush(stdout);
	(void)pause();
	return 0;
}
