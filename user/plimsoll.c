// SPDX-License-Identifier: GPL-2.0-or-later
/* plimsoll: the entry point; see cli.c. */
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "lib/log.h"

#define WIDTH 100

static struct style find_style(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool tty = isatty(STDOUT_FILENO);
	struct style style = { .width = WIDTH };
	struct winsize size;

	if (tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		style.width = size.ws_col;
	style.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	style.colour = tty && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	return style;
}

int main(int argc, char **argv)
{
	char why[256];
	struct cli c;

	(void)setlocale(LC_CTYPE, "");
	log_setup("plimsoll", LOG_LEVEL_WARN);
	if (cli_parse(argc, argv, &c, why, sizeof(why)) != EXIT_OK) {
		(void)log_err(0, "%s", why);
		return EXIT_USAGE;
	}
	c.style = find_style();
	return (int)cli_run(&c);
}
