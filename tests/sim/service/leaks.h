/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLIMSOLL_SIM_LEAKS_H
#define PLIMSOLL_SIM_LEAKS_H

/*
 * Leaks from now on, at times of their own: of the kinds in `which` ("all", or names with
 * commas between), `per_day` of each.
 */
void leaks_begin(const char *which, double per_day);

#endif
