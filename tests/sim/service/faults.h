/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLIMSOLL_SIM_FAULTS_H
#define PLIMSOLL_SIM_FAULTS_H

/* Faults from now on, of the sorts in `which` ("all", "none", or names with commas between). */
void faults_begin(const char *which);

#endif
