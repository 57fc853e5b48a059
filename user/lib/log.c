// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/text.h"

static const char *program = "plimsoll";
static enum log_level loudest = LOG_LEVEL_INFO;

void log_setup(const char *name, enum log_level max)
{
	program = name;
	loudest = max;
}

static void write_line(enum log_level level, int err, const char *fmt, va_list args)
{
	char line[1024], clean[1024];

	if (level > loudest)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, args);
	text_escape(line, clean, sizeof(clean));
	if (err)
		(void)fprintf(stderr, "%s: %s: %s\n", program, clean, strerror(-err));
	else
		(void)fprintf(stderr, "%s: %s\n", program, clean);
}

int log_err(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_ERR, err, fmt, args);
	va_end(args);
	return err;
}

int log_warn(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_WARN, err, fmt, args);
	va_end(args);
	return err;
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_INFO, 0, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_LEVEL_DEBUG, 0, fmt, args);
	va_end(args);
}
