/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/platform.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if !defined(__linux__)
#define OWN "other"
#elif defined(__x86_64__) && !defined(__ILP32__)
#define OWN "linux-x86_64"
#elif defined(__aarch64__) && !defined(__ILP32__) && !defined(__AARCH64EB__)
#define OWN "linux-aarch64"
#elif defined(__ARM_ARCH) && __ARM_ARCH >= 7 && !defined(__ARMEB__)
#define OWN "linux-armv7"
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN "linux-riscv64"
#else
#define OWN "other"
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct platform {
	const char *name;
	uint16_t elf_machine;
	uint8_t elf_class;
	const char *system, *machines[3]; /* as uname(1) prints them; the latter end with NULL */
} platforms[] = {
	{"linux-x86_64", EM_X86_64, ELFCLASS64, "Linux", {"x86_64"}},
	{"linux-aarch64", EM_AARCH64, ELFCLASS64, "Linux", {"aarch64"}},
	{"linux-armv7", EM_ARM, ELFCLASS32, "Linux", {"armv7l", "armv8l"}},
	{"linux-riscv64", EM_RISCV, ELFCLASS64, "Linux", {"riscv64"}},
};

static bool has_machine(const struct platform *platform, const char *machine)
{
	for (size_t i = 0; platform->machines[i]; i++)
		if (strcmp(platform->machines[i], machine) == 0)
			return true;
	return false;
}

const char *platform_find(const char *system, const char *machine)
{
	for (size_t i = 0; i < COUNT(platforms); i++)
		if (strcmp(platforms[i].system, system) == 0 && has_machine(&platforms[i], machine))
			return platforms[i].name;
	return NULL;
}

const char *platform_named(const char *name, size_t size)
{
	for (size_t i = 0; i < COUNT(platforms); i++)
		if (strlen(platforms[i].name) == size && memcmp(platforms[i].name, name, size) == 0)
			return platforms[i].name;
	return NULL;
}

const char *platform_unames(const char *name, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT(platforms); i++)
		for (size_t j = 0; platforms[i].machines[j] && used < size; j++)
			if (strcmp(platforms[i].name, name) == 0)
				used += (size_t)snprintf(out + used, size - used, "%s%s %s|",
							 used > 0 ? "" : "|", platforms[i].system,
							 platforms[i].machines[j]);
	return out;
}

const char *platform_at(size_t index)
{
	return index < COUNT(platforms) ? platforms[index].name : NULL;
}

const char *platform_own(void)
{
	const char *name = platform_named(OWN, strlen(OWN)); /* the table's own */

	return name ? name : OWN;
}

const char *platform_of_program(const void *data, size_t size)
{
	Elf32_Ehdr header; /* up to e_machine all ELF headers are the same */

	if (size < sizeof(header))
		return NULL;
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_DATA] != ELFDATA2LSB)
		return NULL;
	for (size_t i = 0; i < COUNT(platforms); i++)
		if (platforms[i].elf_machine == header.e_machine &&
		    platforms[i].elf_class == header.e_ident[EI_CLASS])
			return platforms[i].name;
	return NULL;
}

const char *platform_list(char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < COUNT(platforms) && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
					 platforms[i].name);
	return out;
}
