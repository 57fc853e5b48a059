// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The layouts, from internal/abi/type.go: a type is 48 bytes, its kind among them;
 * behind them a pointer has the type it points to, a structure its package and its
 * fields, each a name, a type and an offset.  An interface is two words: a table that
 * names the type, and the value or where it is.
 *
 * Drivers and what wraps them give the connection inside few names: it is followed by
 * these, down to the net package's own structure.  A wrong turn ends in nothing, or at
 * a socket that is none of the pool's; whoever asks has to compare.
 */
#include <string.h>

#include "gopools/socket.h"
#include "lib/cleanup.h"

#define KIND_INTERFACE 20
#define KIND_POINTER   22
#define KIND_STRUCT    25
#define KIND_MASK      31

#define STEPS_MAX     16  /* structures inside each other */
#define FIELDS_MAX    128 /* of one structure */
#define NAME_BYTES    16  /* no name that is looked for is longer */
#define TABLE_TYPE    8	  /* in an interface's table */
#define NO_OFFSET_BIT 19  /* before this version the offset's lowest bit says something else */

struct type_head {
	uint8_t before_kind[23], kind;
	uint8_t after_kind[24];
	uint64_t elem; /* of a structure: its package */
	uint64_t fields, field_count;
};

struct field {
	uint64_t name, type, offset;
};

_Static_assert(sizeof(struct type_head) == 72 && sizeof(struct field) == 24, "as Go has them");

/* A value of some type, in the process's memory. */
struct value {
	uint64_t type, at;
};

/* A field that is looked for. */
struct sought {
	const char *name;
	bool found;
	struct value value;
};

struct walk {
	const struct go_memory *memory;
	uint32_t minor;
};

static bool name_is(const struct walk *w, uint64_t at, const char *wanted)
{
	uint8_t head[2]; /* flags and length */
	char text[NAME_BYTES];
	size_t len = strlen(wanted);

	return len <= sizeof(text) && memory_read(w->memory, at, head, sizeof(head)) &&
	       head[1] == len && memory_read(w->memory, at + sizeof(head), text, len) &&
	       memcmp(text, wanted, len) == 0;
}

static bool read_type(const struct walk *w, uint64_t at, struct type_head *ret)
{
	/* One that is neither has less behind it, and may be the last on its page. */
	const size_t least = offsetof(struct type_head, elem);

	memset(ret, 0, sizeof(*ret));
	if (!memory_read(w->memory, at, ret, least))
		return false;
	ret->kind &= KIND_MASK;
	if (ret->kind == KIND_STRUCT)
		return memory_read(w->memory, at + least, &ret->elem, sizeof(*ret) - least);
	if (ret->kind == KIND_POINTER)
		return memory_read(w->memory, at + least, &ret->elem, sizeof(ret->elem));
	return true;
}

/* A pointer in an interface is the value itself; anything else lies where it points. */
static bool open_interface(const struct walk *w, struct value *v)
{
	struct {
		uint64_t table, data;
	} words;
	struct type_head t;
	struct value inside;

	if (!memory_read(w->memory, v->at, &words, sizeof(words)) || !words.table || !words.data ||
	    !memory_read(w->memory, words.table + TABLE_TYPE, &inside.type, sizeof(inside.type)) ||
	    !read_type(w, inside.type, &t))
		return false;
	inside.at = words.data;
	if (t.kind == KIND_POINTER)
		inside.type = t.elem;
	*v = inside;
	return true;
}

/* Follows pointers and interfaces to the structure behind them. */
static bool reach_struct(const struct walk *w, struct value *v, struct type_head *ret)
{
	for (int i = 0; i < 4; i++) {
		if (!v->at || !read_type(w, v->type, ret))
			return false;
		switch (ret->kind) {
		case KIND_STRUCT:
			return true;
		case KIND_POINTER:
			v->type = ret->elem;
			if (!memory_read(w->memory, v->at, &v->at, sizeof(v->at)))
				return false;
			break;
		case KIND_INTERFACE:
			if (!open_interface(w, v))
				return false;
			break;
		default:
			return false;
		}
	}
	return false;
}

static bool find_fields(const struct walk *w, const struct value *v, const struct type_head *t,
			struct sought *sought, size_t n)
{
	struct field fields[FIELDS_MAX];
	size_t count = t->field_count;

	if (!count || count > FIELDS_MAX ||
	    !memory_read(w->memory, t->fields, fields, count * sizeof(fields[0])))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t offset = fields[i].offset >> (w->minor < NO_OFFSET_BIT);

		for (size_t k = 0; k < n; k++) {
			if (sought[k].found || !name_is(w, fields[i].name, sought[k].name))
				continue;
			sought[k].found = true;
			sought[k].value = (struct value){ fields[i].type, v->at + offset };
			break;
		}
	}
	return true;
}

/* net.TCPAddr: { IP []byte; Port int; Zone string } */
static enum go_socket read_address(const struct walk *w, struct value v, struct addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sought s[] = { { .name = "IP" }, { .name = "Port" } };
	struct addr a = { 0 };
	struct type_head t;
	uint64_t ip[2], port;

	if (!reach_struct(w, &v, &t) || !find_fields(w, &v, &t, s, ARRAY_SIZE(s)))
		return GO_SOCKET_UNKNOWN;
	if (!s[0].found || !s[1].found)
		return GO_SOCKET_OTHER;
	if (!memory_read(w->memory, s[0].value.at, ip, sizeof(ip)) ||
	    !memory_read(w->memory, s[1].value.at, &port, sizeof(port)) || port > UINT16_MAX)
		return GO_SOCKET_UNKNOWN;
	a.port = (uint16_t)port;
	memcpy(a.ip, mapped, sizeof(mapped));
	if ((ip[1] != 4 && ip[1] != 16) ||
	    !memory_read(w->memory, ip[0], ip[1] == 4 ? a.ip + 12 : a.ip, ip[1]))
		return GO_SOCKET_UNKNOWN;
	*ret = a;
	return GO_SOCKET_TCP;
}

static enum go_socket read_ends(const struct walk *w, const struct value *local,
				const struct value *remote, struct addr *ret_local,
				struct addr *ret_remote)
{
	struct addr ends[2];
	enum go_socket a = read_address(w, *local, &ends[0]);
	enum go_socket b = read_address(w, *remote, &ends[1]);

	if (a != GO_SOCKET_TCP || b != GO_SOCKET_TCP)
		return a == GO_SOCKET_OTHER ? a : GO_SOCKET_UNKNOWN;
	*ret_local = ends[0];
	*ret_remote = ends[1];
	return GO_SOCKET_TCP;
}

/* What the connection inside is called: first net's own, then drivers', then wrappers'. */
#define ENDS 2
static const struct sought names[] = {
	{ .name = "laddr" },   { .name = "raddr" },  { .name = "fd" },	 { .name = "conn" },
	{ .name = "netConn" }, { .name = "pgConn" }, { .name = "c" },	 { .name = "nc" },
	{ .name = "Conn" },    { .name = "parent" },
};

enum go_socket go_socket_find(const struct go_memory *m, uint32_t minor, uint64_t at,
			      struct addr *ret_local, struct addr *ret_remote)
{
	const struct walk w = { m, minor };
	struct value v = { .at = at };
	struct type_head t;

	if (!open_interface(&w, &v))
		return GO_SOCKET_UNKNOWN;
	for (int step = 0; step < STEPS_MAX; step++) {
		struct sought s[ARRAY_SIZE(names)];
		size_t next = ENDS;

		memcpy(s, names, sizeof(s));
		if (!reach_struct(&w, &v, &t) || !find_fields(&w, &v, &t, s, ARRAY_SIZE(s)))
			return GO_SOCKET_UNKNOWN;
		if (s[0].found && s[1].found && name_is(&w, t.elem, "net"))
			return read_ends(&w, &s[0].value, &s[1].value, ret_local, ret_remote);
		while (next < ARRAY_SIZE(s) && !s[next].found)
			next++;
		if (next == ARRAY_SIZE(s))
			return GO_SOCKET_UNKNOWN;
		v = s[next].value;
	}
	return GO_SOCKET_UNKNOWN;
}
