/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log speaks of the program's own health, to stderr.  What was found and
 * done belongs in the journal, not here.
 *
 * log_err() is a function so that its errno argument is taken before anything
 * it does can change errno.
 */
#ifndef PLIMSOLL_LOG_H
#define PLIMSOLL_LOG_H

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* What every line starts with ("plimsolld"), and the chattiest level printed. */
void log_setup(const char *name, enum log_level max);

/* Logs the sentence with the reason of `err` (a negative errno; 0 for none), returns `err`. */
int log_err(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int log_warn(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
