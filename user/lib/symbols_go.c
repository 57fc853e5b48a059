// SPDX-License-Identifier: GPL-2.0-or-later
/* One question about one executable: what a Go program has where. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/symbols_lookup.h"
#include "lib/text.h"

#define DEADLINE_NS (3 * NS_PER_S)

static bool run(struct lookup *l, const struct go_question *q)
{
	struct symbols_go request = {
		.head = { .magic = SYMBOLS_GO_MAGIC, .files = 1, .queries = (uint32_t)q->count },
	};

	(void)snprintf(request.function, sizeof(request.function), "%s", q->function);
	for (size_t i = 0; i < q->count; i++) {
		(void)snprintf(request.fields[i].type, sizeof(request.fields[i].type), "%s",
			       q->fields[i].type);
		(void)snprintf(request.fields[i].field, sizeof(request.fields[i].field), "%s",
			       q->fields[i].field);
	}
	l->files[0].number = 0;
	return lookup_run(l, &request,
			  offsetof(struct symbols_go, fields) +
				  q->count * sizeof(request.fields[0]));
}

int symbols_start_go(struct symbols *s, uint32_t pid, int pin, const struct go_question *q,
		     struct lookup **ret)
{
	struct lookup *l = q->count <= GO_FIELDS_MAX ? lookup_new(s, pid) : NULL;
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->asks_go = true;
	l->go_fields = (uint32_t)q->count;
	if (lookup_take_pin(l, fcntl(pin, F_DUPFD_CLOEXEC, 0)) == NO_FILE ||
	    lookup_why_not(l, &l->files[0]))
		r = -EACCES;
	else if (!run(l, q))
		r = -EBUSY;
	if (r) {
		lookup_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static void take(struct lookup *l)
{
	const struct symbols_go_answer *a = &l->said_go;

	if (!memchr(a->version, '\0', sizeof(a->version)))
		return;
	l->go.read = a->read;
	l->go.is_go = a->go;
	l->go.function_at = a->function_at;
	text_escape(a->version, l->go.version, sizeof(l->go.version));
	memcpy(l->go.fields, a->fields, l->go_fields * sizeof(a->fields[0]));
}

bool lookup_take_go(struct lookup *l)
{
	while (l->running) {
		char *to = (char *)&l->said_go + l->said_go_have;
		ssize_t n = read(l->helper.out, to, sizeof(l->said_go) - l->said_go_have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !lookup_is_late(l, DEADLINE_NS))
			return false;
		if (n > 0)
			l->said_go_have += (size_t)n;
		if (l->said_go_have == sizeof(l->said_go))
			take(l);
		if (n <= 0 || l->said_go_have == sizeof(l->said_go))
			lookup_stop(l);
	}
	return true;
}

const struct go_facts *lookup_go(const struct lookup *l)
{
	return &l->go;
}
