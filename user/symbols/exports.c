// SPDX-License-Identifier: GPL-2.0-or-later
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "symbols/exports.h"

#ifdef __x86_64__
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

/* By the program headers; code only. */
static uint64_t place_of(Elf *elf, uint64_t address)
{
	size_t n = 0;

	if (elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n && i < UINT16_MAX; i++) {
		GElf_Phdr h;

		if (!gelf_getphdr(elf, (int)i, &h) || h.p_type != PT_LOAD || !(h.p_flags & PF_X))
			continue;
		if (address >= h.p_vaddr && address - h.p_vaddr < h.p_filesz)
			return h.p_offset + (address - h.p_vaddr);
	}
	return 0;
}

static void look_at(Elf *elf, const char *name, uint64_t address, char names[][SYMBOLS_NAME_LEN],
		    uint32_t n, uint64_t *offsets)
{
	for (uint32_t i = 0; i < n; i++)
		if (!offsets[i] && strcmp(names[i], name) == 0)
			offsets[i] = place_of(elf, address);
}

static void look_through(Elf *elf, Elf_Scn *section, const GElf_Shdr *h,
			 char names[][SYMBOLS_NAME_LEN], uint32_t n, uint64_t *offsets)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = h->sh_entsize ? h->sh_size / h->sh_entsize : 0;

	for (size_t i = 0; data && i < count && i < INT32_MAX; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym))
			return;
		if (GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, h->sh_link, sym.st_name);
		if (name)
			look_at(elf, name, sym.st_value, names, n, offsets);
	}
}

bool exports_find(int fd, char names[][SYMBOLS_NAME_LEN], uint32_t n, uint64_t *offsets)
{
	Elf_Scn *section = NULL;
	GElf_Ehdr e;
	GElf_Shdr h;
	Elf *elf;
	bool fits;

	(void)elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	fits = elf && elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &e) && e.e_machine == MACHINE;
	while (fits && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &h) &&
		    (h.sh_type == SHT_DYNSYM || h.sh_type == SHT_SYMTAB))
			look_through(elf, section, &h, names, n, offsets);
	(void)elf_end(elf);
	(void)close(fd);
	return fits;
}
