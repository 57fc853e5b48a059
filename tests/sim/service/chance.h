/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual time, what is to happen when, and chance: all of it follows from the seed. */
#ifndef PLIMSOLL_SIM_CHANCE_H
#define PLIMSOLL_SIM_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Nanoseconds of CLOCK_MONOTONIC, which never stands at 0. */
extern uint64_t sim_now_ns;
#define SIM_BEGIN_NS (1000 * NS_PER_S)

/* Calls `fn` at `when_ns`, or now when that is past.  Things of one instant keep their order. */
typedef void (*happen_fn)(void *who, uint64_t tag);
void happen_at(uint64_t when_ns, happen_fn fn, void *who, uint64_t tag);

/* When the next thing happens; UINT64_MAX when nothing ever does.  And does it. */
uint64_t happen_next_ns(void);
void happen_step(void);
void happen_done(void);

void chance_seed(uint64_t seed);
uint64_t chance_below(uint64_t n);
uint64_t chance_between(uint64_t low, uint64_t high); /* both included */
bool chance(double p);
uint64_t chance_exp(uint64_t mean_ns);

/* Few are far above the median: `spread` 1 has one in 40 seven times above. */
uint64_t chance_skewed(uint64_t median_ns, double spread);

#endif
