/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HikariCP, Java's usual pool, by the names of threads as the kernel has them: 15 bytes of each. */
#ifndef PLIMSOLL_HIKARI_H
#define PLIMSOLL_HIKARI_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which of its process's pools a thread of that name dials for: a number, the same for the
 * same name.  0: it is no pool's, or the name does not tell.
 */
uint32_t hikari_dials_for(const char *thread);

/*
 * Later JDKs cut names in the middle ("HikariP.. adder"), and two pools' threads may be
 * called the same.  Whether it is such a name; then *ret_keeper is what the thread is called
 * of which each pool has one.
 */
bool hikari_is_cut(const char *thread, char ret_keeper[static 16]);

/*
 * Whether a thread of that name borrows for itself what it asks on.  Not so a pool's own, and
 * what carries virtual threads: it is now this one and now that.
 */
bool hikari_may_borrow(const char *thread);

#endif
