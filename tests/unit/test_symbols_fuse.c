// SPDX-License-Identifier: GPL-2.0-or-later
/* A program whose file another program answers for, and then no longer does. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/language.h"
#include "program_kit.h"
#include "resolve_kit.h"

#define FILE_INODE 2

/* ---- a file system of one file, "app" */

struct served {
	int fuse, content;
	uint64_t size;
};

static void answer(const struct served *fs, const struct fuse_in_header *in, int error,
		   const void *body, size_t size)
{
	static char out[sizeof(struct fuse_out_header) + (1 << 18)];
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + size),
		.error = error,
		.unique = in->unique,
	};

	memcpy(out, &head, sizeof(head));
	if (size)
		memcpy(out + sizeof(head), body, size);
	if (write(fs->fuse, out, head.len) < 0)
		_exit(1);
}

/* Nothing may be remembered: who wants to know, asks. */
static struct fuse_attr attributes(const struct served *fs, uint64_t inode)
{
	return (struct fuse_attr){
		.ino = inode,
		.size = inode == FILE_INODE ? fs->size : 0,
		.mode = inode == FILE_INODE ? S_IFREG | 0755 : S_IFDIR | 0755,
		.nlink = 1,
	};
}

static void serve_one(const struct served *fs, const struct fuse_in_header *in, const void *body)
{
	static char bytes[1 << 18];
	const struct fuse_read_in *wanted = body;
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION,
				      .minor = 31,
				      .max_write = 4096 };
	struct fuse_entry_out entry = { .nodeid = FILE_INODE, .attr = attributes(fs, FILE_INODE) };
	struct fuse_attr_out attr = { .attr = attributes(fs, in->nodeid) };
	struct fuse_open_out opened = { 0 };
	ssize_t n;

	switch (in->opcode) {
	case FUSE_INIT:
		answer(fs, in, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		if (strcmp(body, "app") != 0)
			answer(fs, in, -ENOENT, NULL, 0);
		else
			answer(fs, in, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(fs, in, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		answer(fs, in, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		n = pread(fs->content, bytes, wanted->size, (off_t)wanted->offset);
		answer(fs, in, 0, bytes, n > 0 ? (size_t)n : 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		answer(fs, in, -ENOSYS, NULL, 0);
	}
}

static pid_t serve(const struct served *fs)
{
	static char request[1 << 18] __attribute__((aligned(8)));
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fs->fuse, request, sizeof(request)) > 0)
		serve_one(fs, (const struct fuse_in_header *)request,
			  request + sizeof(struct fuse_in_header));
	_exit(0);
}

/* Without it the test would prove nothing: somebody who asks the file system waits. */
static bool asking_waits(const char *path)
{
	int status = 0;
	pid_t pid = fork();
	struct stat st;

	if (!pid) {
		(void)alarm(1);
		_exit(stat(path, &st) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

static void does_not_wait_for_a_program(void **state)
{
	const struct place_for_files *d = *state;
	struct served fs = { .fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC) };
	char mounted[128], path[160], options[128];
	const char *const argv[] = { path, NULL };
	struct symbols *s = NULL;
	struct frame f[2];
	struct program p;
	uint64_t start_ns;
	struct stat st;
	pid_t server;

	if (geteuid() || fs.fuse < 0)
		skip();
	(void)snprintf(mounted, sizeof(mounted), "%s/mounted", d->path);
	(void)snprintf(path, sizeof(path), "%s/app", d->path);
	sh("cd %s && mkdir mounted && printf '#include <stdio.h>\\n#include <unistd.h>\\n"
	   "int main(void) { printf(\"%%%%lx\\\\n\", (long)&main); fflush(stdout); "
	   "for (;;) pause(); }\\n' >app.c && gcc -g -o app app.c",
	   d->path);
	fs.content = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fs.content, &st), 0);
	fs.size = (uint64_t)st.st_size;
	(void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0",
		       fs.fuse);
	if (mount("plimsoll-test", mounted, "fuse", MS_NOSUID | MS_NODEV, options))
		skip();
	server = serve(&fs);
	(void)close(fs.fuse);
	(void)snprintf(path, sizeof(path), "%s/app", mounted);
	p = program_start(argv);
	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_int_equal(waitpid(server, NULL, WUNTRACED), server);
	assert_true(asking_waits(path));

	assert_int_equal(symbols_new(NULL, reader_path(), &s), 0);
	start_ns = clock_now_ns();
	assert_int_equal(resolve(s, (uint32_t)p.pid, p.addrs, 1, f), 1);
	assert_string_equal(f[0].module, "app (on FUSE, not read)");
	assert_string_equal(f[0].function, "");
	assert_true(f[0].offset > 0);
	assert_string_equal(language_now(s, (uint32_t)p.pid), "");
	assert_true(clock_now_ns() - start_ns < NS_PER_S / 2);
	symbols_free(s);

	/* With the server goes the connection, and with it everybody's waiting. */
	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, NULL, 0), server);
	program_end(&p);
	assert_int_equal(umount2(mounted, MNT_DETACH), 0);
	(void)close(fs.content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(does_not_wait_for_a_program, make_directory,
						remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
