// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/jvm.h"
#include "lib/proc.h"

#define HARDLY 50	/* a 50th of the time: on the way into a pause, and out of it */

static bool begins_with_any(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(name, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

/* Names are cut after 15 bytes. */
void jvm_count(struct jvm_times *t, const char *thread, uint64_t ran_ns, uint64_t waited_ns)
{
	static const char *const collectors[] = {
		"VM Thread", "GC Thread#", "GC task thread#", "ParGC Thread#",
	};
	/* They run in a pause and out of it, and none of the application's code. */
	static const char *const housekeepers[] = {
		"VM Periodic Tas", "C1 CompilerThre", "C2 CompilerThre", "G1 Conc#", "G1 Refine#",
		"G1 Service", "G1 Main Marker", "Service Thread", "Monitor Deflati", "Sweeper thread",
	};

	if (begins_with_any(thread, collectors, ARRAY_SIZE(collectors)))
		t->collecting_ns += ran_ns + waited_ns;
	else if (!begins_with_any(thread, housekeepers, ARRAY_SIZE(housekeepers)))
		t->working_ns += ran_ns;
}

static int count_thread(uint32_t pid, const char *tid, struct jvm_times *t)
{
	char path[80], name[32], times[96];
	uint64_t ran_ns, waited_ns;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%u/task/%.16s/comm", pid, tid);
	r = proc_read(path, name, sizeof(name));
	(void)snprintf(path, sizeof(path), "/proc/%u/task/%.16s/schedstat", pid, tid);
	if (!r)
		r = proc_read(path, times, sizeof(times));
	if (r || sscanf(times, "%" SCNu64 " %" SCNu64, &ran_ns, &waited_ns) != 2)
		return -ESRCH;
	jvm_count(t, name, ran_ns, waited_ns);
	return 0;
}

int jvm_times(uint32_t pid, struct jvm_times *ret)
{
	struct jvm_times t = { 0 };
	struct dirent *entry;
	char path[40];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	/* One that ended meanwhile is missing: the sums get smaller, and say nothing. */
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)count_thread(pid, entry->d_name, &t);
	(void)closedir(dir);
	*ret = t;
	return 0;
}

bool jvm_is_collecting(const struct jvm_times *before, const struct jvm_times *after, uint64_t ns)
{
	/* A thread that ended takes its time along. */
	if (after->collecting_ns < before->collecting_ns || after->working_ns < before->working_ns)
		return false;
	return (after->working_ns - before->working_ns) * HARDLY <= ns &&
	       (after->collecting_ns - before->collecting_ns) * 2 >= ns;
}
