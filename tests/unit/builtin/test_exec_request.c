/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sys.h"
#include "builtin/exec_request.h"
#include "core/message.h"

#define CALLER 9u

extern char **environ;

static struct exec_request request;
static mitogen_error err;
static char *no_environment[] = {NULL};
static char path_entry[] = "PATH=/bin:/usr/bin", kept_entry[] = "KEPT=1", other_entry[] = "OTHER=2";
static char prefix_entry[] = "KEPT_TOO=3";
static char *some_environment[] = {path_entry, kept_entry, prefix_entry, other_entry, NULL};

/* The request, to be changed by a test before it is read. */
static struct {
	const char *argv[4], *env[4], *cwd;
	uint64_t flags, timeout;
	uint32_t stdout_id, stderr_id;
	int arguments;
} sent;

static int setup(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	sent.argv[0] = "sh";
	sent.stdout_id = sent.stderr_id = CALLER;
	sent.arguments = 7;
	environ = some_environment;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	exec_request_clear(&request);
	sys.malloc = malloc;
	return 0;
}

static void write_strings(struct mitogen_writer *w, const char *const *strings)
{
	writer_begin_list(w);
	for (; *strings; strings++)
		writer_bytes(w, *strings, strlen(*strings));
	writer_end(w);
}

static struct mitogen_message *make(void)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int error;

	message_writer_init(&w);
	writer_begin_list(&w);
	write_strings(&w, sent.argv);
	write_strings(&w, sent.env);
	if (sent.cwd)
		writer_bytes(&w, sent.cwd, strlen(sent.cwd));
	else
		writer_nil(&w);
	writer_uint(&w, sent.flags);
	writer_uint(&w, sent.timeout);
	writer_sender(&w, sent.stdout_id, 5001);
	if (sent.arguments > 6)
		writer_sender(&w, sent.stderr_id, 5002);
	writer_end(&w);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	m->header.src_id = CALLER;
	return m;
}

static int read_it(void)
{
	struct mitogen_message *m = make();
	int r;

	exec_request_clear(&request);
	r = exec_request_read(m, environ, &request, &err);
	message_unref(m);
	return r;
}

/* The value in the program's environment; NULL: it is not there. */
static const char *environment(const char *name)
{
	size_t length = strlen(name);

	for (char **entry = request.env; *entry; entry++)
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return *entry + length + 1;
	return NULL;
}

static void read_as_it_was_written(void **state)
{
	(void)state;
	sent.argv[1] = "-c";
	sent.argv[2] = "";
	sent.cwd = "/tmp";
	sent.flags = 1;
	sent.timeout = 500;
	assert_int_equal(read_it(), 0);
	assert_string_equal(request.argv[0], "sh");
	assert_string_equal(request.argv[1], "-c");
	assert_string_equal(request.argv[2], "");
	assert_null(request.argv[3]);
	assert_string_equal(request.path, "/bin/sh");
	assert_string_equal(request.cwd, "/tmp");
	assert_true(request.no_stdin);
	assert_int_equal(request.timeout_ms, 500);
	assert_int_equal(request.caller_id, CALLER);
	assert_int_equal(request.stdout_handle, 5001);
	assert_int_equal(request.stderr_handle, 5002);
}

static void left_out_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(read_it(), 0);
	assert_null(request.cwd);
	assert_false(request.no_stdin);
	assert_int_equal(request.timeout_ms, 0);
	assert_string_equal(environment("OTHER"), "2");
}

static void the_environment_is_changed(void **state)
{
	(void)state;
	sent.env[0] = "OTHER=new";
	sent.env[1] = "KEPT";
	sent.env[2] = "MORE=a=b";
	assert_int_equal(read_it(), 0);
	assert_null(request.env[4]);
	assert_string_equal(environment("OTHER"), "new");
	assert_null(environment("KEPT"));
	assert_string_equal(environment("KEPT_TOO"), "3");
	assert_string_equal(environment("MORE"), "a=b");
	assert_string_equal(environment("PATH"), "/bin:/usr/bin");
}

static void removing_what_is_not_there(void **state)
{
	(void)state;
	sent.env[0] = "NOWHERE";
	sent.env[1] = "KEP";
	assert_int_equal(read_it(), 0);
	assert_null(environment("NOWHERE"));
	assert_string_equal(environment("KEPT"), "1");
}

static void the_last_change_of_a_name_counts(void **state)
{
	int paths = 0;

	(void)state;
	sent.env[0] = "PATH=/nonexistent";
	sent.env[1] = "PATH=/bin";
	assert_int_equal(read_it(), 0);
	assert_string_equal(request.path, "/bin/sh");
	for (char **entry = request.env; *entry; entry++)
		paths += strncmp(*entry, "PATH=", 5) == 0;
	assert_int_equal(paths, 1);
	sent.env[0] = "KEPT=2";
	sent.env[1] = "KEPT";
	assert_int_equal(read_it(), 0);
	assert_null(environment("KEPT"));
	sent.env[0] = "KEPT";
	sent.env[1] = "KEPT=3";
	assert_int_equal(read_it(), 0);
	assert_string_equal(environment("KEPT"), "3");
}

/* The program is found in the path that it will see. */
static void looked_for_in_its_own_path(void **state)
{
	(void)state;
	sent.env[0] = "PATH=/nonexistent";
	assert_int_equal(read_it(), MITOGEN_ERR_SYSTEM);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.type, "ENOENT");
	assert_non_null(strstr(err.text, "looked for in PATH: No such file or directory"));
	sent.argv[0] = "./no/such"; /* from where it will run; running it tells */
	assert_int_equal(read_it(), 0);
	assert_string_equal(request.path, "./no/such");
	environ = no_environment;
	sent.env[0] = NULL;
	sent.argv[0] = "sh";
	assert_int_equal(read_it(), 0);
}

static void mistakes_are_refused(void **state)
{
	(void)state;
	sent.argv[0] = NULL;
	assert_int_equal(read_it(), MITOGEN_ERR_ARGUMENT);
	setup(state);
	sent.arguments = 6;
	assert_int_equal(read_it(), MITOGEN_ERR_ARGUMENT);
	setup(state);
	sent.flags = 2;
	assert_int_equal(read_it(), MITOGEN_ERR_ARGUMENT);
	setup(state);
	sent.timeout = UINT64_C(1) << 31;
	assert_int_equal(read_it(), MITOGEN_ERR_ARGUMENT);
	setup(state);
	sent.stderr_id = CALLER + 1;
	assert_int_equal(read_it(), MITOGEN_ERR_ARGUMENT);
}

/* Its output goes to who asked: nobody has a third one flooded. */
static void output_for_another_is_refused(void **state)
{
	(void)state;
	sent.stdout_id = sent.stderr_id = CALLER + 1;
	assert_int_equal(read_it(), MITOGEN_ERR_REFUSED);
}

static void strings_with_nul_are_refused(void **state)
{
	struct mitogen_message *m;
	uint8_t *at;

	(void)state;
	sent.argv[0] = "/bin/sh";
	m = make();
	at = memchr(m->payload, '/', m->size);
	assert_non_null(at);
	*at = '\0';
	assert_int_equal(exec_request_read(m, environ, &request, &err), MITOGEN_ERR_ARGUMENT);
	message_unref(m);
}

static int allocations;

static void *limited_malloc(size_t size)
{
	if (allocations-- > 0)
		return malloc(size);
	errno = ENOMEM;
	return NULL;
}

/* Wherever memory ends, what was read so far can be cleared. */
static void without_memory(void **state)
{
	struct mitogen_message *m;
	int r = MITOGEN_ERR_MEMORY, limit = 0;

	(void)state;
	sent.env[0] = "OTHER=new";
	sent.env[1] = "KEPT";
	sent.cwd = "/";
	m = make();
	for (; r < 0; limit++) {
		exec_request_clear(&request);
		allocations = limit;
		sys.malloc = limited_malloc;
		r = exec_request_read(m, environ, &request, &err);
		sys.malloc = malloc;
		assert_true(r == 0 || r == MITOGEN_ERR_MEMORY || err.sys == ENOMEM);
	}
	assert_in_range(limit, 5, 20);
	message_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(read_as_it_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(left_out_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(the_environment_is_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(removing_what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_change_of_a_name_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(looked_for_in_its_own_path, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(output_for_another_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(strings_with_nul_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
