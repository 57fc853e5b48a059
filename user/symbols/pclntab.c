// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The layout, from src/runtime/symtab.go (pcHeader, _func) and src/debug/gosym:
 * a header of eight words, then names, compilation units, file names, line programs,
 * and the sorted table of functions.  A line program is a list of pairs of numbers:
 * by how much the value changes, and for how many instructions it then holds.
 */
#include <errno.h>
#include <string.h>

#include "symbols/pclntab.h"

#define MAGIC_1_18 0xfffffff0
#define MAGIC_1_20 0xfffffff1
#define WORD	   8

/* Of a function's record */
#define FUNC_NAME	4
#define FUNC_SP		16
#define FUNC_FILE	20
#define FUNC_LINE	24
#define FUNC_DATA_COUNT 28
#define FUNC_UNIT	32
#define FUNC_MIN	36
#define DATA_INLINED	2 /* of the programs behind it: which inlined function, -1 none */

static bool fits(const struct pclntab *t, uint64_t at, uint64_t len)
{
	return at <= t->size && len <= t->size - at;
}

static uint32_t u32_at(const struct pclntab *t, uint64_t at)
{
	uint32_t v = 0;

	if (fits(t, at, sizeof(v)))
		memcpy(&v, t->bytes + at, sizeof(v));
	return v;
}

static uint64_t u64_at(const struct pclntab *t, uint64_t at)
{
	uint64_t v = 0;

	if (fits(t, at, sizeof(v)))
		memcpy(&v, t->bytes + at, sizeof(v));
	return v;
}

/* The text at part + at, or NULL when it is not there or does not end. */
static const char *text_at(const struct pclntab *t, uint64_t part, uint64_t at)
{
	if (!fits(t, part, 0) || at >= t->size - part)
		return NULL;
	if (!memchr(t->bytes + part + at, '\0', t->size - part - at))
		return NULL;
	return (const char *)t->bytes + part + at;
}

int pclntab_open(const void *bytes, size_t size, uint64_t text_start, struct pclntab *ret)
{
	struct pclntab t = { .bytes = bytes, .size = size };
	uint64_t parts[5];
	uint32_t magic;

	if (!fits(&t, 0, 9 * WORD))
		return -EINVAL;
	magic = u32_at(&t, 0);
	t.quantum = t.bytes[6];
	if ((magic != MAGIC_1_18 && magic != MAGIC_1_20) || t.bytes[4] || t.bytes[5] ||
	    (t.quantum != 1 && t.quantum != 2 && t.quantum != 4) || t.bytes[7] != WORD)
		return -EINVAL;
	t.func_size = magic == MAGIC_1_18 ? 40 : 44;
	t.functions = u64_at(&t, WORD);
	t.text_start = u64_at(&t, PCLNTAB_TEXT_START) ?: text_start;
	for (size_t i = 0; i < 5; i++) {
		parts[i] = u64_at(&t, 4 * WORD + i * WORD);
		if (parts[i] > size)
			return -EINVAL;
	}
	t.names = parts[0];
	t.units = parts[1];
	t.files = parts[2];
	t.programs = parts[3];
	t.table = parts[4];
	/* Two numbers a function, and the end of the last one. */
	if (!t.functions || t.functions > (size - t.table) / 8 ||
	    !fits(&t, t.table, t.functions * 8 + 4))
		return -EINVAL;
	*ret = t;
	return 0;
}

/* Seven bits a byte, least first; false at the end of the bytes. */
static bool number(const struct pclntab *t, uint64_t *at, uint32_t *ret)
{
	uint32_t v = 0;

	for (unsigned int shift = 0; shift < 32 && fits(t, *at, 1); shift += 7) {
		uint8_t b = t->bytes[(*at)++];

		v |= (uint32_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* A line program being run: `value` holds from the previous `until` up to `until`. */
struct run {
	uint64_t at;
	uint64_t until; /* bytes of code from the function's start */
	int64_t value;
	bool begun;
};

static bool run_step(const struct pclntab *t, struct run *r)
{
	uint32_t change, length;

	if (!number(t, &r->at, &change) || (!change && r->begun) || !number(t, &r->at, &length))
		return false;
	r->value += change & 1 ? -(int64_t)(change >> 1) - 1 : (int64_t)(change >> 1);
	r->until += (uint64_t)length * t->quantum;
	r->begun = true;
	return true;
}

static struct run run_of(const struct pclntab *t, uint64_t program)
{
	return (struct run){ .at = t->programs + program, .value = -1 };
}

static bool value_at(const struct pclntab *t, uint64_t program, uint64_t into, int64_t *ret)
{
	struct run r = run_of(t, program);

	while (run_step(t, &r)) {
		if (into < r.until) {
			*ret = r.value;
			return true;
		}
	}
	return false;
}

/*
 * Code of a function that was inlined here counts as the call, of which some
 * instruction stands before it.  Goes back to that one.
 */
static bool leave_inlined(const struct pclntab *t, uint64_t program, uint64_t *into)
{
	struct run r = run_of(t, program);
	uint64_t own_until = 0;

	while (run_step(t, &r)) {
		bool own = r.value < 0;

		if (*into < r.until) {
			if (own || !own_until)
				return false;
			*into = own_until - 1;
			return true;
		}
		if (own)
			own_until = r.until;
	}
	return false;
}

static void place_of(const struct pclntab *t, uint64_t record, uint64_t into,
		     struct pclntab_place *p)
{
	uint32_t unit = u32_at(t, record + FUNC_UNIT);
	uint32_t inlined = u32_at(t, record + t->func_size + 4 * DATA_INLINED);
	int64_t file, line;

	if (u32_at(t, record + FUNC_DATA_COUNT) > DATA_INLINED && inlined)
		p->inlined = leave_inlined(t, inlined, &into);
	if (!value_at(t, u32_at(t, record + FUNC_FILE), into, &file) || file < 0)
		return;
	p->file = text_at(t, t->files, u32_at(t, t->units + ((uint64_t)unit + (uint64_t)file) * 4));
	if (value_at(t, u32_at(t, record + FUNC_LINE), into, &line) && line > 0 &&
	    line <= UINT32_MAX)
		p->line = (uint32_t)line;
}

/* The record of the function that contains `pc`, and how far into it that is. */
static bool find_record(const struct pclntab *t, uint64_t pc, uint64_t *ret, uint64_t *ret_into)
{
	uint64_t want = pc - t->text_start;
	uint64_t low = 0, high = t->functions;
	uint64_t record;

	if (pc < t->text_start || want >= u32_at(t, t->table + t->functions * 8) ||
	    want < u32_at(t, t->table))
		return false;
	/* The last function that begins at or before it. */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (u32_at(t, t->table + middle * 8) <= want)
			low = middle;
		else
			high = middle;
	}
	record = t->table + u32_at(t, t->table + low * 8 + 4);
	if (!fits(t, record, FUNC_MIN) || u32_at(t, record) > want)
		return false;
	*ret = record;
	*ret_into = want - u32_at(t, record);
	return true;
}

bool pclntab_find(const struct pclntab *t, uint64_t pc, struct pclntab_place *ret)
{
	struct pclntab_place p = { 0 };
	uint64_t record, into;

	if (!find_record(t, pc, &record, &into))
		return false;
	p.function = text_at(t, t->names, u32_at(t, record + FUNC_NAME));
	if (!p.function)
		return false;
	place_of(t, record, into, &p);
	*ret = p;
	return true;
}

bool pclntab_function(const struct pclntab *t, const char *name, uint64_t *ret_pc)
{
	for (uint64_t i = 0; i < t->functions; i++) {
		uint64_t entry = u32_at(t, t->table + i * 8);
		uint64_t record = t->table + u32_at(t, t->table + i * 8 + 4);
		const char *found;

		if (!fits(t, record, FUNC_MIN) || u32_at(t, record) != entry)
			continue;
		found = text_at(t, t->names, u32_at(t, record + FUNC_NAME));
		if (found && strcmp(found, name) == 0) {
			*ret_pc = t->text_start + entry;
			return true;
		}
	}
	return false;
}

bool pclntab_frame(const struct pclntab *t, uint64_t pc, uint64_t *ret_bytes)
{
	uint64_t record, into;
	int64_t bytes;

	if (!find_record(t, pc, &record, &into) ||
	    !value_at(t, u32_at(t, record + FUNC_SP), into, &bytes) || bytes < 0)
		return false;
	*ret_bytes = (uint64_t)bytes;
	return true;
}
