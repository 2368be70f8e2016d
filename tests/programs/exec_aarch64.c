/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a shell, has programs for aarch64 run by qemu, as binfmt_misc would, but for nobody else
 * on this machine.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARGUMENTS 64

static bool is_foreign(const char *path)
{
	Elf64_Ehdr header;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, &header, sizeof(header));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof(header) && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
	       header.e_machine == EM_AARCH64;
}

__attribute__((visibility("default"))) int execve(const char *path, char *const argv[],
						  char *const envp[])
{
	const char *emulated[ARGUMENTS + 4] = {QEMU, "-0", argv[0], path};
	const char *const *run = (const char *const *)argv;

	if (is_foreign(path)) {
		for (int i = 1; i < ARGUMENTS && argv[i]; i++)
			emulated[3 + i] = argv[i];
		run = emulated;
		path = QEMU;
	}
	return (int)syscall(SYS_execve, path, run, envp);
}

/* What perl calls. */
__attribute__((visibility("default"))) int execvp(const char *file, char *const argv[])
{
	int (*next)(const char *file, char *const argv[]);

	if (strchr(file, '/'))
		return execve(file, argv, environ);
	*(void **)&next = dlsym(RTLD_NEXT, "execvp");
	return next(file, argv);
}
