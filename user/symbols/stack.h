/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who called whom, out of a copied stack. */
#ifndef PLIMSOLL_SYMBOLS_STACK_H
#define PLIMSOLL_SYMBOLS_STACK_H

#include "lib/symbols_wire.h"

/*
 * Says the address of each frame, innermost first; STACK_FRAMES_MAX of them at most.
 * Behind one of V8's interpreter follows that of the bytecodes, which is in no map.
 */
void stack_follow(const struct symbols_stack *s, void (*say)(uint64_t address));

#endif
