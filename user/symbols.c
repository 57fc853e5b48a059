// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plimsoll-symbols: reads other people's ELF files, and nothing else.
 *
 * Started by lib/symbols for one look-up, with the files already open.  Gives up all
 * rights before it looks at any of them: what is in a file may make it wrong, slow or
 * dead, but has nothing to take and no way out but the answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/symbols_wire.h"
#include "symbols/confine.h"
#include "symbols/exports.h"
#include "symbols/module.h"
#include "symbols/perf_map.h"
#include "symbols/stack.h"

/* The file that is being read: the queries come ordered by file. */
struct reading {
	uint32_t file;
	bool open;
	uint32_t kind;
	struct module module; /* SYMBOLS_ELF */
	const char *text;     /* SYMBOLS_PERF_MAP */
	size_t size;
};

static bool read_all(void *to, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(STDIN_FILENO, (char *)to + have, size - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

static bool read_queries(struct symbols_request *r)
{
	if (r->head.files > SYMBOLS_FILES_MAX || r->head.queries > SYMBOLS_QUERIES_MAX ||
	    !read_all(&r->pad, sizeof(r->pad)))
		return false;
	if (!read_all(r->queries, r->head.queries * sizeof(r->queries[0])))
		return false;
	for (uint32_t i = 0; i < r->head.queries; i++)
		if (r->queries[i].file >= r->head.files)
			return false;
	return true;
}

static bool read_stack(struct symbols_stack *s)
{
	const size_t before = sizeof(s->head), after = offsetof(struct symbols_stack, maps);

	if (s->head.files > SYMBOLS_FILES_MAX || s->head.queries > SYMBOLS_MAPS_MAX ||
	    !read_all((char *)s + before, after - before) || s->len > sizeof(s->bytes))
		return false;
	if (!read_all(s->maps, s->head.queries * sizeof(s->maps[0])))
		return false;
	for (uint32_t i = 0; i < s->head.queries; i++)
		if (s->maps[i].file >= s->head.files && s->maps[i].file != SYMBOLS_NO_FILE)
			return false;
	return true;
}

static bool read_names(struct symbols_names *n)
{
	if (n->head.files > SYMBOLS_FILES_MAX || n->head.queries > SYMBOLS_NAMES_MAX ||
	    !read_all(n->names, n->head.queries * sizeof(n->names[0])))
		return false;
	for (uint32_t i = 0; i < n->head.queries; i++)
		if (!memchr(n->names[i], '\0', sizeof(n->names[i])))
			return false;
	return true;
}

static bool read_go(struct symbols_go *q)
{
	const size_t before = sizeof(q->head), after = offsetof(struct symbols_go, fields);

	if (q->head.files != 1 || q->head.queries > GO_FIELDS_MAX ||
	    !read_all((char *)q + before, after - before) ||
	    !read_all(q->fields, q->head.queries * sizeof(q->fields[0])))
		return false;
	q->function[sizeof(q->function) - 1] = '\0';
	for (uint32_t i = 0; i < q->head.queries; i++) {
		q->fields[i].type[sizeof(q->fields[i].type) - 1] = '\0';
		q->fields[i].field[sizeof(q->fields[i].field) - 1] = '\0';
	}
	return true;
}

static bool map_text(struct reading *r, int fd)
{
	struct stat st;
	void *text;

	if (fstat(fd, &st) || st.st_size <= 0)
		return false;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return false;
	r->text = text;
	r->size = (size_t)st.st_size;
	return true;
}

static void done(struct reading *r)
{
	if (r->kind == SYMBOLS_ELF)
		module_close(&r->module);
	if (r->text)
		(void)munmap((void *)r->text, r->size);
	*r = (struct reading){ .file = UINT32_MAX };
}

static void turn_to(struct reading *r, const struct symbols_query *q)
{
	int fd = SYMBOLS_FD + (int)q->file;

	if (r->file == q->file)
		return;
	done(r);
	r->file = q->file;
	r->kind = q->kind;
	r->open = q->kind == SYMBOLS_ELF ? module_open(&r->module, fd) : map_text(r, fd);
}

/* What comes before a return address is the call, whatever its length. */
static void find_in_module(const struct module *m, const struct symbols_query *q,
			   struct symbols_answer *a, struct place *p)
{
	uint64_t address;

	a->go = m->is_go;
	(void)snprintf(a->build_id, sizeof(a->build_id), "%s", m->build_id);
	a->offset = q->position;
	if (q->position == SYMBOLS_NOWHERE)
		return;
	if (!module_address(m, q->position - q->is_return, &address))
		return;
	a->offset = address + q->is_return;
	module_find(m, address, p);
}

static struct symbols_answer answer_to(const struct reading *r, const struct symbols_query *q)
{
	struct symbols_answer a = { .read = r->open };
	struct place p = { 0 };

	if (r->open && r->kind == SYMBOLS_ELF)
		find_in_module(&r->module, q, &a, &p);
	else if (r->open)
		(void)perf_map_find(r->text, r->size, q->position - q->is_return, &p);
	if (r->kind != SYMBOLS_ELF)
		a.offset = q->position;
	(void)snprintf(a.function, sizeof(a.function), "%s", p.function);
	(void)snprintf(a.file, sizeof(a.file), "%s", p.file);
	a.line = p.line;
	return a;
}

static void say(const void *what, size_t size)
{
	if (write(STDOUT_FILENO, what, size) != (ssize_t)size)
		_exit(1);
}

static void say_address(uint64_t address)
{
	say(&address, sizeof(address));
}

static void answer_all(const struct symbols_request *request)
{
	struct reading r = { .file = UINT32_MAX };

	for (uint32_t i = 0; i < request->head.queries; i++) {
		struct symbols_answer a;

		turn_to(&r, &request->queries[i]);
		a = answer_to(&r, &request->queries[i]);
		a.query = i;
		say(&a, sizeof(a));
	}
}

static void answer_offsets(struct symbols_names *n)
{
	for (uint32_t i = 0; i < n->head.files; i++) {
		struct symbols_offsets a = { .file = i };

		a.read = exports_find(SYMBOLS_FD + (int)i, n->names, n->head.queries, a.offsets);
		say(&a, sizeof(a));
	}
}

/* Debug information is large: only what uses the function is asked for its types. */
static void answer_go(const struct symbols_go *q)
{
	struct symbols_go_answer a = { 0 };
	struct module m;
	uint64_t pc;

	for (size_t i = 0; i < GO_FIELDS_MAX; i++)
		a.fields[i] = -1;
	a.read = module_open(&m, SYMBOLS_FD);
	if (a.read) {
		a.go = m.is_go;
		go_version(&m, a.version, sizeof(a.version));
		if (m.has_pclntab && pclntab_function(&m.pclntab, q->function, &pc) &&
		    module_offset(&m, pc, &a.function_at))
			fields_find(&m, q, a.fields);
	}
	say(&a, sizeof(a));
}

int main(void)
{
	static union {
		struct symbols_head head;
		struct symbols_request request;
		struct symbols_stack stack;
		struct symbols_names names;
		struct symbols_go go;
	} asked;

	if (confine() < 0)
		return 3;
	if (!read_all(&asked.head, sizeof(asked.head)))
		return 2;
	if (asked.head.magic == SYMBOLS_MAGIC && read_queries(&asked.request)) {
		answer_all(&asked.request);
	} else if (asked.head.magic == SYMBOLS_STACK_MAGIC && read_stack(&asked.stack)) {
		stack_follow(&asked.stack, say_address);
		say_address(0);
	} else if (asked.head.magic == SYMBOLS_NAMES_MAGIC && read_names(&asked.names)) {
		answer_offsets(&asked.names);
	} else if (asked.head.magic == SYMBOLS_GO_MAGIC && read_go(&asked.go)) {
		answer_go(&asked.go);
	} else {
		return 2;
	}
	/* Nothing is tidied up: what was read may have left it in disorder. */
	_exit(0);
}
