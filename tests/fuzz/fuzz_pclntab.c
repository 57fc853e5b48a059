// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever is called a table of Go's: no byte outside it is read, and a place that is
 * found has a name that ends.  The first eight bytes say which address is asked for.
 *
 *   clang -fsanitize=fuzzer,address,undefined -Iuser, with user/symbols/pclntab.c
 */
#include <stdlib.h>
#include <string.h>

#include "symbols/pclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void ask(const struct pclntab *t, uint64_t pc)
{
	struct pclntab_place p = { 0 };
	uint64_t bytes;

	(void)pclntab_frame(t, pc, &bytes);
	if (!pclntab_find(t, pc, &p))
		return;
	if (!p.function || strlen(p.function) >= t->size)
		abort();
	if (p.file && strlen(p.file) >= t->size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pclntab t;
	uint64_t pc;

	if (size < sizeof(pc))
		return 0;
	memcpy(&pc, bytes, sizeof(pc));
	if (pclntab_open(bytes + sizeof(pc), size - sizeof(pc), 0x401000, &t))
		return 0;
	ask(&t, pc);
	ask(&t, t.text_start);
	ask(&t, t.text_start + pc % 65536);
	ask(&t, UINT64_MAX);
	return 0;
}
