/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/login.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "module/platform.h"
#include "parent/output.h"

static void tool_failed(struct tool *tool, const mitogen_error *error)
{
	struct login *login = LIST_OWNER(tool, struct login, tool);

	login->failed(login, error);
}

static void no_image(struct bootstrap *bootstrap, const mitogen_error *error)
{
	struct login *login = LIST_OWNER(bootstrap, struct login, bootstrap);

	login->failed(login, error);
}

void login_init(struct login *login)
{
	tool_init(&login->tool, login, tool_failed);
	bootstrap_init(&login->bootstrap, login->router, login->stream, login->path,
		       login->options->image, no_image);
	login->stream->is_held = true;
}

int login_begin(struct login *login, struct pty *pty)
{
	const struct connect_method *method = login->method;
	const char *platform = method->is_same_machine ? platform_own() : login->options->platform;

	if (login->title)
		login->bootstrap.title = login->title;
	if (tool_open(&login->tool, pty) < 0)
		return -1;
	log_write(LOG_INFO, "%s: %s logs in", login->path, method->name);
	/* where no line is between, to unpack it would take longest */
	login->bootstrap.request.is_raw = method->is_same_machine;
	if (platform && !method->may_ask_on_streams)
		bootstrap_begin(&login->bootstrap, platform);
	return 0;
}

/* The first stage runs. */
static void has_logged_in(struct login *login)
{
	login->is_done = true;
	tool_settle(&login->tool);
	log_write(LOG_INFO, "%s: %s has logged in, to %s", login->path, login->method->name,
		  login->bootstrap.platform);
}

enum login_result login_take_line(struct login *login, const char *line, size_t size,
				  mitogen_error *err)
{
	switch (bootstrap_take(&login->bootstrap, line, size - 1, err)) {
	case BOOTSTRAP_NOISE:
		output_add(login->output, line, size);
		break;
	case BOOTSTRAP_RUNS:
		has_logged_in(login);
		break;
	case BOOTSTRAP_GOES_ON:
		break;
	case BOOTSTRAP_COMPLETE: /* whether or not it has said hello before */
		tool_settle(&login->tool);
		bootstrap_stop(&login->bootstrap);
		stream_let_go(login->stream);
		return LOGIN_COMPLETE;
	case BOOTSTRAP_FAILED:
		return LOGIN_FAILED;
	}
	return LOGIN_GOES_ON;
}

void login_close(struct login *login)
{
	bootstrap_stop(&login->bootstrap);
	tool_close(&login->tool);
	sys.free(TAKE_PTR(login->title));
}
