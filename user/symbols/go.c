// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Go's marks in an executable.  Its table of lines is asked before any debug
 * information: it is always there, small, and right.
 */
#include <gelf.h>
#include <stdio.h>
#include <string.h>

#include "symbols/module.h"

/* The contents of a section as they are in the file, when they are in it. */
static const uint8_t *contents(const struct module *m, const GElf_Shdr *section)
{
	size_t size = 0;
	const char *file = elf_rawfile(m->elf, &size);

	if (!file || section->sh_type == SHT_NOBITS || section->sh_offset > size ||
	    section->sh_size > size - section->sh_offset)
		return NULL;
	return (const uint8_t *)file + section->sh_offset;
}

static bool find_section(const struct module *m, const char *const *names, GElf_Shdr *ret)
{
	size_t strings = 0;

	if (elf_getshdrstrndx(m->elf, &strings))
		return false;
	for (Elf_Scn *s = elf_nextscn(m->elf, NULL); s; s = elf_nextscn(m->elf, s)) {
		GElf_Shdr h;
		const char *name =
			gelf_getshdr(s, &h) ? elf_strptr(m->elf, strings, h.sh_name) : NULL;

		for (size_t i = 0; name && names[i]; i++) {
			if (!strcmp(name, names[i])) {
				*ret = h;
				return true;
			}
		}
	}
	return false;
}

/*
 * In a position-independent executable the word in the table may be left to the
 * dynamic linker: then it stands in the relocation.
 */
static uint64_t relocated(const struct module *m, uint64_t address)
{
	static const char *const names[] = { ".rela.dyn", ".rela", NULL };
	GElf_Shdr h;
	const uint8_t *bytes;
	Elf64_Rela r;

	if (!find_section(m, names, &h))
		return 0;
	bytes = contents(m, &h);
	for (uint64_t at = 0; bytes && h.sh_size - at >= sizeof(r); at += sizeof(r)) {
		memcpy(&r, bytes + at, sizeof(r));
		if (r.r_offset == address)
			return (uint64_t)r.r_addend;
	}
	return 0;
}

static uint64_t text_start(const struct module *m, const GElf_Shdr *table)
{
	static const char *const names[] = { ".text", NULL };
	uint64_t start = relocated(m, table->sh_addr + PCLNTAB_TEXT_START);
	GElf_Shdr text;

	return start ?: find_section(m, names, &text) ? text.sh_addr : 0;
}

/*
 * Since 1.18 the section holds the text itself, behind 32 bytes of header: its length
 * in seven bits a byte, then that many bytes.
 */
void go_version(const struct module *m, char *out, size_t size)
{
	static const char *const names[] = { ".go.buildinfo", NULL };
	static const char magic[] = "\xff Go buildinf:";
	const size_t head = 32, flags_at = 15, text_at = head + 1;
	const uint8_t *bytes;
	GElf_Shdr h;
	size_t len;

	out[0] = '\0';
	if (!find_section(m, names, &h) || h.sh_size < text_at)
		return;
	bytes = contents(m, &h);
	if (!bytes || memcmp(bytes, magic, sizeof(magic) - 1) || !(bytes[flags_at] & 2))
		return;
	len = bytes[head];	/* no version is as long as 128 bytes */
	if (len < size && len <= h.sh_size - text_at)
		(void)snprintf(out, size, "%.*s", (int)len, (const char *)bytes + text_at);
}

void go_look(struct module *m)
{
	static const char *const marks[] = { ".go.buildinfo", ".note.go.buildid", NULL };
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab", NULL };
	GElf_Shdr h;
	const uint8_t *bytes;

	m->is_go = find_section(m, marks, &h);
	if (gelf_getclass(m->elf) != ELFCLASS64 || !find_section(m, names, &h))
		return;
	m->is_go = true;
	bytes = contents(m, &h);
	m->has_pclntab = bytes && !pclntab_open(bytes, h.sh_size, text_start(m, &h), &m->pclntab);
}
