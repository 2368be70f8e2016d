/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options.h"

#include <stddef.h>
#include <string.h>

#include "cli/say.h"

#define SPECS_MAX 16

void options_init(struct options *options, const struct option_spec *specs, char *const *argv)
{
	*options = (struct options){.specs = specs, .argv = argv, .next = 1, .hint = "try --help"};
}

static int unknown(const struct options *options, const char *given, size_t length)
{
	const char *names[SPECS_MAX + 1] = {NULL}, *meant;
	char name[64] = "";

	for (size_t i = 0; i < SPECS_MAX && options->specs[i].name; i++)
		names[i] = options->specs[i].name;
	if (length < sizeof(name))
		memcpy(name, given, length);
	meant = *name ? say_closest(name, names) : NULL;
	if (meant)
		say("there is no option --%.*s; did you mean --%s?", (int)length, given, meant);
	else
		say("there is no option --%.*s; %s", (int)length, given, options->hint);
	return OPTION_MISTAKE;
}

static int take_value(struct options *options, int index, const char **ret_value)
{
	const char *value = options->argv[options->next];

	if (!value) {
		say("--%s needs a value", options->specs[index].name);
		return OPTION_MISTAKE;
	}
	options->next++;
	*ret_value = value;
	return index;
}

static int take_long(struct options *options, const char *given, const char **ret_value)
{
	size_t length = strcspn(given, "=");
	const struct option_spec *spec = options->specs;
	int index;

	while (spec->name && (strncmp(spec->name, given, length) != 0 || spec->name[length]))
		spec++;
	if (!spec->name)
		return unknown(options, given, length);
	index = (int)(spec - options->specs);
	if (spec->has_value && !given[length])
		return take_value(options, index, ret_value);
	if (!spec->has_value && given[length]) {
		say("--%s takes no value", spec->name);
		return OPTION_MISTAKE;
	}
	if (spec->has_value)
		*ret_value = given + length + 1;
	return index;
}

static int take_letter(struct options *options, const char **ret_value)
{
	char letter = *options->letters++;
	int index = 0;

	while (options->specs[index].name && options->specs[index].letter != letter)
		index++;
	if (options->specs[index].name && !options->specs[index].has_value)
		return index;
	if (options->specs[index].name && !*options->letters)
		return take_value(options, index, ret_value);
	if (options->specs[index].name) { /* -c3 */
		*ret_value = options->letters;
		options->letters = NULL;
		return index;
	}
	say("there is no option -%c; %s", letter, options->hint);
	return OPTION_MISTAKE;
}

int options_next(struct options *options, const char **ret_value)
{
	const char *argument;

	if (options->letters && *options->letters)
		return take_letter(options, ret_value);
	argument = options->argv[options->next];
	if (!argument)
		return OPTION_END;
	options->next++;
	if (strcmp(argument, "--") == 0)
		return OPTION_DASHES;
	if (argument[0] == '-' && argument[1] == '-')
		return take_long(options, argument + 2, ret_value);
	if (argument[0] == '-' && argument[1]) {
		options->letters = argument + 1;
		return take_letter(options, ret_value);
	}
	*ret_value = argument;
	return OPTION_OPERAND;
}
