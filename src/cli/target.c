/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/target.h"

#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/say.h"

static const char *const kinds[] = {"local", NULL};

static int check(const char *name)
{
	const char *meant;

	for (const char *const *kind = kinds; *kind; kind++)
		if (strcmp(name, *kind) == 0)
			return 0;
	meant = say_closest(name, kinds);
	if (meant)
		say("'%s' is no target; did you mean '%s'?", name, meant);
	else
		say("'%s' is no target; the one kind there is so far is 'local', a child process "
		    "on "
		    "this machine",
		    name);
	return -1;
}

int targets_parse(char *const *names, int count, struct target *ret)
{
	for (int i = 0; i < count; i++)
		if (check(names[i]) < 0)
			return -1;
	for (int i = 0; i < count; i++) {
		int number = 1;

		for (int j = 0; j < i; j++)
			number += strcmp(names[j], names[i]) == 0;
		ret[i].name = names[i];
		ret[i].label = number > 1 ? memory_format("%s#%d", names[i], number)
					  : memory_format("%s", names[i]);
	}
	return 0;
}

void targets_clear(struct target *targets, int count)
{
	for (int i = 0; i < count; i++)
		free(targets[i].label);
}
