/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/launch.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "parent/executable.h"

void launch_command_clear(struct launch_command *command)
{
	for (char **argument = command->argv; argument && *argument; argument++)
		sys.free(*argument);
	sys.free(command->argv);
	sys.free(command->path);
	sys.free(command->variable);
	sys.free(command->title);
	*command = (struct launch_command){0};
}

char *launch_variable(const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *variable = sys.malloc(size);

	if (variable)
		snprintf(variable, size, "%s=%s", name, value);
	return variable;
}

static int fail_spawn(const struct launch_command *command, enum spawn_stage stage,
		      mitogen_error *err)
{
	char hint[512] = "";
	int code = error_set_errno(err, "cannot run %s", command->path);
	size_t used = err ? strlen(err->text) : 0;

	if (stage == SPAWN_EXEC)
		executable_explain(command->path, hint, sizeof(hint));
	if (err)
		snprintf(err->text + used, sizeof(err->text) - used, "%s", hint);
	return code;
}

void launch_close(const int fds[LAUNCH_PIPES])
{
	for (int i = 0; i < LAUNCH_PIPES; i++)
		fd_close(fds[i]);
}

int launch_connect(int ret_ours[LAUNCH_PIPES], int ret_theirs[LAUNCH_PIPES], mitogen_error *err)
{
	int pipes[LAUNCH_PIPES][2], made = 0;

	while (made < LAUNCH_PIPES && fd_pipe(pipes[made]) == 0)
		made++;
	if (made < LAUNCH_PIPES)
		error_set_errno(err, "cannot make a pipe");
	for (int i = 0; i < made; i++) {
		if (made < LAUNCH_PIPES) {
			fd_close(pipes[i][0]);
			fd_close(pipes[i][1]);
		} else { /* it reads from the first one, and writes to the others */
			ret_ours[i] = pipes[i][i == 0];
			ret_theirs[i] = pipes[i][i > 0];
		}
	}
	return made < LAUNCH_PIPES ? MITOGEN_ERR_SYSTEM : 0;
}

/* ---- Low descriptors ---- */

/* Numbers that were reserved early, for a child's ends of its pipes: what has a higher number, as what
 * other children are connected by, then does not slow down its start. */
struct launcher {
	int fds[LAUNCH_PIPES];
	int filler; /* what they are when there is no child to start */
};

void launcher_free(struct launcher *launcher)
{
	if (!launcher)
		return;
	launch_close(launcher->fds);
	fd_close(launcher->filler);
	sys.free(launcher);
}

/* NULL: it goes without. */
static struct launcher *new_launcher(void)
{
	struct launcher *launcher = sys.malloc(sizeof(*launcher));
	bool is_complete;

	if (!launcher)
		return NULL;
	for (int i = 0; i < LAUNCH_PIPES; i++)
		launcher->fds[i] = -1;
	launcher->filler = fd_move_high(open("/dev/null", O_RDWR | O_CLOEXEC));
	is_complete = launcher->filler >= 0;
	for (int i = 0; is_complete && i < LAUNCH_PIPES; i++) {
		launcher->fds[i] = fd_dup_high(launcher->filler);
		is_complete = launcher->fds[i] >= 0;
	}
	if (is_complete)
		return launcher;
	launcher_free(launcher);
	return NULL;
}

/* Has them stand for what they are needed for; in exchange for theirs. */
static void move_down(const struct launcher *launcher, int theirs[LAUNCH_PIPES])
{
	for (int i = 0; i < LAUNCH_PIPES; i++) {
		if (launcher->fds[i] < 0 || fd_replace(launcher->fds[i], theirs[i]) < 0)
			continue;
		fd_close(theirs[i]);
		theirs[i] = launcher->fds[i];
	}
}

static void close_theirs(struct launcher *launcher, const int theirs[LAUNCH_PIPES])
{
	for (int i = 0; i < LAUNCH_PIPES; i++) {
		bool is_low = launcher && theirs[i] == launcher->fds[i];

		if (is_low && fd_replace(theirs[i], launcher->filler) == 0)
			continue;
		if (is_low)
			launcher->fds[i] = -1;
		fd_close(theirs[i]);
	}
}

/* ---- Running ---- */

static int run(struct launcher *launcher, const struct launch_command *command,
	       char *const *environment, struct pty *terminal, struct launched *ret,
	       mitogen_error *err)
{
	struct spawn spawn = {
		.path = command->path,
		.argv = command->argv,
		.env = environment,
		.terminal_fd = terminal->slave,
		.session = true,
		.alone = true,
		/* until it is up: then it sees the end of its input, and has children of its own */
		.dies_with_us = true,
	};
	int ours[LAUNCH_PIPES], theirs[LAUNCH_PIPES], r = launch_connect(ours, theirs, err);
	enum spawn_stage stage;
	pid_t pid;

	if (r < 0)
		return r;
	if (command->terminal == LAUNCH_TERMINAL_AS_INPUT &&
	    (fd_replace(ours[0], terminal->master) < 0 ||
	     fd_replace(theirs[0], terminal->slave) < 0)) {
		r = error_set_errno(err, "cannot use a terminal");
		launch_close(ours);
		launch_close(theirs);
		return r;
	}
	if (launcher)
		move_down(launcher, theirs);
	spawn.stdin_fd = theirs[0];
	spawn.stdout_fd = theirs[1];
	spawn.stderr_fd = theirs[2];
	pid = spawn_start(&spawn, &stage);
	if (pid < 0)
		r = fail_spawn(command, stage, err);
	close_theirs(launcher, theirs);
	if (r < 0) {
		launch_close(ours);
		return r;
	}
	ret->pid = pid;
	ret->terminal = *terminal;
	memcpy(ret->fds, ours, sizeof(ours));
	return 0;
}

int launch(struct launcher **launcher, const struct launch_command *command,
	   char *const *environment, struct launched *ret, mitogen_error *err)
{
	CLEANUP_FREE char **whole = NULL;
	struct pty terminal = PTY_NONE;
	int r;

	if (!*launcher)
		*launcher = new_launcher();
	if (command->variable) {
		whole = environment_copy_with(environment, command->variable);
		if (!whole)
			return error_set_memory(err);
	}
	if (command->terminal && pty_open(&terminal) < 0)
		return error_set_errno(err, "cannot make a terminal to ask on");
	r = run(*launcher, command, whole ? whole : environment, &terminal, ret, err);
	if (r < 0)
		pty_close(&terminal);
	return r;
}
