/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One ELF file: what it is, and what lies where in it. */
#ifndef PLIMSOLL_SYMBOLS_MODULE_H
#define PLIMSOLL_SYMBOLS_MODULE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbols/pclntab.h"

struct module {
	Dwfl *dwfl;
	Dwfl_Module *dwfl_module;
	Elf *elf;
	GElf_Addr bias; /* what libdwfl adds to the file's own addresses */
	bool is_go, has_pclntab;
	struct pclntab pclntab;
	char build_id[41];
};

/* Takes `fd` over, whatever happens.  False when the file is no ELF file. */
bool module_open(struct module *m, int fd);
void module_close(struct module *m);

/* The file's own address of what lies at `offset` in it, by its program headers. */
bool module_address(const struct module *m, uint64_t offset, uint64_t *ret);

/* The reverse; false when no byte of the file lies there. */
bool module_offset(const struct module *m, uint64_t address, uint64_t *ret);

/* What is known of an address; texts are "" and the line 0 where nothing is. */
struct place {
	char function[128], file[128];
	uint32_t line;
};

void module_find(const struct module *m, uint64_t address, struct place *ret);

/* Of symbols/go.c: whether it is Go's, and its table. */
void go_look(struct module *m);

/* "go1.19.8", cut to `size`; "" when it does not say. */
void go_version(const struct module *m, char *out, size_t size);

/* Of symbols/field.c: offsets of the fields asked for, -1 where nothing tells. */
struct symbols_go;
void fields_find(const struct module *m, const struct symbols_go *q, int32_t *ret);

/* Of symbols/dwarf.c: false when the debug information does not know the address. */
bool dwarf_find(const struct module *m, uint64_t address, struct place *ret);

/* A C++ or Rust name as its source has it, and any other as it is. */
void place_set_function(struct place *p, const char *name);

/* The end of it, when it is too long: directories say less than the file's name. */
void place_set_file(struct place *p, const char *path);

#endif
