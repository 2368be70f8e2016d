/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the test programs share. Each holds several scenarios, of which argv[1] names one; argv[2] is
 * an empty directory for its files. It exits with 0, or says what did not hold.
 */
#pragma once

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scenario {
	const char *name;
	void (*run)(void);
};

static mitogen_router router; /* of the program; started before any scenario runs */
static mitogen_error err;     /* the latest, for what a failed expectation prints */
static const char *directory;

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			expected(__FILE__, __LINE__, #condition);                                  \
	} while (0)
#define EXPECT_OK(result)                                                                          \
	do {                                                                                       \
		if ((result) < 0)                                                                  \
			expected(__FILE__, __LINE__, #result);                                     \
	} while (0)
/* result is a failure with this code, and err's text has that in it. */
#define EXPECT_FAILURE(result, number, part)                                                       \
	expect_failure(__FILE__, __LINE__, (result), number, part)

__attribute__((noreturn)) static void expected(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\nthe last error is %s \"%s\" at \"%s\"\n", file,
		line, what, mitogen_code_name(err.code), err.text, err.where);
	exit(1);
}

static inline void expect_failure(const char *file, int line, int result, int code,
				  const char *part)
{
	if (result != code)
		fprintf(stderr, "%s:%d: %s came instead of %s\n", file, line,
			mitogen_code_name(result), mitogen_code_name(code));
	if (result != code || err.code != code || !strstr(err.text, part))
		expected(file, line, part);
}

/* ---- Children by the method that $METHOD names, with the options in the lines of $METHOD_OPTIONS ---- */

static inline bool uses_method(const char *name)
{
	const char *method = getenv("METHOD");

	return strcmp(method ? method : "local", name) == 0;
}

static inline bool uses_fork(void)
{
	return uses_method("fork");
}

static inline mitogen_context connect_by_method(mitogen_context via, const char *name,
						int timeout_ms, mitogen_error *error)
{
	char name_text[300], timeout_text[64], lines[4096];
	const char *given = getenv("METHOD_OPTIONS"), *options[32] = {name_text, timeout_text};
	int count = timeout_ms ? 2 : 1;
	char *rest = NULL;

	snprintf(name_text, sizeof(name_text), "name=%s", name);
	snprintf(timeout_text, sizeof(timeout_text), "connect_timeout=%d.%03d", timeout_ms / 1000,
		 timeout_ms % 1000);
	snprintf(lines, sizeof(lines), "%s", given ? given : "");
	options[count] = strtok_r(lines, "\n", &rest);
	while (options[count] && count < 30)
		options[++count] = strtok_r(NULL, "\n", &rest);
	return mitogen_connect(via, getenv("METHOD"), options, error);
}

/* new_child(via, &err, [.name = ..., ...]): as mitogen_local, and by the same names. */
#define new_child(via, ...)                                                                        \
	new_child_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_local_options, __VA_ARGS__))
static inline mitogen_context
new_child_with(mitogen_context via, const mitogen_local_options *options, mitogen_error *error)
{
	static uint32_t last_router;
	static int count;
	char name[32];

	if (uses_method("local"))
		return mitogen_local_with(via, options, error);
	if (via.router != last_router)
		count = 0;
	last_router = via.router;
	snprintf(name, sizeof(name), "local.%d", count + 1);
	if (!options->name)
		count++;
	return connect_by_method(via, options->name ? options->name : name,
				 options->connect_timeout_ms, error);
}

/* new_router(&err, [.log_level = ..., ...]): as mitogen_router_new. A fork server is set up before any
 * thread: there is one router at a time then, and the program's is closed. */
#define new_router(...) new_router_with(MITOGEN_OPTIONS(mitogen_router_options, __VA_ARGS__))
static inline mitogen_router new_router_with(const mitogen_router_options *options,
					     mitogen_error *error)
{
	mitogen_router_options with_server = *options;

	if (!uses_fork())
		return mitogen_router_new_with(options, error);
	mitogen_router_close(router);
	with_server.fork_server = true;
	return mitogen_router_new_with(&with_server, error);
}

/* A path in the scenario's directory. Valid until the fourth call after this one. */
static inline const char *path_of(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return path;
}

static inline const char *make_fifo(const char *name)
{
	const char *path = path_of(name);

	EXPECT(mkfifo(path, 0600) == 0);
	return path;
}

/* Both ends of a fifo meet here: whoever comes first waits for the other. A fifo is for one meeting. */
static inline void meet_as_reader(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && read(fd, &byte, 1) == 1);
	close(fd);
}

static inline void meet_as_writer(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && write(fd, "", 1) == 1);
	close(fd);
}

static inline int scenario_run(const struct scenario *scenarios, int argc, char **argv)
{
	directory = argc > 2 ? argv[2] : NULL;
	for (; argc > 1 && scenarios->name; scenarios++) {
		if (strcmp(scenarios->name, argv[1]) != 0)
			continue;
		scenarios->run();
		return 0;
	}
	fprintf(stderr, "there is no such scenario\n");
	return 2;
}

/* The main of most programs. */
static inline int scenario_main(const struct scenario *scenarios, int argc, char **argv)
{
	int status;

	router = mitogen_start(argc, argv, &err, .fork_server = uses_fork());
	EXPECT(router.ref != 0);
	status = scenario_run(scenarios, argc, argv);
	mitogen_router_close(router);
	return status;
}
