// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From frame to frame: by Go's own table in Go, else by call frame information, else
 * (code made at run time) by the chain of frame pointers.  Each step has to go up the
 * stack, inside of what was copied, to an address in executable memory.
 */
#include <elf.h>

#include "symbols/cfi.h"
#include "symbols/module.h"
#include "symbols/stack.h"

struct code {
	struct module module;
	Dwarf_CFI *cfi;
	bool tried, open;
};

static struct code codes[SYMBOLS_FILES_MAX];

static const struct symbols_map *find_map(const struct symbols_stack *s, uint64_t address)
{
	for (uint32_t i = 0; i < s->head.queries; i++)
		if (address >= s->maps[i].start && address < s->maps[i].end)
			return &s->maps[i];
	return NULL;
}

/* The code in file number `file`, or NULL when it cannot be read. */
static struct code *code_of(uint32_t file)
{
	struct code *c = file == SYMBOLS_NO_FILE ? NULL : &codes[file];
	GElf_Ehdr h;

	if (!c || c->tried)
		return c && c->open ? c : NULL;
	c->tried = true;
	if (!module_open(&c->module, SYMBOLS_FD + (int)file) || !gelf_getehdr(c->module.elf, &h) ||
	    h.e_machine != EM_X86_64)
		return NULL;
	c->cfi = dwarf_getcfi_elf(c->module.elf);
	c->open = true;
	return c;
}

static bool known(const struct cpu *cpu, int number)
{
	return cpu->known & 1U << number;
}

/* The return address stands at `at`, and the caller's frame pointer below it, if that is `bp`. */
static enum cfi_result leave(const struct memory *m, uint64_t at, struct cpu *cpu)
{
	struct cpu caller = *cpu;

	if (!memory_word(m, at, &caller.r[CPU_IP]))
		return CFI_LAST;
	caller.r[CPU_SP] = at + 8;
	if (known(cpu, CPU_BP) && cpu->r[CPU_BP] == at - 8 &&
	    !memory_word(m, at - 8, &caller.r[CPU_BP]))
		caller.known &= ~(1U << CPU_BP);
	*cpu = caller;
	return CFI_CALLER;
}

static enum cfi_result by_frame_pointer(const struct memory *m, struct cpu *cpu)
{
	uint64_t bp = cpu->r[CPU_BP];

	if (!known(cpu, CPU_BP) || bp < cpu->r[CPU_SP] || bp % 8)
		return CFI_LAST;
	return leave(m, bp + 8, cpu);
}

static enum cfi_result step(const struct symbols_map *map, uint64_t address, const struct memory *m,
			    struct cpu *cpu)
{
	struct code *c = code_of(map->file);
	enum cfi_result r = CFI_NONE;
	uint64_t own, bytes;

	if (c && module_address(&c->module, map->offset + (address - map->start), &own)) {
		if (c->module.has_pclntab && pclntab_frame(&c->module.pclntab, own, &bytes))
			return leave(m, cpu->r[CPU_SP] + bytes, cpu);
		if (c->cfi)
			r = cfi_step(c->cfi, own, m, cpu);
	}
	return r == CFI_NONE ? by_frame_pointer(m, cpu) : r;
}

static struct cpu cpu_of(const struct registers *r)
{
	struct cpu cpu = { .known = 1U << CPU_BX | 1U << CPU_BP | 1U << CPU_SP | 1U << CPU_IP |
				    0xfU << CPU_R12 };

	cpu.r[CPU_BX] = r->bx;
	cpu.r[CPU_BP] = r->bp;
	cpu.r[CPU_SP] = r->sp;
	cpu.r[CPU_R12] = r->r12;
	cpu.r[CPU_R12 + 1] = r->r13;
	cpu.r[CPU_R12 + 2] = r->r14;
	cpu.r[CPU_R12 + 3] = r->r15;
	cpu.r[CPU_IP] = r->ip;
	return cpu;
}

#define V8_BYTECODES  (-32)	/* from the frame pointer: the array, its address plus 1 */
#define V8_POSITION   (-40)	/* in it, in the upper half of the word */
#define V8_ARRAY_MAX  (1U << 24)

/*
 * V8's interpreter runs a function in a frame of one and the same code: which function
 * it is, its bytecodes tell, and the notes on code made at run time have their address
 * too.  0: no such frame.  Whether it was one shows when something has that address.
 */
static uint64_t interpreted(const struct memory *m, const struct cpu *cpu)
{
	uint64_t bp = cpu->r[CPU_BP], array, position;

	if (!known(cpu, CPU_BP) || bp % 8 || !memory_word(m, bp + V8_BYTECODES, &array) ||
	    !memory_word(m, bp + V8_POSITION, &position))
		return 0;
	if (array % 8 != 1 || position & UINT32_MAX || !(position >> 32) ||
	    position >> 32 > V8_ARRAY_MAX)
		return 0;
	return array + (position >> 32);
}

void stack_follow(const struct symbols_stack *s, void (*say)(uint64_t address))
{
	const struct memory m = { s->registers.sp, s->bytes, s->len };
	struct cpu cpu = cpu_of(&s->registers);
	enum cfi_result r = CFI_SIGNAL; /* the first one is no return address either */

	for (int n = 0; n < STACK_FRAMES_MAX && r != CFI_LAST; n++) {
		uint64_t address = cpu.r[CPU_IP] - (r != CFI_SIGNAL);
		const struct symbols_map *map = find_map(s, address);
		uint64_t sp = cpu.r[CPU_SP], script;

		if (n && !map)
			return;
		say(cpu.r[CPU_IP]);
		if (!map)
			return;
		script = map->file == SYMBOLS_NO_FILE ? 0 : interpreted(&m, &cpu);
		if (script && !find_map(s, script) && ++n < STACK_FRAMES_MAX)
			say(script);
		r = step(map, address, &m, &cpu);
		if (cpu.r[CPU_SP] <= sp || cpu.r[CPU_SP] - m.start > m.len)
			return;
	}
}
