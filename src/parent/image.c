/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/image.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/fd.h"

#define SELF "/proc/self/exe"

const char *image_self(void)
{
	const char *started_as = (const char *)getauxval(AT_EXECFN);

	return access(SELF, X_OK) == 0 || !started_as ? SELF : started_as;
}

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

const char *image_explain(const char *path, char *out, size_t size)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;
	char loader[256];

	out[0] = '\0';
	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return out;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		snprintf(out, size, "; it is not an ELF program");
	else if (header.e_ident[EI_CLASS] == ELFCLASS64 &&
		 read_interpreter(fd, &header, loader, sizeof(loader)))
		snprintf(out, size,
			 "; the image is dynamically linked: it needs the loader %s (%s here) and "
			 "its "
			 "libraries on the target; link it with -static",
			 loader, access(loader, X_OK) == 0 ? "which is" : "which is not");
	return out;
}
