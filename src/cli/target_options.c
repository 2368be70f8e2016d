/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/target_options.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"

#define CONNECT_LIMIT     64
#define CONNECT_LIMIT_MAX 100000

void target_options_init(struct target_options *ret)
{
	*ret = (struct target_options){.connect_limit = CONNECT_LIMIT};
}

static int set_connect_limit(struct target_options *options, const char *value)
{
	long limit;
	const char *complaint = number_count(value, CONNECT_LIMIT_MAX, &limit);

	if (complaint) {
		say("--connect-limit '%s': %s", value, complaint);
		return EXIT_USAGE;
	}
	options->connect_limit = (int)limit;
	return 0;
}

int target_options_take(struct target_options *options, int option, const char *value,
			const char *help)
{
	switch (option) {
	case OPTION_HELP:
		fputs(help, stdout);
		return -1;
	case OPTION_VERSION:
		printf("mitogen %s\n", mitogen_version());
		return -1;
	case OPTION_ASK_PASS:
		options->passwords.ask_login = true;
		return 0;
	case OPTION_ASK_BECOME_PASS:
		options->passwords.ask_become = true;
		return 0;
	case OPTION_PASSWORD_FILE:
		options->passwords.file = value;
		return 0;
	case OPTION_CONNECT_LIMIT:
		return set_connect_limit(options, value);
	default:
		options->log_level = options->log_level == MITOGEN_LOG_DEFAULT ? MITOGEN_LOG_INFO
									       : MITOGEN_LOG_DEBUG;
		return 0;
	}
}

int target_options_parse(struct target_options *ret, const struct option_spec *specs,
			 const char *help, char **argv,
			 int (*take)(void *owner, int option, const char *value), void *owner)
{
	struct options options;
	const char *value = NULL;
	int option, count = 0, argc = 0, r = 0;
	char **operands;

	while (argv[argc])
		argc++;
	target_options_init(ret);
	operands = memory_calloc((size_t)argc, sizeof(*operands));
	options_init(&options, specs, argv);
	while (r == 0 && (option = options_next(&options, &value)) != OPTION_END) {
		if (option == OPTION_OPERAND)
			operands[count++] = argv[options.next - 1];
		else if (option == OPTION_DASHES)
			while (argv[options.next])
				operands[count++] = argv[options.next++];
		else if (option == OPTION_MISTAKE)
			r = EXIT_USAGE;
		else if (option < OPTION_OWN)
			r = target_options_take(ret, option, value, help);
		else
			r = take(owner, option, value);
	}
	if (r == 0 && count == 0) {
		say("no target; say where, as in: mitogen %s local", argv[0]);
		r = EXIT_USAGE;
	}
	if (r == 0 && targets_parse(&ret->targets, operands, count) < 0)
		r = EXIT_USAGE;
	free(operands);
	return r;
}
