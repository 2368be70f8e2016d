/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/executable.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/self.h"

/* The loader that the file asks for, in out; false if it asks for none. */
static bool read_interpreter(int fd, const Elf64_Ehdr *header, char *out, size_t size)
{
	for (int i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;
		off_t at = (off_t)(header->e_phoff + (uint64_t)i * sizeof(segment));
		char name[256];
		ssize_t n;

		if (pread(fd, &segment, sizeof(segment), at) != sizeof(segment))
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		n = pread(fd, name, sizeof(name), (off_t)segment.p_offset);
		if (n <= 0)
			return false;
		escape_text(out, size, name, strnlen(name, (size_t)n));
		return true;
	}
	return false;
}

static const char *machine_name(const Elf64_Ehdr *header)
{
	switch (header->e_machine) {
	case EM_386:
		return "x86";
	case EM_X86_64:
		return "x86_64";
	case EM_ARM:
		return "arm";
	case EM_AARCH64:
		return "aarch64";
	case EM_RISCV:
		return "riscv";
	default:
		return "another machine";
	}
}

/* Word size, byte order and processor; these stand at the same place in all ELF headers. */
static bool same_machine(const Elf64_Ehdr *a, const Elf64_Ehdr *b)
{
	return a->e_ident[EI_CLASS] == b->e_ident[EI_CLASS] &&
	       a->e_ident[EI_DATA] == b->e_ident[EI_DATA] && a->e_machine == b->e_machine;
}

/* False: it cannot be read, or is no ELF file, which *ret_other says. */
static bool read_header(int fd, Elf64_Ehdr *ret, bool *ret_other)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, ret, sizeof(*ret), 0);

	*ret_other = n >= 0 && (n < SELFMAG || memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0);
	return n == sizeof(*ret) && !*ret_other;
}

static bool is_foreign(const Elf64_Ehdr *header, const char **ret_here)
{
	Elf64_Ehdr own;
	CLEANUP_FD int fd = open(self_path(), O_RDONLY | O_CLOEXEC);
	bool other;

	if (!read_header(fd, &own, &other))
		return false;
	*ret_here = machine_name(&own);
	return !same_machine(header, &own);
}

const char *executable_explain(const char *path, char *out, size_t size)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* it may be a FIFO */
	Elf64_Ehdr header;
	char loader[256];
	const char *here;
	bool other;

	out[0] = '\0';
	if (!read_header(fd, &header, &other)) {
		if (other)
			snprintf(out, size, "; it is not an ELF program");
	} else if (is_foreign(&header, &here)) {
		snprintf(out, size,
			 "; the image is a program for %s, but this is %s: give one that was built "
			 "for it",
			 machine_name(&header), here);
	} else if (header.e_ident[EI_CLASS] == ELFCLASS64 &&
		   read_interpreter(fd, &header, loader, sizeof(loader))) {
		snprintf(out, size,
			 "; the image is dynamically linked: it needs the loader %s (%s here) and "
			 "its libraries on the target; link it with -static",
			 loader, access(loader, X_OK) == 0 ? "which is" : "which is not");
	}
	return out;
}
