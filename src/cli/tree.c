/* SPDX-License-Identifier: BSD-3-Clause */
/* mitogen tree: shows the processes at targets and on the way to them. */
#include <inttypes.h>
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/memory.h"
#include "cli/survey.h"

#define FACT_SIZE 65

static const char help[] =
	"usage: mitogen tree [OPTIONS] TARGET...\n"
	"\n"
	"Shows the processes at the targets and on the way to them: context ID, process ID,\n"
	"platform and resident memory. See mitogen-tree(1).\n" SURVEY_HELP;

struct node {
	struct answer *answer;
	int64_t pid, uid, rss; /* rss -1: its system does not say */
	char system[FACT_SIZE], release[FACT_SIZE], machine[FACT_SIZE], name[FACT_SIZE];
};

struct tree {
	struct survey survey;
	struct node *nodes; /* as the answers */
};

/* ---- What the answers say ---- */

static void read_text(const mitogen_cursor *facts, const char *key, char out[FACT_SIZE])
{
	mitogen_bytes text = {0};

	if (mitogen_find(facts, key, NULL, &text) > 0)
		survey_copy_text(out, FACT_SIZE, text);
}

static void read_facts(struct node *node)
{
	mitogen_cursor facts;

	node->rss = -1;
	if (mitogen_read(node->answer->message, &node->answer->error, &facts) < 0 ||
	    mitogen_find(&facts, "pid", &node->answer->error, &node->pid) < 0 ||
	    mitogen_find(&facts, "uid", &node->answer->error, &node->uid) < 0)
		return;
	if (mitogen_find(&facts, "rss", NULL, &node->rss) < 0 || node->rss <= 0)
		node->rss = -1;
	read_text(&facts, "system", node->system);
	read_text(&facts, "release", node->release);
	read_text(&facts, "machine", node->machine);
	read_text(&facts, "node", node->name);
}

static void make_nodes(struct tree *tree)
{
	tree->nodes = memory_calloc((size_t)tree->survey.count, sizeof(*tree->nodes));
	for (int i = 0; i < tree->survey.count; i++) {
		struct node *node = &tree->nodes[i];

		node->answer = &tree->survey.answers[i];
		node->answer->hop->user = node;
		if (node->answer->message)
			read_facts(node);
	}
}

static struct node *node_of(const struct hop *hop)
{
	return hop->user;
}

/* ---- As a drawing ---- */

struct drawing {
	const char *between, *last, *line; /* what stands before a name */
	int name_width, id_width, pid_width, platform_width;
};

/* Columns that UTF-8 takes, if all its characters are of usual width. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static int number_width(int64_t number)
{
	return snprintf(NULL, 0, "%" PRId64, number);
}

static const char *platform_of(const struct node *node, char out[2 * FACT_SIZE])
{
	snprintf(out, 2 * FACT_SIZE, "%s-%s", node->system, node->machine);
	for (char *c = out; *c; c++) /* as agents are named, whatever the locale */
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return out;
}

static void widen(int *width, int needed)
{
	if (*width < needed)
		*width = needed;
}

static int depth_of(const struct hop *hop)
{
	int depth = 0;

	for (; hop->via; hop = hop->via)
		depth++;
	return depth;
}

static struct drawing make_drawing(const struct tree *tree)
{
	struct drawing drawing = {"|-- ", "`-- ", "|   ", 4, 2, 3, 8};
	const char *locale = getenv("LC_ALL");
	char platform[2 * FACT_SIZE];

	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	if (locale && (strcasestr(locale, "UTF-8") || strcasestr(locale, "UTF8"))) {
		drawing.between = "├── ";
		drawing.last = "└── ";
		drawing.line = "│   ";
	}
	for (int i = 0; i < tree->survey.count; i++) {
		const struct node *node = &tree->nodes[i];
		const struct hop *hop = node->answer->hop;

		widen(&drawing.name_width, 4 * depth_of(hop) + width_of(hop->name));
		if (node->answer->error.code < 0)
			continue;
		widen(&drawing.id_width, number_width(node->answer->id));
		widen(&drawing.pid_width, number_width(node->pid));
		widen(&drawing.platform_width, width_of(platform_of(node, platform)));
	}
	return drawing;
}

static void draw_row(const struct drawing *drawing, const struct node *node, int used)
{
	char platform[2 * FACT_SIZE];

	printf("%*s", drawing->name_width - used, "");
	if (node->answer->error.code < 0) {
		printf("  %s\n", node->answer->error.code == MITOGEN_ERR_TIMEOUT ? "no answer"
										 : "not reached");
		return;
	}
	printf("  %*" PRIu32 "  %*" PRId64 "  %-*s", drawing->id_width, node->answer->id,
	       drawing->pid_width, node->pid, drawing->platform_width, platform_of(node, platform));
	if (node->rss >= 0)
		printf("  %7.1f MiB\n", (double)node->rss / (1 << 20));
	else
		printf("  %11s\n", "-");
}

/* What stands before the name of a hop; its parents first. */
static void draw_lines(const struct drawing *drawing, const struct hop *hop, bool is_own)
{
	if (!hop->via)
		return;
	draw_lines(drawing, hop->via, false);
	if (is_own)
		fputs(hop->beside ? drawing->between : drawing->last, stdout);
	else
		fputs(hop->beside ? drawing->line : "    ", stdout);
}

static void draw(const struct drawing *drawing, const struct hop *hop)
{
	draw_lines(drawing, hop, true);
	fputs(hop->name, stdout);
	draw_row(drawing, node_of(hop), 4 * depth_of(hop) + width_of(hop->name));
	for (hop = hop->below; hop; hop = hop->beside)
		draw(drawing, hop);
}

static void print_drawing(const struct tree *tree)
{
	struct drawing drawing = make_drawing(tree);

	printf("%-*s  %*s  %*s  %-*s  %11s\n", drawing.name_width, "NAME", drawing.id_width, "ID",
	       drawing.pid_width, "PID", drawing.platform_width, "PLATFORM", "RSS");
	draw(&drawing, tree->survey.options.targets.hops);
}

/* ---- As JSON ---- */

static void print_member(const char *name, const char *text)
{
	printf(", \"%s\": ", name);
	json_print_string(text);
}

static void print_json(const struct hop *hop)
{
	const struct node *node = node_of(hop);

	printf("{\"name\": ");
	json_print_string(hop->name);
	print_member("path", hop->path);
	printf(", \"id\": %" PRIu32, node->answer->id);
	if (node->answer->error.code < 0) {
		printf(", ");
		survey_print_error(node->answer);
	} else {
		printf(", \"pid\": %" PRId64 ", \"uid\": %" PRId64, node->pid, node->uid);
		print_member("system", node->system);
		print_member("release", node->release);
		print_member("machine", node->machine);
		print_member("node", node->name);
		if (node->rss >= 0)
			printf(", \"rss\": %" PRId64, node->rss);
		else
			printf(", \"rss\": null");
	}
	printf(", \"children\": [");
	for (const struct hop *below = hop->below; below; below = below->beside) {
		print_json(below);
		if (below->beside)
			printf(", ");
	}
	printf("]}");
}

/* ---- The command ---- */

static int tree_command(int argc, char **argv)
{
	struct tree tree = {0};
	int status = survey_ask(&tree.survey, "mitogen.facts", help, argv);

	(void)argc;
	if (status == 0) {
		make_nodes(&tree);
		if (tree.survey.is_json) {
			print_json(tree.survey.options.targets.hops);
			putchar('\n');
		} else {
			print_drawing(&tree);
		}
		status = survey_complain(&tree.survey);
	}
	survey_clear(&tree.survey);
	free(tree.nodes);
	return status < 0 ? 0 : status;
}

const struct command command_tree = {
	.name = "tree",
	.summary = "show the processes at targets",
	.help = help,
	.run = tree_command,
};
