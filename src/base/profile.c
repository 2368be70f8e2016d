/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/backtrace.h"
#include "base/cleanup.h"
#include "base/modules.h"
#include "base/safe_text.h"
#include "base/sys.h"

#define INTERVAL_US 10000
#define STACKS_MAX  4096 /* different ones; more count as one */
#define TRIES       64   /* places where a stack may be */

struct stack {
	uint32_t hash;  /* atomic; 0: free */
	bool is_filled; /* atomic */
	uint64_t count; /* atomic */
	char thread[16];
	struct backtrace backtrace;
};

static struct stack *stacks; /* NULL: it has not begun */
static bool is_counting;     /* atomic */
static unsigned handlers;    /* atomic: how many are counting just now */
static uint64_t lost;        /* atomic */
static FILE *file;
static struct sigaction action_before;

/* ---- Counting, in the handler ---- */

static uint32_t hash_of(const char thread[16], const struct backtrace *backtrace)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (int i = 0; i < 16; i++)
		hash = (hash ^ (uint8_t)thread[i]) * 16777619u;
	for (size_t i = 0; i < backtrace->count; i++)
		for (uintptr_t rest = backtrace->frames[i]; rest > 0; rest >>= 8)
			hash = (hash ^ (uint8_t)rest) * 16777619u;
	return hash > 0 ? hash : 1;
}

static bool is_same(const struct stack *stack, const char thread[16],
		    const struct backtrace *backtrace)
{
	return memcmp(stack->thread, thread, 16) == 0 &&
	       stack->backtrace.count == backtrace->count &&
	       memcmp(stack->backtrace.frames, backtrace->frames,
		      backtrace->count * sizeof(*backtrace->frames)) == 0;
}

/* Its place, which it takes if it is new; NULL: there is none. */
static struct stack *place_of(const char thread[16], const struct backtrace *backtrace)
{
	uint32_t hash = hash_of(thread, backtrace);

	for (uint32_t i = 0; i < TRIES; i++) {
		struct stack *stack = &stacks[(hash + i) % STACKS_MAX];
		uint32_t expected = 0;

		if (__atomic_compare_exchange_n(&stack->hash, &expected, hash, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			memcpy(stack->thread, thread, 16);
			stack->backtrace = *backtrace;
			__atomic_store_n(&stack->is_filled, true, __ATOMIC_RELEASE);
			return stack;
		}
		if (expected == hash && __atomic_load_n(&stack->is_filled, __ATOMIC_ACQUIRE) &&
		    is_same(stack, thread, backtrace))
			return stack;
	}
	return NULL;
}

static void count(const void *context)
{
	char thread[16] = "";
	struct backtrace backtrace;
	struct stack *stack;

	prctl(PR_GET_NAME, thread);
	backtrace_take(&backtrace, context);
	stack = place_of(thread, &backtrace);
	__atomic_add_fetch(stack ? &stack->count : &lost, 1, __ATOMIC_RELAXED);
}

static void on_tick(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)number;
	(void)info;
	__atomic_add_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&is_counting, __ATOMIC_SEQ_CST))
		count(context);
	__atomic_sub_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
	errno = saved;
}

/* ---- Beginning and end ---- */

static void set_interval(int microseconds)
{
	struct itimerval interval = {{0, microseconds}, {0, microseconds}};

	setitimer(ITIMER_PROF, &interval, NULL);
}

static bool is_signal_free(void)
{
	return sigaction(SIGPROF, NULL, &action_before) == 0 &&
	       (action_before.sa_handler == SIG_DFL || action_before.sa_handler == SIG_IGN);
}

static FILE *open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *opened = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (fd >= 0 && !opened)
		close(fd);
	return opened;
}

int profile_begin(const char *path)
{
	struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};

	if (stacks || !is_signal_free()) {
		errno = EBUSY;
		return -1;
	}
	file = open_file(path);
	if (!file)
		return -1;
	stacks = sys.calloc(STACKS_MAX, sizeof(*stacks));
	if (!stacks) {
		fclose(file);
		errno = ENOMEM;
		return -1;
	}
	lost = 0;
	backtrace_prepare();
	modules_load();
	sigfillset(&action.sa_mask);
	__atomic_store_n(&is_counting, true, __ATOMIC_SEQ_CST);
	sigaction(SIGPROF, &action, NULL);
	set_interval(INTERVAL_US);
	return 0;
}

void profile_enter_thread(void)
{
	sigset_t set;

	if (!stacks)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGPROF);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void write_stack(const struct stack *stack)
{
	char data[4096];
	struct safe_text text = {data, sizeof(data), 0};

	safe_text_add(&text, stack->thread);
	for (size_t i = stack->backtrace.count; i-- > 0;) {
		struct safe_text frame = {data, sizeof(data), text.used};
		uintptr_t address = stack->backtrace.frames[i] - (i > 0);

		modules_write(&frame, address);
		if (frame.used == text.used) {
			safe_text_add(&frame, " ");
			safe_text_hex(&frame, address);
		}
		data[text.used] = ';'; /* in place of the space before it */
		text.used = frame.used;
	}
	fwrite(data, 1, text.used, file);
	fprintf(file, " %llu\n", (unsigned long long)stack->count);
}

static void stop(void)
{
	set_interval(0);
	__atomic_store_n(&is_counting, false, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&handlers, __ATOMIC_SEQ_CST) > 0)
		sched_yield();
	signal(SIGPROF, SIG_IGN); /* one that is pending would end the process */
	sigaction(SIGPROF, &action_before, NULL);
}

int profile_end(void)
{
	int r;

	if (!stacks)
		return 0;
	stop();
	modules_load(); /* there may be more than at the beginning */
	for (size_t i = 0; i < STACKS_MAX; i++)
		if (stacks[i].is_filled)
			write_stack(&stacks[i]);
	if (lost > 0)
		fprintf(file, "others %llu\n", (unsigned long long)lost);
	r = fclose(file) == 0 ? 0 : -1;
	sys.free(TAKE_PTR(stacks));
	return r;
}

/* The timer is not inherited. What the file's buffer holds is the original's to write: there is nothing
 * in it yet. */
void profile_forget(void)
{
	if (!stacks)
		return;
	handlers = 0; /* of threads that are not here */
	stop();
	fclose(file);
	sys.free(TAKE_PTR(stacks));
}
