/* SPDX-License-Identifier: BSD-3-Clause */
/* The least program: no C library, it only exits. */
#include <sys/syscall.h>

__attribute__((noreturn)) void run(void);

void run(void)
{
	for (;;)
		__asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
}
