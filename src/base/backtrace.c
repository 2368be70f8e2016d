/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/backtrace.h"

#include <ucontext.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#include "base/modules.h"
#include "base/safe_text.h"

#define GUESS_BYTES 2048           /* of the stack that are looked through */
#define STEP_MAX    (1024u * 1024) /* a frame is smaller */
#define WORD        sizeof(uintptr_t)

static void add(struct backtrace *backtrace, uintptr_t address, bool is_guess)
{
	if (backtrace->count == BACKTRACE_MAX)
		return;
	backtrace->is_guess[backtrace->count] = is_guess;
	backtrace->frames[backtrace->count++] = address;
}

/* ---- Registers ---- */

struct registers {
	uintptr_t pc, fp, sp;
};

/* Where a frame keeps its caller's frame pointer and the address to return to, from its own frame
 * pointer. */
#if defined(__x86_64__)
#define CALLER_FP 0
#define RETURN_TO 8
static struct registers registers_of(const ucontext_t *context)
{
	const greg_t *r = context->uc_mcontext.gregs;

	return (struct registers){(uintptr_t)r[REG_RIP], (uintptr_t)r[REG_RBP],
				  (uintptr_t)r[REG_RSP]};
}
#elif defined(__aarch64__)
#define CALLER_FP 0
#define RETURN_TO 8
static struct registers registers_of(const ucontext_t *context)
{
	const mcontext_t *r = &context->uc_mcontext;

	return (struct registers){r->pc, r->regs[29], r->sp};
}
#elif defined(__arm__)
#define CALLER_FP 0
#define RETURN_TO 4
static struct registers registers_of(const ucontext_t *context)
{
	const mcontext_t *r = &context->uc_mcontext;

	return (struct registers){r->arm_pc, r->arm_fp, r->arm_sp};
}
#elif defined(__riscv) && __riscv_xlen == 64
#define CALLER_FP (-16)
#define RETURN_TO (-8)
static struct registers registers_of(const ucontext_t *context)
{
	const unsigned long *r = context->uc_mcontext.__gregs;

	return (struct registers){r[0], r[8], r[2]};
}
#else
#define CALLER_FP 0
#define RETURN_TO 0
static struct registers registers_of(const ucontext_t *context)
{
	(void)context;
	return (struct registers){0};
}
#endif

#ifdef __GLIBC__

void backtrace_prepare(void)
{
	void *frame;

	backtrace(&frame, 1); /* it loads a library when it is called first */
}

/* It begins with the handler and what the kernel put before it. */
void backtrace_take(struct backtrace *ret, const void *ucontext)
{
	uintptr_t pc = registers_of(ucontext).pc;
	void *frames[BACKTRACE_MAX];
	int count = backtrace(frames, BACKTRACE_MAX), first = 0;

	ret->count = 0;
	while (first < count && (uintptr_t)frames[first] != pc)
		first++;
	if (first == count) { /* as after a jump to nowhere */
		add(ret, pc, false);
		first = 0;
	}
	for (int i = first; i < count; i++)
		add(ret, (uintptr_t)frames[i], false);
}

#else

void backtrace_prepare(void)
{
}

/* What a function without a frame pointer has called from: addresses of code between the stack pointer and
 * the first frame. */
static void guess(struct backtrace *ret, uintptr_t sp, uintptr_t end)
{
	uintptr_t words[GUESS_BYTES / WORD];
	size_t size = end > sp && end - sp < sizeof(words) ? end - sp : sizeof(words);
	size_t count = modules_read(sp, words, size) / WORD;

	for (size_t i = 0; i < count && ret->count < BACKTRACE_MAX / 2; i++)
		if (modules_is_code(words[i]))
			add(ret, words[i], true);
}

void backtrace_take(struct backtrace *ret, const void *ucontext)
{
	struct registers at = registers_of(ucontext);

	ret->count = 0;
	if (at.pc == 0 && at.sp == 0)
		return; /* a processor that we do not know */
	add(ret, at.pc, false);
	guess(ret, at.sp, at.fp + (uintptr_t)CALLER_FP);
	while (ret->count < BACKTRACE_MAX) {
		uintptr_t caller, to;

		if (modules_read(at.fp + (uintptr_t)CALLER_FP, &caller, WORD) != WORD ||
		    modules_read(at.fp + (uintptr_t)RETURN_TO, &to, WORD) != WORD ||
		    !modules_is_code(to))
			return;
		add(ret, to, false);
		if (caller <= at.fp || caller - at.fp > STEP_MAX)
			return; /* stacks grow downwards */
		at.fp = caller;
	}
}

#endif

void backtrace_write(const struct backtrace *backtrace, struct safe_text *text)
{
	for (size_t i = 0; i < backtrace->count; i++) {
		safe_text_add(text, "  #");
		safe_text_number(text, i, 10);
		safe_text_add(text, " ");
		safe_text_hex(text, backtrace->frames[i]);
		/* of a caller the call is wanted, not what comes behind it */
		modules_write(text, backtrace->frames[i] - (i > 0));
		safe_text_add(text, backtrace->is_guess[i] ? " (perhaps)\n" : "\n");
	}
	if (backtrace->count == 0)
		safe_text_add(text, "  no back-trace\n");
}
