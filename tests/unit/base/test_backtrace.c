/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backtrace.h"
#include "base/modules.h"
#include "base/safe_text.h"

static struct backtrace taken;

static void take(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	backtrace_take(&taken, context);
}

/* Frames of their own, whatever the compiler thinks of it. */
__attribute__((noinline)) static int inner(volatile int *count)
{
	raise(SIGUSR2);
	return ++*count;
}

__attribute__((noinline)) static int outer(volatile int *count)
{
	return inner(count) + *count;
}

static bool is_in(uintptr_t address, int (*function)(volatile int *))
{
	return address > (uintptr_t)function && address < (uintptr_t)function + 200;
}

static void functions_are_found_from_the_innermost(void **state)
{
	struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	volatile int count = 0;
	size_t i = 0;

	(void)state;
	backtrace_prepare();
	modules_load();
	assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
	assert_int_equal(outer(&count), 2);
	assert_true(taken.count >= 4 && taken.count <= BACKTRACE_MAX);
	while (i < taken.count && !is_in(taken.frames[i], inner))
		i++;
	assert_true(i + 1 < taken.count);
	assert_true(is_in(taken.frames[i + 1], outer));
	for (i = 0; i < taken.count; i++)
		assert_true(modules_is_code(taken.frames[i]));
}

static void a_line_for_each(void **state)
{
	struct backtrace backtrace = {
		.frames = {0x10, 0x20}, .is_guess = {false, true}, .count = 2};
	char out[128];
	struct safe_text text = {out, sizeof(out) - 1, 0};

	(void)state;
	backtrace_write(&backtrace, &text);
	out[text.used] = '\0';
	assert_string_equal(out, "  #0 0x10\n  #1 0x20 (perhaps)\n");
	text.used = 0;
	backtrace.count = 0;
	backtrace_write(&backtrace, &text);
	out[text.used] = '\0';
	assert_string_equal(out, "  no back-trace\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_from_the_innermost),
		cmocka_unit_test(a_line_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
