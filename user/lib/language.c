// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/language.h"
#include "lib/symbols.h"
#include "lib/text.h"

struct sign {
	const char *pattern, *language;
};

static const char *find(const struct sign *signs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (text_match(signs[i].pattern, name))
			return signs[i].language;
	return "";
}

const char *language_by_name(const char *exe_name)
{
	static const struct sign signs[] = {
		{ "python", "python" }, { "python2*", "python" }, { "python3*", "python" },
		{ "pypy*", "python" },	{ "node", "node" },	  { "nodejs", "node" },
		{ "java", "jvm" },
	};

	return find(signs, ARRAY_SIZE(signs), exe_name);
}

const char *language_by_library(const char *file_name)
{
	static const struct sign signs[] = {
		{ "libjvm.so*", "jvm" },  { "libpython2*", "python" }, { "libpython3*", "python" },
		{ "libpypy*", "python" }, { "libnode.so*", "node" },
	};

	return find(signs, ARRAY_SIZE(signs), file_name);
}

/* One argument of the command line; NULL behind the last that is whole. */
static const char *next_arg(const char **at, const char *end)
{
	const char *arg = *at;
	size_t len = arg < end ? strnlen(arg, (size_t)(end - arg)) : 0;

	if (arg >= end || arg + len == end)
		return NULL;
	*at = arg + len + 1;
	return arg;
}

/*
 * Python's own reading of its options: letters may stand together, and what belongs
 * to -c is a program, which may hold a secret and is no file.
 */
void language_script_parse(const char *args, size_t len, char *out, size_t out_size)
{
	const char *end = args + len;
	const char *arg = next_arg(&args, end);
	char module[128];

	out[0] = '\0';
	while (arg && (arg = next_arg(&args, end))) {
		size_t at = strcspn(arg, "cmWX");

		if (arg[0] != '-') {
			text_escape(arg, out, out_size);
			return;
		}
		if (!strcmp(arg, "--check-hash-based-pycs"))
			arg = next_arg(&args, end);
		if (!arg || arg[1] == '-')
			continue;
		/* A program on standard input, or in the next argument. */
		if (!arg[1] || arg[at] == 'c')
			return;
		if (!arg[at])
			continue;
		if (arg[at] == 'm') {
			arg = arg[at + 1] ? arg + at + 1 : next_arg(&args, end);
			(void)snprintf(module, sizeof(module), "-m %s", arg ?: "");
			text_escape(arg ? module : "", out, out_size);
			return;
		}
		if (!arg[at + 1])
			arg = next_arg(&args, end);
	}
}

void language_script(uint32_t pid, char *out, size_t out_size)
{
	char path[40], args[4096];
	ssize_t n;

	out[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/cmdline", pid);

	_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : read(fd, args, sizeof(args));
	if (n > 0)
		language_script_parse(args, (size_t)n, out, out_size);
}
