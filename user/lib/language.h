/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process is written in, as far as it is plain from outside. */
#ifndef PLIMSOLL_LANGUAGE_H
#define PLIMSOLL_LANGUAGE_H

#include <stddef.h>
#include <stdint.h>

/* By the name of the executable file, or "". */
const char *language_by_name(const char *exe_name);

/* By the name of a mapped file, or "". */
const char *language_by_library(const char *file_name);

/* The script that a python process runs, as its command line says; "" none. */
void language_script(uint32_t pid, char *out, size_t out_size);

/* The same out of the bytes of /proc/PID/cmdline. */
void language_script_parse(const char *args, size_t len, char *out, size_t out_size);

#endif
