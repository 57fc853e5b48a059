/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that came from somebody else's process, made safe to show. */
#ifndef PLIMSOLL_TEXT_H
#define PLIMSOLL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies `in` to `out`, with everything that could steer a terminal or break a
 * line (control characters, C1, bidirectional marks, bytes that are no UTF-8)
 * written as \xNN.  Never splits a character.  Always terminates.
 */
void text_escape(const char *in, char *out, size_t out_size);

/* Whether text_escape() would leave these bytes as they are. */
bool text_is_plain(const char *s, size_t len);

/* Shell-style `*` and `?`; whole string; no escapes. */
bool text_match(const char *pattern, const char *s);

#endif
