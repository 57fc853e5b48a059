/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kinds of plug-in, joined by the linker: a detector, an action or a protocol is
 * one file that ends in REGISTER(), and no list names it.  The order in which
 * for_each() meets them is nobody's promise.
 *
 * `retain` keeps the entries when the linker collects unused sections.
 */
#ifndef PLIMSOLL_REGISTRY_H
#define PLIMSOLL_REGISTRY_H

#define REGISTRY(kind)                                                                             \
	extern const struct kind *const __start_##kind##s[] __attribute__((weak));                 \
	extern const struct kind *const __stop_##kind##s[] __attribute__((weak))

#define REGISTER(kind, sym)                                                                        \
	static const struct kind *const sym##_entry                                                \
		__attribute__((used, retain, section(#kind "s"))) = &(sym)

#define for_each(kind, it)                                                                         \
	for (const struct kind *const *it = __start_##kind##s; it < __stop_##kind##s; it++)

#endif
