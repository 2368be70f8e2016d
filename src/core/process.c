/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/sys.h"

#define FIRST_LOOK_MS 1
#define LAST_LOOK_MS  50
#define NOT_MADE      (-1000) /* and less: no status of waitpid, nor -1 */

static void stop_watching(struct process *process)
{
	timer_cancel(&process->look);
	list_remove(&process->link);
	if (process->pidfd.fd < 0)
		return;
	broker_unwatch(process->broker, &process->pidfd);
	fd_close(process->pidfd.fd);
	process->pidfd.fd = -1;
}

static void look(struct process *process)
{
	siginfo_t info = {0};
	bool is_there = waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
	int status = -1;

	if (is_there && info.si_pid == 0) {
		if (process->pidfd.fd >= 0)
			return;
		broker_set_timer(process->broker, &process->look,
				 clock_ms() + process->interval_ms);
		if (process->interval_ms < LAST_LOOK_MS)
			process->interval_ms *= 2;
		return;
	}
	stop_watching(process);
	if (process->kill_group &&
	    is_there) /* as long as it is not reaped, the number is not used again */
		kill(-process->pid, SIGKILL);
	while (sys.waitpid(process->pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		status = -1;
		break;
	}
	process_end(process, status);
}

static void look_source(struct source *source, unsigned events)
{
	(void)events;
	look(LIST_OWNER(source, struct process, pidfd));
}

static void look_timer(struct timer *timer)
{
	look(LIST_OWNER(timer, struct process, look));
}

void process_watch(struct process *process, struct broker *broker, pid_t pid,
		   void (*ended)(struct process *process, int status))
{
	*process = (struct process){.broker = broker, .pid = pid, .ended = ended};
	process->interval_ms = FIRST_LOOK_MS;
	process->look.due = look_timer;
	list_append(&broker->processes, &process->link);
	process->pidfd.ready = look_source;
	process->pidfd.fd = fd_move_high(sys.pidfd_open(pid)); /* close-on-exec by itself */
	if (process->pidfd.fd >= 0 && broker_watch(broker, &process->pidfd, POLLER_READ) == 0)
		return;
	fd_close(process->pidfd.fd);
	process->pidfd.fd = -1;
	broker_set_timer(broker, &process->look, clock_ms() + FIRST_LOOK_MS);
}

void process_disown_all(struct broker *broker)
{
	LIST_FOR_EACH (node, &broker->processes)
		LIST_OWNER(node, struct process, link)->pid = 0;
}

void process_end_all(struct broker *broker)
{
	while (!list_is_empty(&broker->processes)) {
		struct process *process = LIST_OWNER(broker->processes.next, struct process, link);

		stop_watching(process);
		process_end(process, -1);
	}
}

void process_entrust(struct process *process, const struct process_keeper *keeper, void *kept,
		     void (*ended)(struct process *process, int status))
{
	*process = (struct process){.keeper = keeper, .kept = kept, .ended = ended};
	process->pidfd.fd = -1;
}

void process_end(struct process *process, int status)
{
	process->keeper = NULL;
	process->pid = 0;
	process->ended(process, status);
}

pid_t process_release(struct process *process)
{
	pid_t pid = process->pid;

	if (process->keeper) {
		process->keeper->release(process);
		pid = 0;
	} else {
		stop_watching(process);
	}
	process->keeper = NULL;
	process->pid = 0;
	return pid;
}

bool process_is_alive(const struct process *process)
{
	return process->pid > 0 || process->keeper;
}

int process_not_made(int number)
{
	return NOT_MADE - number;
}

void process_kill(pid_t pid, int signal, bool group)
{
	/* it may have left its group, and must not escape by that */
	if (!group || kill(-pid, signal) < 0 || signal == SIGKILL)
		kill(pid, signal);
}

void process_signal(struct process *process, int signal, bool group)
{
	if (process->keeper)
		process->keeper->signal(process, signal, group);
	else if (process->pid > 0)
		process_kill(process->pid, signal, group);
}

bool process_is_foreign(const struct process *process)
{
	return !process->keeper && process->pid > 0 && kill(process->pid, 0) < 0 && errno == EPERM;
}

static const char *signal_name(int number)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
		{SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
		{SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
		{SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
		{SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
		{SIGSYS, "SIGSYS"},   {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	return NULL;
}

const char *process_describe(int status, char *out, size_t size)
{
	const char *name;

	if (status <= NOT_MADE) {
		snprintf(out, size, "could not be made: %s", strerror(NOT_MADE - status));
	} else if (status == PROCESS_GIVEN_UP) {
		snprintf(out, size, "has lost its fork server");
	} else if (status == -1) {
		snprintf(out, size, "ended, nobody knows how (SIGCHLD is ignored)");
	} else if (WIFSIGNALED(status)) {
		name = signal_name(WTERMSIG(status));
		if (name)
			snprintf(out, size, "was killed by %s", name);
		else
			snprintf(out, size, "was killed by signal %d", WTERMSIG(status));
	} else {
		snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
	}
	return out;
}
