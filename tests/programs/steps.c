/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does what the lines of its input say, one by one, and answers each once it is done: "call", or a method
 * and its options, "ssh hostname=web1 port=2222", to connect a child of the last one. What happens
 * between two lines is for a test to watch.
 */
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <string.h>

#define WORDS 32

static int twice(mitogen_message *m, mitogen_error *err)
{
	int64_t number;
	int r = mitogen_read(m, err, &number);

	return r < 0 ? r : mitogen_reply(m, err, 2 * number);
}
MITOGEN_EXPORT(twice, MITOGEN_INT);

static mitogen_context connect_child(mitogen_router router, mitogen_context via, char *line,
				     mitogen_error *err)
{
	const char *options[WORDS] = {NULL};
	char *rest = NULL, *method = strtok_r(line, " ", &rest);

	for (int i = 0; i < WORDS - 1; i++)
		options[i] = strtok_r(NULL, " ", &rest);
	return via.ref ? mitogen_connect(via, method, options, err)
		       : mitogen_connect(router, method, options, err);
}

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context child = {0};
	char line[4096];
	int64_t answer;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "call") != 0) {
			child = connect_child(router, child, line, &err);
			mitogen_context_wait(child, &err);
		} else if (mitogen_call(child, twice, &answer, &err, 21) == 0 && answer != 42) {
			break;
		}
		if (err.code)
			break;
		puts("done");
		fflush(stdout);
	}
	return mitogen_finish(router, &err);
}
