/* SPDX-License-Identifier: BSD-3-Clause */
/* mitogen stats: shows what the processes at targets and on the way to them have counted. */
#include <inttypes.h>
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/survey.h"

#define COUNTERS_MAX 256

static const char help[] =
	"usage: mitogen stats [OPTIONS] TARGET...\n"
	"\n"
	"Shows the counters of the processes at the targets and on the way to them, and of the\n"
	"command itself. See mitogen-stats(1).\n" SURVEY_HELP;

struct counter {
	char name[65];
	uint64_t value;
};

static int compare(const void *a, const void *b)
{
	const struct counter *one = a, *other = b;

	return strcmp(one->name, other->name);
}

/* Returns how many there are, sorted by their names. An answer that makes no sense has error set. */
static int read_counters(struct answer *answer, struct counter counters[COUNTERS_MAX])
{
	mitogen_cursor map;
	mitogen_bytes name;
	int count = 0, r;

	if (!answer->message)
		return 0;
	r = mitogen_read(answer->message, &answer->error, &map);
	while (r >= 0 && count < COUNTERS_MAX) {
		r = mitogen_next(&map, &answer->error, &name, &counters[count].value);
		if (r <= 0)
			break;
		survey_copy_text(counters[count].name, sizeof(counters->name), name);
		count++;
	}
	qsort(counters, (size_t)count, sizeof(*counters), compare);
	return r < 0 ? 0 : count;
}

static void print_text(struct answer *answer)
{
	struct counter counters[COUNTERS_MAX];
	int count = read_counters(answer, counters);

	printf("%s:\n", answer->hop->via ? answer->hop->path : answer->hop->name);
	if (answer->error.code < 0)
		puts("  not reached");
	for (int i = 0; i < count; i++)
		printf("  %-16s %14" PRIu64 "\n", counters[i].name, counters[i].value);
}

static void print_json(struct answer *answer)
{
	struct counter counters[COUNTERS_MAX];
	int count = read_counters(answer, counters);

	printf("{\"name\": ");
	json_print_string(answer->hop->name);
	printf(", \"path\": ");
	json_print_string(answer->hop->path);
	printf(", \"id\": %" PRIu32 ", ", answer->id);
	if (answer->error.code < 0) {
		survey_print_error(answer);
	} else {
		printf("\"counters\": {");
		for (int i = 0; i < count; i++) {
			printf("%s", i > 0 ? ", " : "");
			json_print_string(counters[i].name);
			printf(": %" PRIu64, counters[i].value);
		}
		putchar('}');
	}
	putchar('}');
}

static void print(const struct survey *survey)
{
	if (survey->is_json)
		putchar('[');
	for (int i = 0; i < survey->count; i++) {
		if (i > 0)
			fputs(survey->is_json ? ", " : "\n", stdout);
		if (survey->is_json)
			print_json(&survey->answers[i]);
		else
			print_text(&survey->answers[i]);
	}
	if (survey->is_json)
		puts("]");
}

static int stats_command(int argc, char **argv)
{
	struct survey survey;
	int status = survey_ask(&survey, "mitogen.stats", help, argv);

	(void)argc;
	if (status == 0) {
		print(&survey);
		status = survey_complain(&survey);
	}
	survey_clear(&survey);
	return status < 0 ? 0 : status;
}

const struct command command_stats = {
	.name = "stats",
	.summary = "show what the processes at targets have counted",
	.help = help,
	.run = stats_command,
};
