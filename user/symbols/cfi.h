/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One step outwards by call frame information, x86-64. */
#ifndef PLIMSOLL_SYMBOLS_CFI_H
#define PLIMSOLL_SYMBOLS_CFI_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As DWARF numbers them. */
enum { CPU_BX = 3, CPU_BP = 6, CPU_SP = 7, CPU_R12 = 12, CPU_IP = 16, CPU_MAX };

struct cpu {
	uint64_t r[CPU_MAX];
	uint32_t known; /* bit i: r[i] */
};

/* The stack as it was copied; nothing else is ever read. */
struct memory {
	uint64_t start;
	const uint8_t *bytes;
	size_t len;
};

bool memory_word(const struct memory *m, uint64_t at, uint64_t *ret);

enum cfi_result {
	CFI_NONE,   /* it says nothing of this address */
	CFI_LAST,   /* nobody called it, or it cannot be found out who did */
	CFI_CALLER, /* the frame of a call */
	CFI_SIGNAL, /* what a signal interrupted: its address is no return address */
};

/* `address` is the file's own, of the code that runs.  `cpu` changes with success only. */
enum cfi_result cfi_step(Dwarf_CFI *cfi, uint64_t address, const struct memory *m, struct cpu *cpu);

#endif
