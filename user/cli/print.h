/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents made readable: one function a verb, given the rows of its document. */
#ifndef PLIMSOLL_CLI_PRINT_H
#define PLIMSOLL_CLI_PRINT_H

#include "cli.h"

void print_conns(const struct cli *c, json_t *rows);
void print_pools(const struct cli *c, json_t *rows);
void print_leaks(const struct cli *c, json_t *rows);
void print_show(const struct cli *c, json_t *rows);
void print_fix(const struct cli *c, json_t *rows);
void print_journal(const struct cli *c, json_t *rows);
void print_status(const struct cli *c, json_t *rows);
void print_doctor(const struct cli *c, json_t *rows);
void print_advise(const struct cli *c, json_t *rows);
void print_stopped(const struct cli *c, json_t *rows);

#endif
