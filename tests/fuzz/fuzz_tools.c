/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tools say, to the methods that run them: whatever it is, the password is the answer at most once for
 * each thing that it can open, ssh, sudo and doas get one at their terminal alone, and no error has it in its
 * text. The first byte selects the method, the second one what it was given; each of the other lines begins
 * with where it comes from.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "connect/methods.h"
#include "parent/method_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define PASSWORD "open sesame"
#define MARKER   "mitogen-0000000000000000 password: " /* how sudo is told to ask here */

enum {
	IS_COMPLETE = 1,
	FROM_TERMINAL = 2
};

struct talk {
	const struct connect_method *method;
	struct connect_options options;
	struct tool_memory memory;
	int given; /* passwords */
	bool has_failed;
};

static void hear(struct talk *talk, const char *text, size_t size, int flags)
{
	const struct tool_line line = {text, size, (flags & IS_COMPLETE) != 0,
				       (flags & FROM_TERMINAL) != 0};
	const char *answer = NULL;
	mitogen_error err = {.code = 0};

	switch (talk->method->listen(&talk->options, &talk->memory, &line, &answer, &err)) {
	case TOOL_NOTHING:
		break;
	case TOOL_ASKS:
		REQUIRE(answer && (line.from_terminal || talk->method == &connect_su));
		REQUIRE(!line.is_complete || talk->method == &connect_ssh);
		REQUIRE(talk->method != &connect_sudo ||
			memmem(text, size, MARKER, strlen(MARKER)));
		talk->given += strcmp(answer, PASSWORD) == 0;
		break;
	case TOOL_FAILED:
		REQUIRE(err.code < 0 && err.text[0]);
		REQUIRE(!strstr(err.text, PASSWORD) ||
			memmem(text, size, PASSWORD, strlen(PASSWORD)));
		talk->has_failed = true;
		break;
	}
}

static void end(const struct talk *talk, const char *output, int status)
{
	mitogen_error err;

	error_set(&err, MITOGEN_ERR_CONNECT, "ended");
	if (talk->method->explain)
		talk->method->explain(&talk->options, output, status, &err);
	REQUIRE(err.code < 0 && err.text[0]);
}

static void give(struct talk *talk, void *own, const char *option)
{
	REQUIRE(method_options_set(talk->method->options, "", own, option, NULL) == 0);
	talk->options.own = own;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct connect_method *const methods[] = {&connect_ssh, &connect_sudo,
							       &connect_su, &connect_doas};
	struct talk talk = {.given = 0};
	char *text;
	void *own;

	if (size < 2)
		return 0;
	talk.method = methods[data[0] % 4];
	own = method_options_new(talk.method->options_size);
	text = malloc(size - 1);
	REQUIRE(own && text);
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	give(&talk, own, "password=" PASSWORD);
	if (talk.method == &connect_ssh)
		give(&talk, own, "hostname=web1");
	if (talk.method == &connect_ssh && data[1] & 2)
		give(&talk, own, "identity_file=~/k");
	for (char *at = text, *next; at < text + size - 2 && !talk.has_failed; at = next) {
		char *newline = memchr(at, '\n', (size_t)(text + size - 2 - at));
		char *stop = newline ? newline : text + size - 2;

		next = stop + 1;
		if (stop > at)
			hear(&talk, at + 1, (size_t)(stop - at - 1), *at);
	}
	REQUIRE(talk.given <= (talk.method == &connect_ssh && !(data[1] & 2) ? 2 : 1));
	end(&talk, text, data[1] << 8);
	method_options_free(talk.method->options, own);
	free(text);
	return 0;
}
