/* SPDX-License-Identifier: BSD-3-Clause */
/* The command `mitogen`: a table of subcommands. */
#include <errno.h>
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/hop.h"
#include "cli/memory.h"
#include "cli/say.h"
#include "cli/standard.h"

static int help_command(int argc, char **argv);

static const struct command command_help = {
	.name = "help",
	.summary = "explain a command",
	.help = "usage: mitogen help [COMMAND | METHOD]\n\nSays what a command does and which "
		"options it has, or which keys a hop of a target\nmay have.\n",
	.run = help_command,
};

static const struct command *const commands[] = {&command_run, &command_tree, &command_ping,
						 &command_stats, &command_help};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *file)
{
	fputs("usage: mitogen COMMAND [ARG...]\n\ncommands:\n", file);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\noptions:\n"
	      "  -h, --help  print this\n"
	      "  --version   print the version\n"
	      "\n"
	      "'mitogen help COMMAND' explains one, 'mitogen help METHOD' how a target is reached, "
	      "as by\n"
	      "ssh. See mitogen(1).\n",
	      file);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int complain(const char *name)
{
	const char *names[COMMANDS + 1] = {NULL}, *meant;

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i]->name;
	meant = say_closest(name, names);
	if (*name == '-')
		say("there is no option '%s'; 'mitogen --help' lists them", name);
	else if (meant)
		say("there is no command '%s'; did you mean '%s'?", name, meant);
	else
		say("there is no command '%s'; 'mitogen --help' lists them", name);
	return EXIT_USAGE;
}

static int help_command(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find(argv[1]) : NULL;

	if (argc > 2) {
		say("one command at a time, as in: mitogen help run");
		return EXIT_USAGE;
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		command = &command_help;
	if (command)
		fputs(command->help, stdout);
	else if (argc == 1)
		print_usage(stdout);
	else if (!hop_print_keys(argv[1]))
		return complain(argv[1]);
	return 0;
}

/* What a command printed to stdout itself must have arrived. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	/* why it failed earlier is forgotten by now: what is broken already can bear one more try */
	errno = 0;
	putchar('\n');
	fflush(stdout);
	say("cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	const struct command *command;
	char *name;
	int status;

	mitogen_init(argc, argv);
	standard_fill();
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return finish(0);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("mitogen %s\n", mitogen_version());
		return finish(0);
	}
	command = find(argv[1]);
	if (!command)
		return complain(argv[1]);
	name = memory_format("mitogen %s", command->name);
	say_set_name(name);
	status = finish(command->run(argc - 1, argv + 1));
	say_set_name("mitogen");
	free(name);
	return status;
}
