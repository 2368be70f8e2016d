/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/run_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"

const char run_help[] =
	"usage: mitogen run [OPTIONS] TARGET... -- PROGRAM [ARG...]\n"
	"\n"
	"Runs a program on each target at the same time. Its input, output, signals and exit "
	"status\n"
	"are those of this command.\n"
	"\n" TARGET_HELP "\n"
	"options:\n"
	"  --env NAME=VALUE     set a variable in the program's environment\n"
	"  --env NAME           make the variable there what it is here\n"
	"  --cwd DIR            run the program in this directory\n"
	"  --timeout SECONDS    end it after so long, connecting included\n"
	"  -n, --no-stdin       give it no input\n"
	"  --raw                several targets: do not put their names before the "
	"lines\n" OPTIONS_OF_ALL_HELP "\n"
	"exit status: the program's; 124 time-out, 126 cannot be run, 127 not found, 128+N killed\n"
	"by signal N; 4 target not reached or lost; 2 wrong usage. See mitogen-run(1).\n";

enum {
	ENV = OPTION_OWN,
	CWD,
	TIMEOUT,
	NO_STDIN,
	RAW
};

static const struct option_spec specs[] = {
	OPTIONS_OF_ALL,
	[ENV] = {"env", 0, true},
	[CWD] = {"cwd", 0, true},
	[TIMEOUT] = {"timeout", 0, true},
	[NO_STDIN] = {"no-stdin", 'n', false},
	[RAW] = {"raw", 0, false},
	{NULL, 0, false},
};

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");

	return strncmp(a, b, length) == 0 && (b[length] == '=' || !b[length]);
}

/* "NAME=VALUE" of our environment; "NAME", which removes it, if it is not there. */
static const char *own_setting(const char *name)
{
	extern char **environ;

	for (char **entry = environ; *entry; entry++)
		if (same_name(*entry, name))
			return *entry;
	return name;
}

/* The later of two settings of one variable is the one that counts. */
static int add_env(struct run_options *options, const char *setting)
{
	size_t i = 0;

	if (!*setting || *setting == '=') {
		say("--env '%s': the name of the variable is missing; give NAME=VALUE", setting);
		return EXIT_USAGE;
	}
	while (options->env[i] && !same_name(options->env[i], setting))
		i++;
	options->env[i] = strchr(setting, '=') ? setting : own_setting(setting);
	return 0;
}

static int set_timeout(struct run_options *options, const char *text)
{
	const char *complaint = number_seconds(text, &options->timeout_ms);

	if (!complaint)
		return 0;
	say("--timeout '%s': %s", text, complaint);
	return EXIT_USAGE;
}

static int take_option(struct run_options *options, int option, const char *value)
{
	switch (option) {
	case ENV:
		return add_env(options, value);
	case CWD:
		options->cwd = value;
		if (*value)
			return 0;
		say("--cwd: the name of the directory is empty");
		return EXIT_USAGE;
	case TIMEOUT:
		return set_timeout(options, value);
	case NO_STDIN:
		options->no_stdin = true;
		return 0;
	case RAW:
		options->raw = true;
		return 0;
	case OPTION_MISTAKE:
		return EXIT_USAGE;
	default:
		return target_options_take(&options->common, option, value, run_help);
	}
}

static int check(struct run_options *options, bool has_dashes, char *const *operands, int count)
{
	if (count == 0)
		say("no target; say where to run it, as in: mitogen run local -- %s",
		    has_dashes && *options->program ? *options->program : "PROGRAM");
	else if (!has_dashes)
		say("no '--' before the program; as in: mitogen run local -- uname -a");
	else if (!*options->program)
		say("no program behind '--'");
	else if (targets_parse(&options->common.targets, operands, count) == 0)
		return 0;
	return EXIT_USAGE;
}

static bool contains_dashes(char *const *argv)
{
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	return *argv;
}

int run_options_parse(struct run_options *ret, char **argv)
{
	struct options options;
	const char *value = NULL;
	bool has_dashes = false;
	int option, count = 0, argc = 0, r = 0;
	char **operands;

	while (argv[argc])
		argc++;
	*ret = (struct run_options){0};
	target_options_init(&ret->common);
	ret->env = memory_calloc((size_t)argc + 1, sizeof(*ret->env));
	operands = memory_calloc((size_t)argc, sizeof(*operands));
	options_init(&options, specs, argv);
	if (!contains_dashes(argv))
		options.hint = "the program and its own options go behind '--'";
	while (r == 0 && !has_dashes && (option = options_next(&options, &value)) != OPTION_END) {
		if (option == OPTION_OPERAND)
			operands[count++] = argv[options.next - 1];
		else if (option == OPTION_DASHES)
			has_dashes = true;
		else
			r = take_option(ret, option, value);
	}
	ret->program = (const char *const *)(argv + options.next);
	if (r == 0)
		r = check(ret, has_dashes, operands, count);
	free(operands);
	return r;
}

void run_options_clear(struct run_options *options)
{
	targets_clear(&options->common.targets);
	free(options->env);
}
