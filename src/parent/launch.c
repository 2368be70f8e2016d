/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/launch.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "parent/image.h"

void launch_command_clear(struct launch_command *command)
{
	for (char **argument = command->argv; argument && *argument; argument++)
		sys.free(*argument);
	sys.free(command->argv);
	sys.free(command->path);
	*command = (struct launch_command){0};
}

static int fail_spawn(const struct launch_command *command, enum spawn_stage stage,
		      mitogen_error *err)
{
	char hint[512] = "";
	int code = error_set_errno(err, "cannot run %s", command->path);
	size_t used = err ? strlen(err->text) : 0;

	if (stage == SPAWN_EXEC)
		image_explain(command->path, hint, sizeof(hint));
	if (err)
		snprintf(err->text + used, sizeof(err->text) - used, "%s", hint);
	return code;
}

int launch(const struct launch_command *command, char *const *environment, struct launched *ret,
	   mitogen_error *err)
{
	int sockets[2] = {-1, -1}, pipes[2] = {-1, -1};
	enum spawn_stage stage;
	struct spawn spawn = {
		.path = command->path, .argv = command->argv, .env = environment, .session = true};
	pid_t pid = -1;
	int r = 0;

	if (fd_socketpair(sockets) < 0) {
		r = error_set_errno(err, "cannot make a socket pair");
	} else if (fd_pipe(pipes) < 0) {
		r = error_set_errno(err, "cannot make a pipe");
	} else {
		spawn.stdin_fd = spawn.stdout_fd = sockets[1];
		spawn.stderr_fd = pipes[1];
		pid = spawn_start(&spawn, &stage);
		if (pid < 0)
			r = fail_spawn(command, stage, err);
	}
	fd_close(sockets[1]);
	fd_close(pipes[1]);
	if (r == 0) {
		*ret = (struct launched){pid, sockets[0], pipes[0]};
		return 0;
	}
	fd_close(sockets[0]);
	fd_close(pipes[0]);
	return r;
}
