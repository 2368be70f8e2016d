/* SPDX-License-Identifier: BSD-3-Clause */
#include "child/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "core/router.h"
#include "wire/handles.h"

static bool is_agreed;

/* The parent will read nothing more. What is in the buffer of a stream that the main thread uses right
 * now stays there. 0, or an errno. */
static int silence(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), error = 0;

	if (null < 0)
		return errno;
	if (ftrylockfile(stdout) == 0) {
		fflush(stdout);
		funlockfile(stdout);
	}
	if (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		error = errno;
	fd_close(null);
	return error;
}

static struct mitogen_message *make_answer(void)
{
	struct mitogen_writer w;
	int ignored;

	message_writer_init(&w);
	writer_nil(&w);
	return message_from_writer(&w, &ignored);
}

static void requested(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct mitogen_message *answer = NULL;
	int error;

	(void)handle;
	if (router->closing) { /* the end comes first */
		message_unref(m);
		return;
	}
	error = silence();
	if (error == 0)
		answer = make_answer();
	if (answer) {
		is_agreed = true;
		/* a tool may have got us a terminal of the parent's */
		signal(SIGHUP, SIG_IGN);
		answer->header.handle = m->header.reply_to;
		router_send_behind(router, router->parent, answer, NULL);
	} else {
		router_reply_dead(router, m, error ? MITOGEN_ERR_SYSTEM : MITOGEN_ERR_MEMORY,
				  error ? "it cannot open /dev/null" : "out of memory");
	}
	message_unref(m);
}

static const struct handle_ops ops = {
	.receive = requested,
	.is_one_frame = true,
	.policy = handles_allow_parent,
};

int detach_open(struct router *router)
{
	return handles_add_fixed(router, HANDLE_DETACHING, &ops);
}

void detach_close(struct router *router)
{
	handles_remove_fixed(router, HANDLE_DETACHING);
}

bool detach_is_agreed(void)
{
	return is_agreed;
}
