/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/crash.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/backtrace.h"
#include "base/modules.h"
#include "base/safe_text.h"

#define STACK_SIZE (64u * 1024)

static const struct {
	int number;
	const char *name;
} fatal[] = {
	{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
	{SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"},
};

static char who[256];
static bool is_enabled;
static __thread void *stack;

static const char *name_of(int number)
{
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (fatal[i].number == number)
			return fatal[i].name;
	return "?";
}

static void write_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, data, size);

		if (n <= 0)
			return;
		data += n;
		size -= (size_t)n;
	}
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	struct backtrace backtrace;
	char data[4096], thread[16] = "";
	struct safe_text text = {data, sizeof(data), 0};

	prctl(PR_GET_NAME, thread);
	safe_text_add(&text, "mitogen: ");
	if (*who) {
		safe_text_add(&text, who);
		safe_text_add(&text, ": ");
	}
	safe_text_add(&text, name_of(number));
	if (info->si_code > 0) {
		safe_text_add(&text, " at ");
		safe_text_hex(&text, (uintptr_t)info->si_addr);
	}
	safe_text_add(&text, " in the thread \"");
	safe_text_add(&text, thread);
	safe_text_add(&text, "\", version " MITOGEN_VERSION "\n");
	modules_load();
	backtrace_take(&backtrace, context);
	backtrace_write(&backtrace, &text);
	write_all(text.data, text.used);
	/* the handler is the default one again: what caused the signal causes it again, and what was
	 * sent is sent again, for when this returns */
	if (info->si_code <= 0)
		raise(number);
}

void crash_enable(const char *name)
{
	struct sigaction action = {.sa_sigaction = on_crash,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
	struct sigaction before;

	snprintf(who, sizeof(who), "%s", name);
	is_enabled = true;
	backtrace_prepare();
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (sigaction(fatal[i].number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(fatal[i].number, &action, NULL);
	crash_enter_thread();
}

void crash_enter_thread(void)
{
	stack_t alternate = {.ss_size = STACK_SIZE};

	if (!is_enabled || stack)
		return;
	/* from the kernel: an allocator would write to its pages, which are of no use until there is a crash */
	alternate.ss_sp =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (alternate.ss_sp == MAP_FAILED)
		return;
	stack = alternate.ss_sp;
	sigaltstack(&alternate, NULL);
}

void crash_leave_thread(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	if (!stack)
		return;
	sigaltstack(&none, NULL);
	munmap(stack, STACK_SIZE);
	stack = NULL;
}
