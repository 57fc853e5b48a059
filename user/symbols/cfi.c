// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libdw finds the rules of a frame; what they amount to is reckoned here, from the
 * registers and the copied stack alone.  Expressions are straight lines: what jumps
 * is refused, so nothing in a file can make it go round.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "symbols/cfi.h"

#define DEPTH 16 /* of an expression; compilers need four */

struct reckoning {
	const struct cpu *cpu;
	const struct memory *memory;
	uint64_t cfa;
	uint64_t stack[DEPTH];
	size_t depth;
	bool is_value; /* the result is the value itself, not where it stands */
};

bool memory_word(const struct memory *m, uint64_t at, uint64_t *ret)
{
	uint64_t into = at - m->start;

	if (at < m->start || into > m->len || m->len - into < sizeof(*ret))
		return false;
	memcpy(ret, m->bytes + into, sizeof(*ret));
	return true;
}

static bool push(struct reckoning *r, uint64_t v)
{
	if (r->depth == DEPTH)
		return false;
	r->stack[r->depth++] = v;
	return true;
}

static bool push_register(struct reckoning *r, uint64_t number, uint64_t plus)
{
	return number < CPU_MAX && r->cpu->known & 1U << number &&
	       push(r, r->cpu->r[number] + plus);
}

static bool binary(struct reckoning *r, uint8_t op)
{
	uint64_t a, b;

	if (r->depth < 2)
		return false;
	b = r->stack[--r->depth];
	a = r->stack[--r->depth];
	switch (op) {
	case DW_OP_plus:
		return push(r, a + b);
	case DW_OP_minus:
		return push(r, a - b);
	case DW_OP_mul:
		return push(r, a * b);
	case DW_OP_and:
		return push(r, a & b);
	case DW_OP_or:
		return push(r, a | b);
	case DW_OP_shl:
		return push(r, b < 64 ? a << b : 0);
	case DW_OP_shr:
		return push(r, b < 64 ? a >> b : 0);
	case DW_OP_ge:
		return push(r, (int64_t)a >= (int64_t)b);
	case DW_OP_gt:
		return push(r, (int64_t)a > (int64_t)b);
	case DW_OP_le:
		return push(r, (int64_t)a <= (int64_t)b);
	case DW_OP_lt:
		return push(r, (int64_t)a < (int64_t)b);
	case DW_OP_eq:
		return push(r, a == b);
	case DW_OP_ne:
		return push(r, a != b);
	default:
		return false;
	}
}

static bool on_top(struct reckoning *r, const Dwarf_Op *op)
{
	uint64_t *top = r->depth ? &r->stack[r->depth - 1] : NULL;

	if (!top)
		return false;
	switch (op->atom) {
	case DW_OP_plus_uconst:
		*top += op->number;
		return true;
	case DW_OP_deref:
		return memory_word(r->memory, *top, top);
	case DW_OP_dup:
		return push(r, *top);
	case DW_OP_drop:
		r->depth--;
		return true;
	case DW_OP_stack_value:
		r->is_value = true;
		return true;
	default:
		return binary(r, op->atom);
	}
}

static bool perform(struct reckoning *r, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(r, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(r, op->atom - DW_OP_breg0, op->number);
	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
		r->is_value = true;
		return push_register(r, op->atom - DW_OP_reg0, 0);
	}
	switch (op->atom) {
	case DW_OP_const1u ... DW_OP_consts:
		return push(r, op->number);
	case DW_OP_bregx:
		return push_register(r, op->number, op->number2);
	case DW_OP_regx:
		r->is_value = true;
		return push_register(r, op->number, 0);
	case DW_OP_call_frame_cfa:
		return push(r, r->cfa);
	case DW_OP_nop:
		return true;
	default:
		return on_top(r, op);
	}
}

static bool reckon(struct reckoning *r, const Dwarf_Op *ops, size_t n, uint64_t *ret)
{
	r->depth = 0;
	r->is_value = false;
	for (size_t i = 0; i < n; i++)
		if (!perform(r, &ops[i]))
			return false;
	if (!r->depth)
		return false;
	*ret = r->stack[r->depth - 1];
	return true;
}

/* What the caller had in a register; false when nobody can know. */
static bool caller_register(Dwarf_Frame *frame, struct reckoning *r, int number, uint64_t *ret)
{
	Dwarf_Op space[3], *ops;
	size_t n;
	uint64_t v;

	if (dwarf_frame_register(frame, number, space, &ops, &n))
		return false;
	if (!n) {
		/* No rule and no space for one: it was left alone. */
		*ret = r->cpu->r[number];
		return !ops && r->cpu->known & 1U << number;
	}
	if (!reckon(r, ops, n, &v))
		return false;
	if (r->is_value) {
		*ret = v;
		return true;
	}
	return memory_word(r->memory, v, ret);
}

enum cfi_result cfi_step(Dwarf_CFI *cfi, uint64_t address, const struct memory *m, struct cpu *cpu)
{
	static const int kept[] = { CPU_BX, CPU_BP, CPU_R12, 13, 14, 15 };
	struct reckoning r = { .cpu = cpu, .memory = m };
	_free_ Dwarf_Frame *frame = NULL;
	struct cpu caller = { 0 };
	Dwarf_Op *ops;
	size_t n;
	bool is_signal = false;
	int ip_number;

	if (dwarf_cfi_addrframe(cfi, address, &frame))
		return CFI_NONE;
	ip_number = dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (dwarf_frame_cfa(frame, &ops, &n) || !n || !reckon(&r, ops, n, &r.cfa))
		return CFI_LAST;
	if (ip_number != CPU_IP || !caller_register(frame, &r, CPU_IP, &caller.r[CPU_IP]))
		return CFI_LAST;
	caller.r[CPU_SP] = r.cfa;
	caller.known = 1U << CPU_IP | 1U << CPU_SP;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (caller_register(frame, &r, kept[i], &caller.r[kept[i]]))
			caller.known |= 1U << kept[i];
	*cpu = caller;
	return is_signal ? CFI_SIGNAL : CFI_CALLER;
}
