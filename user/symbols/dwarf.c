// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Function, file and line out of debug information.  Of functions inlined into each
 * other the outermost is named, the one that the symbol table has too, and its line
 * is that of the call.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "symbols/module.h"

/* By the table of ranges where the compiler made one, else one unit after the other. */
static Dwarf_Die *find_unit(const struct module *m, uint64_t address, Dwarf_Addr *ret_bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(m->dwfl_module, address, ret_bias);

	while (!unit || !dwarf_haspc(unit, address - *ret_bias)) {
		unit = dwfl_module_nextcu(m->dwfl_module, unit, ret_bias);
		if (!unit)
			return NULL;
		if (dwarf_haspc(unit, address - *ret_bias) > 0)
			return unit;
	}
	return unit;
}

static bool text_attribute(Dwarf_Die *die, unsigned int name, const char **ret)
{
	Dwarf_Attribute a;
	const char *text = dwarf_formstring(dwarf_attr_integrate(die, name, &a));

	if (text)
		*ret = text;
	return text != NULL;
}

static uint64_t number_attribute(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute a;
	Dwarf_Word v = 0;

	return dwarf_formudata(dwarf_attr(die, name, &a), &v) ? 0 : v;
}

static void line_of_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct place *ret)
{
	Dwarf_Files *files;
	size_t n;
	const char *path = NULL;

	if (!dwarf_getsrcfiles(unit, &files, &n))
		path = dwarf_filesrc(files, number_attribute(inlined, DW_AT_call_file), NULL, NULL);
	if (path)
		place_set_file(ret, path);
	ret->line = (uint32_t)number_attribute(inlined, DW_AT_call_line);
}

static void line_of_address(Dwarf_Die *unit, Dwarf_Addr pc, struct place *ret)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
	const char *path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	int number = 0;

	if (!path)
		return;
	place_set_file(ret, path);
	if (!dwarf_lineno(line, &number) && number > 0)
		ret->line = (uint32_t)number;
}

/*
 * The scopes around `pc` as they lie in the code.  Of an inlined function
 * dwarf_getscopes() goes on with the place of its definition, hence the second call.
 */
static int scopes_of(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die **ret)
{
	_free_ Dwarf_Die *inner = NULL;

	if (dwarf_getscopes(unit, pc, &inner) <= 0)
		return 0;
	return dwarf_getscopes_die(&inner[0], ret);
}

bool dwarf_find(const struct module *m, uint64_t address, struct place *ret)
{
	_free_ Dwarf_Die *scopes = NULL;
	Dwarf_Addr bias = 0;
	Dwarf_Die *unit = find_unit(m, address + m->bias, &bias);
	Dwarf_Addr pc = address + m->bias - bias;
	Dwarf_Die *inlined = NULL;
	const char *name = NULL;
	int n = unit ? scopes_of(unit, pc, &scopes) : 0;

	for (int i = 0; i < n && !name; i++) {
		if (dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine)
			inlined = &scopes[i];
		if (dwarf_tag(&scopes[i]) != DW_TAG_subprogram)
			continue;
		if (!text_attribute(&scopes[i], DW_AT_linkage_name, &name) &&
		    !text_attribute(&scopes[i], DW_AT_name, &name))
			break;
	}
	if (name)
		place_set_function(ret, name);
	if (inlined)
		line_of_call(unit, inlined, ret);
	else if (unit)
		line_of_address(unit, pc, ret);
	return name != NULL;
}
