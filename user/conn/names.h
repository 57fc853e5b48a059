/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names out of a packet that comes from somebody else's process and may be cut short. */
#ifndef PLIMSOLL_CONN_NAMES_H
#define PLIMSOLL_CONN_NAMES_H

#include "conn.h"

/* The string at *at, moving *at behind its end; NULL when it has none. */
const char *names_next(const uint8_t *bytes, size_t len, size_t *at);

/* Zero-filled to its end, so that equal names are equal bytes; too long, it is cut. */
void names_set(char name[static NAME_LEN], const char *text);

#endif
