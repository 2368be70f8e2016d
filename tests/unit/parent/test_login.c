/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a context that is reached through a tool: shell scripts are the tool and the first stage,
 * the time is ours.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/sys.h"
#include "core/call.h"
#include "core/forward_log.h"
#include "module/image_files.h"
#include "module/images.h"
#include "parent/connection_state.h"
#include "parent/launch.h"

#include "../core/fixture.h"

#define HELLO "echo MITO000 Linux x86_64;"
/* takes the script and an image, and says which platform its header names */
#define TAKE_SCRIPT "for i in 1 2 3 4; do read -r line; done;"
#define TAKE_IMAGE  "read -r size rest; echo \"image for $rest\" >&2; head -c $size >/dev/null;"
#define READY       "echo 'MITO001 1';"
#define STAY        "cat >/dev/null"
#define HANG        "kill -STOP $$"
/* on the terminal, as tools do it that ask for passwords */
#define ASK                                                                                        \
	"stty -echo </dev/tty; printf 'Password: ' >/dev/tty; read -r answer </dev/tty;"           \
	"echo >/dev/tty;"

static struct router router;
static struct context *child;
static struct latch *answers;
static const char *script;
static enum launch_terminal terminal; /* what the tool gets at first */
static int64_t now;
static int closed;
static mitogen_error err;

static int fake_clock(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = clock_timespec(now);
	return 0;
}

static int command(const struct connect_options *options, const char *context_path,
		   struct launch_command *ret, mitogen_error *error)
{
	(void)error;
	ret->path = sys_strdup("/bin/sh");
	ret->argv = sys.calloc(4, sizeof(*ret->argv));
	ret->argv[0] = sys_strdup(context_path);
	ret->argv[1] = sys_strdup("-c");
	ret->argv[2] = sys_strdup(script);
	ret->terminal = options->on_terminal ? LAUNCH_TERMINAL_AS_INPUT : terminal;
	return 0;
}

static bool is_line(const struct tool_line *line, const char *text)
{
	return line->size == strlen(text) && memcmp(line->text, text, line->size) == 0;
}

static enum tool_says listen_to(const struct connect_options *options, struct tool_memory *memory,
				const struct tool_line *line, const char **ret_answer,
				mitogen_error *error)
{
	(void)options;
	if (!line->is_complete && is_line(line, "Password: ")) {
		if (memory->asked++ > 0) {
			error_set(error, MITOGEN_ERR_CONNECT, "the password is wrong");
			return TOOL_FAILED;
		}
		*ret_answer = "secret";
		return TOOL_ASKS;
	}
	if (line->is_complete && is_line(line, "no such host")) {
		error_set(error, MITOGEN_ERR_CONNECT, "the host is not known");
		return TOOL_FAILED;
	}
	return TOOL_NOTHING;
}

static void explain(const struct connect_options *options, const char *output, int status,
		    mitogen_error *error)
{
	(void)options;
	if (strstr(output, "closed by") && status == 255 << 8)
		error_set(error, MITOGEN_ERR_CONNECT, "it hung up");
}

static bool wants_terminal(const char *output)
{
	return strstr(output, "a terminal, please") != NULL;
}

static struct connect_method method = {
	.name = "tool",
	.has_first_stage = true,
	.command = command,
	.listen = listen_to,
	.explain = explain,
	.wants_terminal = wants_terminal,
};

static void on_closed(struct router *of)
{
	(void)of;
	closed++;
}

static int setup(void **state)
{
	(void)state;
	now = 1000;
	closed = 0;
	terminal = LAUNCH_TERMINAL;
	method.may_ask_on_streams = false;
	child = NULL;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	sys.clock_gettime = fake_clock;
	answers = latch_new();
	if (router_init(&router, 0, NULL, 0, "") < 0 ||
	    images_open(&router, image_files_new(NULL, "")) < 0)
		return -1;
	router.on_closed = on_closed;
	return forward_log_open(&router);
}

static void pump_until(enum context_state state)
{
	pump(&router.broker);
	while (child->state < state) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
}

static int teardown(void **state)
{
	(void)state;
	router_close(&router, true);
	pump(&router.broker);
	while (closed == 0) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
	latch_unref(answers);
	forward_log_close(&router);
	images_close(&router);
	launcher_free(router.launcher);
	router_clear(&router);
	sys.clock_gettime = clock_gettime;
	return 0;
}

static void start_on(const char *platform, const char *what)
{
	const struct connect_options options = {
		.connect_timeout_ms = 500, .shutdown_ms = 300, .platform = platform};
	const struct id_block ids = {1, 1000};

	script = what;
	assert_int_equal(connection_start(&router, &method, &options, &ids, &child, &err), 0);
}

static void start(const char *what)
{
	start_on(NULL, what);
}

/* It has failed, for this reason; its path stands before that. */
static void assert_failed(int code, const char *text)
{
	mitogen_error why;

	pump_until(CONTEXT_LOST);
	assert_int_equal(context_loss(child, &why), code);
	assert_string_equal(why.where, "tool.1");
	if (strncmp(why.text, "tool.1 could not be started: ", 29) != 0 ||
	    strncmp(why.text + 29, text, strlen(text)) != 0)
		fail_msg("unexpected: %s", why.text);
}

static void pump_until_logged(const char *text)
{
	while (!strstr(logged, text)) {
		pump_once(&router.broker, -1);
		pump(&router.broker);
	}
}

/* ---- Coming up ---- */

static void comes_up(void **state)
{
	(void)state;
	start("echo welcome;" HELLO TAKE_SCRIPT TAKE_IMAGE READY STAY);
	pump_until(CONTEXT_READY);
	assert_null(router.broker.timers.first);
}

static void the_platform_may_be_known_before(void **state)
{
	(void)state;
	/* all that it needs is there before it has said where it runs */
	start_on("linux-x86_64", TAKE_SCRIPT TAKE_IMAGE HELLO READY STAY);
	pump_until(CONTEXT_READY);
}

static void frames_wait_for_the_image(void **state)
{
	(void)state;
	start(HELLO TAKE_SCRIPT TAKE_IMAGE READY "head -c 2 >&2; echo >&2; " STAY);
	pump_until(CONTEXT_READY);
	pump_until_logged("tool.1: MI\n");
}

static void a_refused_image_is_said_again(void **state)
{
	(void)state;
	start(HELLO TAKE_SCRIPT TAKE_IMAGE "echo MITO002 gzip no room;" TAKE_IMAGE READY STAY);
	pump_until(CONTEXT_READY);
}

static void a_secret_is_typed(void **state)
{
	(void)state;
	start(ASK "[ $answer = secret ] || exit 3;" HELLO TAKE_SCRIPT TAKE_IMAGE READY STAY);
	pump_until(CONTEXT_READY);
	assert_null(strstr(logged, "secret"));
}

static void asked_on_its_streams_it_is_told_there(void **state)
{
	(void)state;
	terminal = LAUNCH_NO_TERMINAL;
	method.may_ask_on_streams = true;
	start("printf 'Password: ' >&2; read -r answer; [ $answer = secret ] || exit 3;" HELLO
		      TAKE_SCRIPT TAKE_IMAGE READY "echo done >&2;" STAY);
	pump_until(CONTEXT_READY);
	pump_until_logged("done\n");
	assert_null(strstr(logged, "Password")); /* the question is over */
}

/* What it is told first would be lost, as it was told to whoever has no terminal. */
#define ON_TERMINAL "[ -t 0 ] || { echo a terminal, please >&2; exit 1; };"

static void run_again_with_a_terminal(void **state)
{
	(void)state;
	terminal = LAUNCH_NO_TERMINAL;
	method.may_ask_on_streams = true;
	start(ON_TERMINAL "stty -echo; printf 'Password: ' >&2; read -r answer; stty echo;"
			  "[ $answer = secret ] || exit 3;" HELLO TAKE_SCRIPT TAKE_IMAGE READY
			  "head -c 2 >&2; echo >&2; " STAY);
	pump_until(CONTEXT_READY);
	pump_until_logged("tool.1: MI\n"); /* what was sent to it meanwhile */
	assert_null(strstr(logged, "please"));
}

static void run_again_once(void **state)
{
	(void)state;
	terminal = LAUNCH_NO_TERMINAL;
	method.may_ask_on_streams = true;
	start("echo a terminal, please >&2; exit 1");
	assert_failed(MITOGEN_ERR_CONNECT,
		      "tool exited with status 1; it printed: a terminal, please");
}

/* It may be the remote side that prints now. */
static void nobody_is_answered_who_asks_later(void **state)
{
	(void)state;
	start(HELLO "stty -echo -icanon min 0 time 2 </dev/tty; printf 'Password: ' >/dev/tty;"
		    "echo MITO003 answered: $(dd bs=1 count=1 </dev/tty 2>/dev/null);" HANG);
	assert_failed(MITOGEN_ERR_CONNECT, "the image cannot run there: answered:");
}

/* ---- Not coming up ---- */

static void the_tool_says_why(void **state)
{
	(void)state;
	start("echo no such host >&2; " HANG);
	assert_failed(MITOGEN_ERR_CONNECT, "the host is not known; it printed: no such host");
}

static void it_asks_again(void **state)
{
	(void)state;
	start(ASK ASK HANG);
	assert_failed(MITOGEN_ERR_CONNECT, "the password is wrong");
}

static void the_method_explains_the_end(void **state)
{
	(void)state;
	start("echo closed by peer >&2; exit 255");
	assert_failed(MITOGEN_ERR_CONNECT, "it hung up; it printed: closed by peer");
}

static void an_unexplained_end(void **state)
{
	(void)state;
	start("echo 'bad day' >/dev/tty; exit 255");
	assert_failed(MITOGEN_ERR_CONNECT, "tool exited with status 255; it printed: bad day");
}

static void an_unknown_platform(void **state)
{
	(void)state;
	start("echo MITO000 Plan9 mips;" HANG);
	assert_failed(MITOGEN_ERR_CONNECT,
		      "there is no image for Plan9 on mips, which it is; there are images for "
		      "linux-x86_64");
}

static void no_image_of_its_platform(void **state)
{
	(void)state;
	start("echo MITO000 Linux riscv64;" HANG);
	assert_failed(MITOGEN_ERR_CONNECT, "there is no image for linux-riscv64");
}

static void nothing_works_there(void **state)
{
	(void)state;
	start(HELLO TAKE_SCRIPT "echo MITO003 /tmp is full;" HANG);
	assert_failed(MITOGEN_ERR_CONNECT, "the image cannot run there: /tmp is full");
}

static void refuses_for_ever(void **state)
{
	(void)state;
	start(HELLO TAKE_SCRIPT "while :; do " TAKE_IMAGE "echo MITO002 gzip still full; done");
	assert_failed(MITOGEN_ERR_CONNECT, "the image cannot run there: still full");
}

static void time_outs_name_the_stage(void **state)
{
	(void)state;
	start(HANG);
	pump_once(&router.broker, 0);
	now += 500;
	assert_failed(MITOGEN_ERR_TIMEOUT, "tool has not logged in within 500 ms");
}

/* Until the tool has stopped itself. */
static void pump_until_stopped(void)
{
	const struct connection *connection = child->connection;
	siginfo_t info;

	while (connection->process.pid == 0)
		pump_once(&router.broker, -1);
	assert_int_equal(waitid(P_PID, (id_t)connection->process.pid, &info, WSTOPPED | WNOWAIT),
			 0);
	pump(&router.broker);
}

static void a_question_without_an_answer_is_quoted(void **state)
{
	(void)state;
	start("echo hello >&2; printf 'Token: ' >&2; " HANG);
	pump_until_stopped();
	now += 500;
	assert_failed(MITOGEN_ERR_TIMEOUT,
		      "tool has not logged in within 500 ms; it printed: hello | Token: ");
}

static void a_question_where_the_answer_would_be_shown(void **state)
{
	(void)state;
	start("printf 'Password: ' >/dev/tty; " HANG);
	pump_until_stopped();
	while (router.broker.timers.count < 2) /* it is looked at again and again */
		pump_once(&router.broker, -1);
	now += 500;
	assert_failed(MITOGEN_ERR_TIMEOUT,
		      "tool asks for a password on a terminal that would show it, so it got none "
		      "within 500 ms");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(comes_up),
		T(the_platform_may_be_known_before),
		T(frames_wait_for_the_image),
		T(a_refused_image_is_said_again),
		T(a_secret_is_typed),
		T(asked_on_its_streams_it_is_told_there),
		T(run_again_with_a_terminal),
		T(run_again_once),
		T(nobody_is_answered_who_asks_later),
		T(the_tool_says_why),
		T(it_asks_again),
		T(the_method_explains_the_end),
		T(an_unexplained_end),
		T(an_unknown_platform),
		T(no_image_of_its_platform),
		T(nothing_works_there),
		T(refuses_for_ever),
		T(time_outs_name_the_stage),
		T(a_question_without_an_answer_is_quoted),
		T(a_question_where_the_answer_would_be_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
