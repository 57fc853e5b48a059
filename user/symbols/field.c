// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the fields of structures lie, by debug information. */
#include <dwarf.h>
#include <string.h>

#include "lib/symbols_wire.h"
#include "symbols/module.h"

#define OFFSET_MAX (1 << 20) /* no structure that is asked for is larger */

static int32_t offset_of(Dwarf_Die *member)
{
	Dwarf_Attribute a;
	Dwarf_Word at;

	if (dwarf_formudata(dwarf_attr(member, DW_AT_data_member_location, &a), &at) ||
	    at > OFFSET_MAX)
		return -1;
	return (int32_t)at;
}

static uint32_t take_members(Dwarf_Die *type, const char *name, const struct symbols_go *q,
			     int32_t *ret)
{
	uint32_t found = 0;
	Dwarf_Die member;

	if (dwarf_child(type, &member))
		return 0;
	do {
		const char *field = dwarf_diename(&member);

		for (uint32_t i = 0; field && i < q->head.queries; i++) {
			if (ret[i] >= 0 || strcmp(q->fields[i].type, name) ||
			    strcmp(q->fields[i].field, field))
				continue;
			ret[i] = offset_of(&member);
			found += ret[i] >= 0;
		}
	} while (!dwarf_siblingof(&member, &member));
	return found;
}

static bool is_asked_for(const struct symbols_go *q, const char *name)
{
	for (uint32_t i = 0; i < q->head.queries; i++)
		if (strcmp(q->fields[i].type, name) == 0)
			return true;
	return false;
}

void fields_find(const struct module *m, const struct symbols_go *q, int32_t *ret)
{
	Dwarf_Die *unit = NULL, die;
	uint32_t found = 0;
	Dwarf_Addr bias;

	while (found < q->head.queries &&
	       (unit = dwfl_module_nextcu(m->dwfl_module, unit, &bias))) {
		if (dwarf_child(unit, &die))
			continue;
		do {
			const char *name = dwarf_tag(&die) == DW_TAG_structure_type ?
						   dwarf_diename(&die) : NULL;

			if (name && is_asked_for(q, name))
				found += take_members(&die, name, q, ret);
		} while (found < q->head.queries && !dwarf_siblingof(&die, &die));
	}
}
