// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever stands in a program's memory: it is read in bounded time, and what is said
 * of it is within bounds.  Every address leads somewhere into the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "gopools/handle.h"

#define READS_MAX 2000000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
	const uint8_t *bytes;
	size_t size;
	unsigned int reads;
};

static bool read_input(const struct go_span *spans, size_t n, void *arg)
{
	struct input *in = arg;

	if (++in->reads > READS_MAX)
		abort();
	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < spans[k].size; i++)
			((uint8_t *)spans[k].to)[i] = in->bytes[(spans[k].address + i) % in->size];
		if (spans[k].address % 7 == 3)
			return false;	/* some of it is not there */
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct handle_reading reading;
	struct go_facts facts = { .read = true, .is_go = true, .function_at = 1 };
	struct input in = { .bytes = bytes, .size = size };
	const struct go_memory memory = { read_input, &in };
	struct go_layout layout;

	if (!size)
		return 0;
	memcpy(facts.version, bytes[0] & 1 ? "go1.18" : "go1.24", 7);
	memset(facts.fields, 0xff, sizeof(facts.fields));
	if (go_layout_of(&facts, &layout))
		abort();
	memset(&reading, 0, sizeof(reading));
	for (int i = 0; i < 2; i++) {
		handle_read(&memory, &layout, 1 + bytes[0], &reading);
		if (reading.state == HANDLE_READ && reading.free_count > reading.open)
			abort();
		if (reading.free_count > HANDLE_FREE_MAX)
			abort();
	}
	return 0;
}
