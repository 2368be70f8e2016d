/* SPDX-License-Identifier: BSD-3-Clause */
/* What a parent says to a first stage, for tests that are one. first_stage command|plain|script: writes that to
 * stdout; first_stage header SIZE gzip|raw PLATFORM: the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/first_stage.h"

static int write_script(void)
{
	char *script;
	size_t size;

	if (first_stage_script("here", &script, &size) < 0)
		return 1;
	return fwrite(script, 1, size, stdout) == size ? 0 : 1;
}

int main(int argc, char **argv)
{
	char header[FIRST_STAGE_HEADER_SIZE];

	if (argc == 2 && strcmp(argv[1], "command") == 0)
		return fputs(first_stage_command, stdout) < 0;
	if (argc == 2 && strcmp(argv[1], "plain") == 0)
		return fputs(first_stage_argv_plain[2], stdout) < 0;
	if (argc == 2 && strcmp(argv[1], "script") == 0)
		return write_script();
	if (argc != 5 || strcmp(argv[1], "header") != 0)
		return 2;
	first_stage_header(header, sizeof(header), strtoul(argv[2], NULL, 10),
			   strcmp(argv[3], "gzip") == 0, argv[4]);
	return fputs(header, stdout) < 0;
}
