/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/backtrace.h"
#include "base/cleanup.h"
#include "base/modules.h"
#include "base/safe_text.h"

#define ANSWER_MS 200

static bool has_handler;
static pid_t asked; /* atomic: the thread that is to answer, 0: none; it takes this back */
static struct backtrace answer;
static sem_t answered;

static void on_signal(int number, siginfo_t *info, void *context)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	int saved = errno;

	(void)number;
	(void)info;
	if (__atomic_compare_exchange_n(&asked, &self, 0, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		backtrace_take(&answer, context);
		sem_post(&answered);
	}
	errno = saved;
}

void threads_enable(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigaction before;

	if (sigaction(THREADS_SIGNAL, NULL, &before) < 0 ||
	    (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))
		return; /* the program's, or ours already */
	sem_init(&answered, 0, 0);
	backtrace_prepare();
	sigfillset(&action.sa_mask);
	has_handler = sigaction(THREADS_SIGNAL, &action, NULL) == 0;
}

void threads_enter(void)
{
	sigset_t set;

	if (!has_handler)
		return;
	sigemptyset(&set);
	sigaddset(&set, THREADS_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- Asking ---- */

/* False: it blocks the signal, or has ended. */
static bool ask(pid_t thread)
{
	struct timespec deadline;
	pid_t expected = thread;

	__atomic_store_n(&asked, thread, __ATOMIC_SEQ_CST);
	if (has_handler && syscall(SYS_tgkill, getpid(), thread, THREADS_SIGNAL) == 0) {
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_nsec += ANSWER_MS * 1000000L;
		deadline.tv_sec += deadline.tv_nsec / 1000000000L;
		deadline.tv_nsec %= 1000000000L;
		while (sem_timedwait(&answered, &deadline) < 0)
			if (errno != EINTR)
				goto late;
		return true;
	}
late:
	if (__atomic_compare_exchange_n(&asked, &expected, 0, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return false;
	while (sem_wait(&answered) < 0) /* it is answering just now */
		;
	return true;
}

/* A line of a file in /proc, without its newline. */
static const char *read_line(const char *thread, const char *file, char *out, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", thread, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, out, size - 1);
	fd_close(fd);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return out;
}

static pid_t number_of(const char *thread)
{
	return (pid_t)strtol(thread, NULL, 10);
}

static void write_thread(FILE *out, const char *thread)
{
	char name[32], status[512], place[64], data[4096];
	struct safe_text text = {data, sizeof(data), 0};
	const char *state;

	read_line(thread, "comm", name, sizeof(name));
	read_line(thread, "stat", status, sizeof(status));
	read_line(thread, "wchan", place, sizeof(place));
	state = strrchr(status, ')'); /* the name before it may hold anything */
	fprintf(out, " thread %s \"%s\", state %c%s%s\n", thread, name,
		state && state[1] ? state[2] : '?',
		*place && strcmp(place, "0") != 0 ? ", in " : "",
		strcmp(place, "0") != 0 ? place : "");
	if (ask(number_of(thread))) {
		backtrace_write(&answer, &text);
		fwrite(text.data, 1, text.used, out);
	} else {
		fputs(has_handler
			      ? "  it does not answer: it blocks SIGURG, or is busy in the kernel\n"
			      : "  it is not asked: the program has a handler for SIGURG\n",
		      out);
	}
}

void threads_write(FILE *out)
{
	pid_t self = (pid_t)syscall(SYS_gettid);
	struct dirent *entry;
	DIR *list = opendir("/proc/self/task");

	modules_load();
	while (list && (entry = readdir(list)) != NULL)
		if (*entry->d_name != '.' && number_of(entry->d_name) != self)
			write_thread(out, entry->d_name);
	if (list)
		closedir(list);
	else
		fputs(" no list of threads: /proc is not there\n", out);
}
