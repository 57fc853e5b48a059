/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MySQL: who logs in.
 *
 * The client's packet holds the user's name, then the answer to the server's
 * challenge, then the database's name.  Only the names leave the kernel.
 */
#ifndef PLIMSOLL_MYSQL_LOGIN_BPF_H
#define PLIMSOLL_MYSQL_LOGIN_BPF_H

#include "mysql_request.bpf.h"

#define CLIENT_LONG_PASSWORD	  0x00000001U	/* MariaDB: set by what is not MariaDB */
#define CLIENT_CONNECT_WITH_DB	  0x00000008U
#define CLIENT_COMPRESS		  0x00000020U
#define CLIENT_PROTOCOL_41	  0x00000200U
#define CLIENT_SSL		  0x00000800U
#define CLIENT_SECURE_CONNECTION  0x00008000U
#define CLIENT_AUTH_LENENC	  0x00200000U
#define CLIENT_DEPRECATE_EOF	  0x01000000U
#define CLIENT_OPTIONAL_METADATA  0x02000000U
#define CLIENT_ZSTD		  0x04000000U
#define MARIADB_CACHE_METADATA	  0x10		/* of the byte at EXTENDED_AT */

#define EXTENDED_AT	28	/* MariaDB's further capabilities in a login */
#define LOGIN_USER_AT	32
#define CHANGE_USER_AT	1
#define LOGIN_MAX	512	/* bytes looked at, a power of two */
#define USER_MAX	200	/* with its end */
#define DATABASE_MAX	300

_Static_assert(4 + USER_MAX + DATABASE_MAX <= STARTUP_MAX, "both names fit");

/*
 * Copies the names out of the `got` bytes in the buffer; the user's begins at
 * `user_at`.  Returns how many bytes of the record they fill, 0 when even the user's
 * name has no end.
 */
static __always_inline __u32 mysql_copy_names(struct rec_startup *r, struct buffer *b, __u32 got,
					      __u32 user_at, __u32 caps)
{
	__u32 at, secret;
	long n, m;

	b->bytes[got & (2 * LOGIN_MAX - 1)] = 0;
	n = bpf_probe_read_kernel_str(r->bytes + 4, USER_MAX, b->bytes + user_at);
	if (n <= 0 || n >= USER_MAX || user_at + n > got)
		return 0;
	at = (user_at + n) & (LOGIN_MAX - 1);
	secret = b->bytes[at];
	at++;
	if (caps & CLIENT_AUTH_LENENC && secret > 250) {
		secret = b->bytes[at] | b->bytes[at + 1] << 8;
		at += 2;
	} else if (!(caps & CLIENT_SECURE_CONNECTION)) {
		return 4 + n;	/* of unknown length */
	}
	at += secret;
	if (!(caps & CLIENT_CONNECT_WITH_DB)) {
		r->bytes[4 + n] = 0;
		return 4 + n + 1;
	}
	if (at >= got)
		return 4 + n;
	m = bpf_probe_read_kernel_str(r->bytes + 4 + n, DATABASE_MAX, b->bytes + at);
	if (m <= 0 || m >= DATABASE_MAX || at + m > got) {
		r->bytes[4 + n] = 0;
		return 4 + n;
	}
	return 4 + n + m;
}

static __always_inline void mysql_report_names(struct slot *s, __u32 index, struct buffer *b,
					       __u32 got, __u32 user_at, __u32 caps)
{
	struct rec_startup *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		count(COUNT_RING_FULL);
		count(COUNT_STARTUP_LOST);
		return;
	}
	fill_hdr(&r->hdr, REC_STARTUP, sizeof(*r), index, s);
	__builtin_memset(r->bytes, 0, sizeof(r->bytes));
	__builtin_memcpy(r->bytes, &caps, 4);
	r->size = r->copied = mysql_copy_names(r, b, got, user_at, caps);
	if (!r->copied)
		count(COUNT_STARTUP_LOST);
	bpf_ringbuf_submit(r, wake_flags());
}

/* What was offered and is wanted too, as mysql_notes.caps. */
static __always_inline __u8 mysql_agree(__u8 offered, __u32 caps, __u8 extended)
{
	__u8 wanted = CAP_EOF_KNOWN;

	if (caps & CLIENT_DEPRECATE_EOF)
		wanted |= CAP_NO_EOF;
	if (caps & CLIENT_OPTIONAL_METADATA)
		wanted |= CAP_META_FIRST;
	if (!(caps & CLIENT_LONG_PASSWORD) && extended & MARIADB_CACHE_METADATA)
		wanted |= CAP_META_LAST;
	return wanted & (offered | CAP_EOF_KNOWN);
}

/* A login under way: it may come in pieces, and those that are acknowledged are gone. */
struct mysql_login {
	__u32 seq;		/* TCP sequence of its body */
	__u32 wanted, have;
	struct buffer body;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct mysql_login);
} mysql_logins SEC(".maps");

/* An empty one, copied in when a connection begins its own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mysql_login);
} mysql_no_login SEC(".maps");

static __always_inline struct mysql_login *mysql_login_begin(__u32 index)
{
	__u32 zero = 0;
	struct mysql_login *none = bpf_map_lookup_elem(&mysql_no_login, &zero);

	if (!none || bpf_map_update_elem(&mysql_logins, &index, none, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&mysql_logins, &index);
}

struct mysql_piece {
	__u64 sk;
	__u32 index;
};

/* Takes in what one buffer of the queue holds of the login.  Returns 1 to stop. */
static long mysql_take_piece(__u64 i, struct mysql_piece *piece)
{
	struct mysql_login *l = bpf_map_lookup_elem(&mysql_logins, &piece->index);
	struct buffer *b = own_buffer();
	__u32 have, n;

	if (!l || !b || l->have >= l->wanted || l->have >= LOGIN_MAX)
		return 1;
	have = l->have & (LOGIN_MAX - 1);
	n = read_sent(piece->sk, l->seq + have, LOGIN_MAX);
	if (n > LOGIN_MAX - have)
		n = LOGIN_MAX - have;
	barrier_var(n);	/* so that what is checked is what is used */
	if (!n || n > LOGIN_MAX || bpf_probe_read_kernel(l->body.bytes + have, n, b->bytes))
		return 1;
	l->have = have + n;
	return 0;
}

/* A login has come, whole or all that is looked at.  Returns the phase that follows. */
static __always_inline __u8 mysql_hear_login(struct slot *s, __u32 index, struct mysql_login *l)
{
	__u32 caps = le32(l->body.bytes);
	bool packed = s->my.caps & CAP_COMPRESS && caps & (CLIENT_COMPRESS | CLIENT_ZSTD);

	if (caps & CLIENT_SSL) {
		s->flags |= SLOT_TLS;
		return PHASE_BLIND;
	}
	s->my.caps = mysql_agree(s->my.caps, caps, l->body.bytes[EXTENDED_AT]);
	mysql_report_names(s, index, &l->body, l->have, LOGIN_USER_AT, caps);
	if (packed)
		s->flags |= SLOT_COMPRESSED;
	return packed || !(caps & CLIENT_PROTOCOL_41) ? PHASE_BLIND : PHASE_AUTH;
}

/*
 * The client says who it is: the packet that `w` found, or (NULL) more of one that
 * was begun.  Returns the phase that follows.
 */
static __noinline __u8 mysql_login(struct sock *sk, struct slot *s, __u32 index,
					const struct mysql_asked *w)
{
	struct mysql_piece piece = { .sk = address_of(sk), .index = index };
	struct mysql_login *l = w ? mysql_login_begin(index)
				  : bpf_map_lookup_elem(&mysql_logins, &index);
	__u8 next;

	if (!l) {
		count(COUNT_STARTUP_LOST);
		return PHASE_BLIND;
	}
	if (w) {
		l->seq = w->login;
		l->wanted = w->length < LOGIN_MAX ? w->length : LOGIN_MAX;
	}
	bpf_loop(LOGIN_MAX, mysql_take_piece, &piece, 0);
	if (l->have < l->wanted)
		return PHASE_NEGOTIATE;
	next = mysql_hear_login(s, index, l);
	bpf_map_delete_elem(&mysql_logins, &index);
	return next;
}

/* The same connection, somebody else: COM_CHANGE_USER. */
static __noinline void mysql_hear_change(struct slot *s, __u32 index,
					      const struct mysql_asked *w)
{
	struct buffer *b = own_buffer();
	__u32 got = read_sent(w->sk, w->login, LOGIN_MAX);

	if (got > w->length)
		got = w->length;
	if (!b || got > LOGIN_MAX)
		return;
	mysql_report_names(s, index, b, got, CHANGE_USER_AT,
			   CLIENT_SECURE_CONNECTION | CLIENT_CONNECT_WITH_DB);
	__builtin_memset(b->bytes, 0, LOGIN_MAX);
}

/*
 * The database may be another by now: the one of the command that was kept, if that was
 * granted, or one that is not known.  Always 0.
 */
__noinline int mysql_report_use(__u32 index, __u32 granted)
{
	const struct mysql_use *use = bpf_map_lookup_elem(&mysql_uses, &index);
	const struct slot *s = bpf_map_lookup_elem(&slots, &index);
	struct rec_startup *r;

	if (!s)
		return 0;
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count(COUNT_RING_FULL);
		count(COUNT_STARTUP_LOST);
		return 0;
	}
	fill_hdr(&r->hdr, REC_DATABASE, sizeof(*r), index, s);
	__builtin_memset(r->bytes, 0, sizeof(r->bytes));
	r->size = r->copied = USE_MAX;
	if (!granted || !use || bpf_probe_read_kernel(r->bytes, USE_MAX, use->command))
		r->bytes[0] = 0;
	bpf_ringbuf_submit(r, wake_flags());
	bpf_map_delete_elem(&mysql_uses, &index);
	return 0;
}

#endif
