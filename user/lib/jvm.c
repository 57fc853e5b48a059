// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/jvm.h"
#include "lib/proc.h"

static bool begins_with_any(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(name, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

/* Names are cut after 15 bytes. */
void jvm_count(struct jvm_times *t, const char *thread, uint64_t ticks)
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
		t->collecting += ticks;
	else if (!begins_with_any(thread, housekeepers, ARRAY_SIZE(housekeepers)))
		t->working += ticks;
}

int jvm_times(uint32_t pid, struct jvm_times *ret)
{
	struct jvm_times t = { 0 };
	struct proc_stat st;
	struct dirent *entry;
	char path[80];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while ((entry = readdir(dir))) {
		unsigned int tid;

		if (sscanf(entry->d_name, "%u", &tid) == 1 && !proc_thread_stat(pid, tid, &st))
			jvm_count(&t, st.comm, st.cpu_ticks);
	}
	(void)closedir(dir);
	*ret = t;
	return 0;
}

bool jvm_is_collecting(const struct jvm_times *before, const struct jvm_times *after, uint64_t ns)
{
	/* A thread that ended takes its time along. */
	if (after->collecting < before->collecting || after->working < before->working)
		return false;
	return after->working - before->working <= 1 &&
	       (after->collecting - before->collecting) * JVM_TICK_NS * 2 >= ns;
}
