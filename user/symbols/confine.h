/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving up every privilege, for good. */
#ifndef PLIMSOLL_SYMBOLS_CONFINE_H
#define PLIMSOLL_SYMBOLS_CONFINE_H

/*
 * After it: nobody's user and group, no capability, 512 MiB, 5 s; nothing can be opened,
 * started, made executable or sent, and the only way out is standard output.
 * 0 or -errno; then nothing foreign may be read.
 */
int confine(void);

#endif
