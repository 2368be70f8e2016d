/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of a first stage, or of whatever runs in its place: what is kept of it can be printed. As the name
 * of a context: it changes no more of the script than the title. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "parent/first_stage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void require_printable(const char *text, size_t size)
{
	REQUIRE(memchr(text, '\0', size));
	for (; *text; text++)
		REQUIRE((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void parse(const char *line, size_t size)
{
	struct first_stage_line bare, ended;
	char *longer = malloc(size + 1);

	REQUIRE(longer);
	memcpy(longer, line, size);
	longer[size] = '\n';
	first_stage_parse(line, size, &bare);
	first_stage_parse(longer, size + 1, &ended);
	free(longer);
	REQUIRE(memcmp(&bare, &ended, sizeof(bare)) == 0);

	REQUIRE(bare.kind <= FIRST_STAGE_READY);
	require_printable(bare.system, sizeof(bare.system));
	require_printable(bare.machine, sizeof(bare.machine));
	require_printable(bare.reason, sizeof(bare.reason));
	REQUIRE(bare.kind == FIRST_STAGE_HELLO || (!bare.system[0] && !bare.machine[0]));
	REQUIRE(bare.kind == FIRST_STAGE_NEXT || !bare.wants_raw);
	REQUIRE(bare.kind == FIRST_STAGE_NEXT || bare.kind == FIRST_STAGE_FAILED ||
		!bare.reason[0]);
	REQUIRE(bare.kind == FIRST_STAGE_OTHER || memmem(line, size, "MITO00", 6) == line);
}

static size_t count(const char *text, size_t size, char wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] == wanted;
	return n;
}

static void name(const char *path)
{
	static size_t quotes;
	char *script;
	size_t size;

	REQUIRE(first_stage_script(path, &script, &size) == 0);
	REQUIRE(strlen(script) == size && script[size - 1] == '\n');
	REQUIRE(count(script, size, '\n') == 4);
	if (quotes == 0)
		quotes = count(script, size, '\'');
	REQUIRE(count(script, size, '\'') == quotes);
	sys.free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = strndup((const char *)data, size);

	REQUIRE(path);
	parse((const char *)data, size);
	name(path);
	free(path);
	return 0;
}
