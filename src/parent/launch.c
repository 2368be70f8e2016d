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

int launch_connect(int ret_ours[2], int ret_theirs[2], mitogen_error *err)
{
	int sockets[2], pipes[2];

	if (fd_socketpair(sockets) < 0)
		return error_set_errno(err, "cannot make a socket pair");
	if (fd_pipe(pipes) < 0) {
		error_set_errno(err, "cannot make a pipe");
		fd_close(sockets[0]);
		fd_close(sockets[1]);
		return MITOGEN_ERR_SYSTEM;
	}
	memcpy(ret_ours, (int[]){sockets[0], pipes[0]}, sizeof(sockets));
	memcpy(ret_theirs, (int[]){sockets[1], pipes[1]}, sizeof(sockets));
	return 0;
}

int launch(const struct launch_command *command, char *const *environment, struct launched *ret,
	   mitogen_error *err)
{
	struct spawn spawn = {
		.path = command->path, .argv = command->argv, .env = environment, .session = true};
	int ours[2], theirs[2], r = launch_connect(ours, theirs, err);
	enum spawn_stage stage;
	pid_t pid;

	if (r < 0)
		return r;
	spawn.stdin_fd = spawn.stdout_fd = theirs[0];
	spawn.stderr_fd = theirs[1];
	pid = spawn_start(&spawn, &stage);
	if (pid < 0)
		r = fail_spawn(command, stage, err);
	fd_close(theirs[0]);
	fd_close(theirs[1]);
	if (r == 0) {
		*ret = (struct launched){pid, ours[0], ours[1]};
		return 0;
	}
	fd_close(ours[0]);
	fd_close(ours[1]);
	return r;
}
