// SPDX-License-Identifier: GPL-2.0-or-later
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbols/module.h"

#define SIZELESS_REACH 4096 /* how far a symbol without a size is believed */

/* libstdc++'s, which has no header for C. */
char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

/* Debug information in other files cannot be opened here, so nobody looks for them. */
static int find_nothing(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **ret)
{
	(void)module;
	(void)user;
	(void)name;
	(void)base;
	(void)file;
	(void)link;
	(void)crc;
	(void)ret;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_debuginfo = find_nothing,
	.section_address = dwfl_offline_section_address,
};

static void read_build_id(struct module *m)
{
	const unsigned char *bits;
	GElf_Addr at;
	int n = dwfl_module_build_id(m->dwfl_module, &bits, &at);

	for (int i = 0; i < n && i < 20; i++)
		(void)snprintf(m->build_id + 2 * i, 3, "%02x", bits[i]);
}

bool module_open(struct module *m, int fd)
{
	*m = (struct module){ .dwfl = dwfl_begin(&callbacks) };
	if (!m->dwfl) {
		(void)close(fd);
		return false;
	}
	dwfl_report_begin(m->dwfl);
	m->dwfl_module = dwfl_report_offline(m->dwfl, "module", "module", fd);
	if (!m->dwfl_module)
		(void)close(fd);
	(void)dwfl_report_end(m->dwfl, NULL, NULL);
	m->elf = m->dwfl_module ? dwfl_module_getelf(m->dwfl_module, &m->bias) : NULL;
	if (!m->elf)
		return false;
	read_build_id(m);
	go_look(m);
	return true;
}

void module_close(struct module *m)
{
	if (m->dwfl)
		dwfl_end(m->dwfl);
	*m = (struct module){ 0 };
}

/* Two segments may share a page of the file; the bytes of one belong to it alone. */
bool module_address(const struct module *m, uint64_t offset, uint64_t *ret)
{
	size_t n = 0;
	bool found = false;

	if (elf_getphdrnum(m->elf, &n))
		return false;
	for (size_t i = 0; i < n && i < UINT16_MAX; i++) {
		GElf_Phdr h;

		if (!gelf_getphdr(m->elf, (int)i, &h) || h.p_type != PT_LOAD)
			continue;
		if (offset < h.p_offset || offset - h.p_offset >= h.p_filesz)
			continue;
		if (found && !(h.p_flags & PF_X))
			continue;
		*ret = h.p_vaddr + (offset - h.p_offset);
		found = true;
	}
	return found;
}

bool module_offset(const struct module *m, uint64_t address, uint64_t *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(m->elf, &n))
		return false;
	for (size_t i = 0; i < n && i < UINT16_MAX; i++) {
		GElf_Phdr h;

		if (!gelf_getphdr(m->elf, (int)i, &h) || h.p_type != PT_LOAD)
			continue;
		if (address < h.p_vaddr || address - h.p_vaddr >= h.p_filesz)
			continue;
		*ret = h.p_offset + (address - h.p_vaddr);
		return true;
	}
	return false;
}

void place_set_function(struct place *p, const char *name)
{
	int status;
	char *plain = strncmp(name, "_Z", 2) ? NULL : __cxa_demangle(name, NULL, NULL, &status);

	(void)snprintf(p->function, sizeof(p->function), "%s", plain ?: name);
	free(plain);
}

void place_set_file(struct place *p, const char *path)
{
	size_t len = strlen(path);
	size_t room = sizeof(p->file) - 1;

	(void)snprintf(p->file, sizeof(p->file), "%s", len > room ? path + len - room : path);
}

/* Debug information is asked only for what the table knows less well. */
static bool pclntab_knows(const struct module *m, uint64_t address, struct place *ret)
{
	struct pclntab_place found;

	if (!m->has_pclntab || !pclntab_find(&m->pclntab, address, &found))
		return false;
	if (found.inlined && dwarf_find(m, address, ret) && ret->line)
		return true;
	*ret = (struct place){ 0 };
	place_set_function(ret, found.function);
	place_set_file(ret, found.file ?: "");
	ret->line = found.line;
	return true;
}

static void symbol_find(const struct module *m, uint64_t address, struct place *ret)
{
	GElf_Off into = 0;
	GElf_Sym sym;
	const char *name = dwfl_module_addrinfo(m->dwfl_module, address + m->bias, &into, &sym,
						NULL, NULL, NULL);

	if (name && name[0] && (sym.st_size || into < SIZELESS_REACH))
		place_set_function(ret, name);
}

void module_find(const struct module *m, uint64_t address, struct place *ret)
{
	*ret = (struct place){ 0 };
	if (pclntab_knows(m, address, ret))
		return;
	(void)dwarf_find(m, address, ret);
	if (!ret->function[0])
		symbol_find(m, address, ret);
}
