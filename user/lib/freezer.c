// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A frozen process looks asleep in /proc/PID/stat, like one that waits: only its group
 * says that it is not.  Where the hierarchies are mounted is looked up once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/freezer.h"
#include "lib/proc.h"

struct hierarchy {
	const char *type, *option;	/* of its mount */
	const char *controller;		/* in /proc/PID/cgroup */
	const char *file, *frozen;	/* and what that says then */
	char mount[256];		/* "": not there */
};

/* Whether `word` is one of a list with commas that ends at `end`. */
static bool has_word(const char *list, const char *end, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = list; s < end;) {
		size_t n = strcspn(s, ",");

		if (s + n > end)
			n = (size_t)(end - s);
		if (n == len && strncmp(s, word, n) == 0)
			return true;
		s += n + 1;
	}
	return false;
}

bool freezer_mount_parse(const char *line, const char *type, const char *option, char *out,
			 size_t out_size)
{
	const char *dash = strstr(line, " - ");
	char root[256], where[256], fs[32], options[512];

	if (!dash || sscanf(line, "%*u %*u %*s %255s %255s", root, where) != 2 ||
	    sscanf(dash, " - %31s %*s %511s", fs, options) != 2)
		return false;
	if (strcmp(root, "/") != 0 || strcmp(fs, type) != 0 || strlen(where) >= out_size)
		return false;
	if (option && !has_word(options, options + strlen(options), option))
		return false;
	memcpy(out, where, strlen(where) + 1);
	return true;
}

void freezer_path_parse(const char *cgroups, const char *controller, char *out, size_t out_size)
{
	out[0] = '\0';
	for (const char *line = cgroups; *line; line += *line == '\n') {
		size_t len = strcspn(line, "\n");
		const char *names = memchr(line, ':', len);
		const char *path = names ? strchr(names + 1, ':') : NULL;
		const char *end = line + len;
		bool ours = path && path < end &&
			    (*controller ? has_word(names + 1, path, controller) : path == names + 1);

		line = end;
		if (!ours || (size_t)(end - path) > out_size || strncmp(path + 1, "/..", 3) == 0)
			continue;
		memcpy(out, path + 1, (size_t)(end - path) - 1);
		out[end - path - 1] = '\0';
		return;
	}
}

static void find_mounts(struct hierarchy *h, size_t n)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	_free_ char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		for (size_t i = 0; i < n; i++)
			if (!*h[i].mount)
				(void)freezer_mount_parse(line, h[i].type, h[i].option, h[i].mount,
							  sizeof(h[i].mount));
	if (f)
		(void)fclose(f);
}

static bool is_frozen(const struct hierarchy *h, const char *cgroups)
{
	char group[512], path[1024], text[256];

	freezer_path_parse(cgroups, h->controller, group, sizeof(group));
	if (!*h->mount || !*group)
		return false;
	(void)snprintf(path, sizeof(path), "%s%s/%s", h->mount, group, h->file);
	return !proc_read(path, text, sizeof(text)) && strstr(text, h->frozen);
}

bool freezer_has(uint32_t pid)
{
	static struct hierarchy all[] = {
		{ "cgroup2", NULL, "", "cgroup.events", "frozen 1", "" },
		{ "cgroup", "freezer", "freezer", "freezer.state", "FROZEN", "" },
	};
	static bool found;
	char path[40], cgroups[8192];

	if (!found)
		find_mounts(all, ARRAY_SIZE(all));
	found = true;
	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (proc_read(path, cgroups, sizeof(cgroups)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (is_frozen(&all[i], cgroups))
			return true;
	return false;
}
