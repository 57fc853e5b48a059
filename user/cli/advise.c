// SPDX-License-Identifier: GPL-2.0-or-later
/* advise: a few sentences a pool. */
#include "cli/print.h"
#include "cli/value.h"

void print_advise(const struct cli *c, json_t *rows)
{
	json_t *row, *word;
	size_t i, j;

	(void)c;
	json_array_foreach(rows, i, row) {
		(void)printf("%s%s (pid %s) at %s, database %s, user %s: %s open\n", i ? "\n" : "",
			     value_text(row, "comm").text, value_text(row, "pid").text,
			     value_text(row, "endpoint").text, value_text(row, "database").text,
			     value_text(row, "user").text, value_text(row, "open").text);
		json_array_foreach(json_object_get(row, "words"), j, word)
			(void)printf("  %s\n", json_string_value(word));
	}
}
