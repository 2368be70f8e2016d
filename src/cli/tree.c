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
#include "cli/number.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/target_options.h"

#define DEFAULT_TIMEOUT_MS 60000
#define TIMEOUT_MAX        1000000
#define FACT_SIZE          65

static const char help[] =
	"usage: mitogen tree [OPTIONS] TARGET...\n"
	"\n"
	"Shows the processes at the targets and on the way to them: context ID, process ID,\n"
	"platform and resident memory.\n"
	"\n" TARGET_HELP "\n"
	"options:\n"
	"  --json               print one JSON object\n"
	"  --timeout SECONDS    how long to wait for each of them; 60\n" OPTIONS_OF_ALL_HELP "\n"
	"exit status: 4 a target was not reached or lost; 2 wrong usage. See mitogen-tree(1).\n";

enum {
	JSON = OPTION_OWN,
	TIMEOUT
};

static const struct option_spec specs[] = {
	OPTIONS_OF_ALL,
	[JSON] = {"json", 0, false},
	[TIMEOUT] = {"timeout", 0, true},
	{NULL, 0, false},
};

struct node { /* what is known of a hop */
	struct hop *hop;
	mitogen_error error; /* .code < 0: it did not answer */
	uint32_t id;
	int64_t pid, uid, rss; /* rss -1: its system does not say */
	char system[FACT_SIZE], release[FACT_SIZE], machine[FACT_SIZE], name[FACT_SIZE];
};

struct tree {
	struct target_options options;
	struct session session;
	bool is_json;
	int64_t timeout_ms;
	struct node *nodes; /* in the order of the hops */
	int left;           /* that have not answered yet */
};

static int take_option(void *owner, int option, const char *value)
{
	struct tree *tree = owner;
	const char *complaint;

	if (option == JSON) {
		tree->is_json = true;
		return 0;
	}
	complaint = number_seconds(value, TIMEOUT_MAX, &tree->timeout_ms);
	if (!complaint)
		return 0;
	say("--timeout '%s': %s", value, complaint);
	return EXIT_USAGE;
}

/* ---- Asking ---- */

/* What comes from elsewhere is shown as printable ASCII. */
static void read_text(const mitogen_cursor *facts, const char *key, char out[FACT_SIZE])
{
	mitogen_bytes text = {0};
	size_t size;

	if (mitogen_find(facts, key, NULL, &text) < 0)
		return;
	size = text.size < FACT_SIZE - 1 ? text.size : FACT_SIZE - 1;
	for (size_t i = 0; i < size; i++) {
		char c = ((const char *)text.data)[i];

		out[i] = c >= ' ' && c <= '~' ? c : '?';
	}
	out[size] = '\0';
}

static void take_facts(struct node *node, mitogen_message *m)
{
	mitogen_cursor facts;

	if (mitogen_read(m, &node->error, &facts) < 0)
		return;
	node->rss = -1;
	if (mitogen_find(&facts, "pid", &node->error, &node->pid) < 0 ||
	    mitogen_find(&facts, "uid", &node->error, &node->uid) < 0)
		return;
	if (mitogen_find(&facts, "rss", NULL, &node->rss) < 0 || node->rss <= 0)
		node->rss = -1;
	read_text(&facts, "system", node->system);
	read_text(&facts, "release", node->release);
	read_text(&facts, "machine", node->machine);
	read_text(&facts, "node", node->name);
}

static void ask(struct tree *tree, struct node *node)
{
	mitogen_context context = hop_connect(node->hop, tree->session.router, &node->error);

	node->id = mitogen_context_id(context);
	if (mitogen_call_async(mitogen_within(context, (int)tree->timeout_ms), "mitogen.facts",
			       tree->session.receiver, node, &node->error) == 0)
		tree->left++;
}

static void ask_all(struct tree *tree)
{
	MITOGEN_AUTO(message, m);
	struct node *node = tree->nodes;

	for (struct hop *hop = tree->options.targets.hops; hop; hop = hop->next, node++) {
		node->hop = hop;
		hop->user = node;
		ask(tree, node);
	}
	for (; tree->left > 0 &&
	       mitogen_receiver_get(tree->session.receiver, &m, MITOGEN_FOREVER, NULL) == 1;
	     tree->left--)
		take_facts(mitogen_message_tag(m), m);
}

static struct node *node_of(const struct hop *hop)
{
	return hop->user;
}

/* Says once why a part of the tree is missing. */
static int complain(const struct tree *tree)
{
	int status = 0;

	for (struct hop *hop = tree->options.targets.hops; hop; hop = hop->next) {
		const struct node *node = node_of(hop);

		if (node->error.code == 0)
			continue;
		status = EXIT_TARGET;
		if (!hop->via || node_of(hop->via)->error.code == 0)
			say("%s", node->error.text);
	}
	return status;
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
	for (struct hop *hop = tree->options.targets.hops; hop; hop = hop->next) {
		const struct node *node = node_of(hop);

		widen(&drawing.name_width, 4 * depth_of(hop) + width_of(hop->name));
		if (node->error.code < 0)
			continue;
		widen(&drawing.id_width, number_width(node->id));
		widen(&drawing.pid_width, number_width(node->pid));
		widen(&drawing.platform_width, width_of(platform_of(node, platform)));
	}
	return drawing;
}

static void draw_row(const struct drawing *drawing, const struct node *node, int used)
{
	char platform[2 * FACT_SIZE];

	printf("%*s", drawing->name_width - used, "");
	if (node->error.code < 0) {
		printf("  %s\n",
		       node->error.code == MITOGEN_ERR_TIMEOUT ? "no answer" : "not reached");
		return;
	}
	printf("  %*" PRIu32 "  %*" PRId64 "  %-*s", drawing->id_width, node->id,
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
	draw(&drawing, tree->options.targets.hops);
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
	printf(", \"id\": %" PRIu32, node->id);
	if (node->error.code < 0) {
		printf(", \"error\": {\"code\": \"%s\"", mitogen_code_name(node->error.code));
		print_member("text", node->error.text);
		putchar('}');
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
	struct tree tree = {.timeout_ms = DEFAULT_TIMEOUT_MS};
	int status = target_options_parse(&tree.options, specs, help, argv, take_option, &tree);

	(void)argc;
	if (status == 0)
		status = session_open(&tree.session, tree.options.log_level, SESSION_SHUTDOWN_MS);
	if (status == 0) {
		tree.nodes =
			memory_calloc((size_t)tree.options.targets.hop_count, sizeof(*tree.nodes));
		ask_all(&tree);
		if (tree.is_json) {
			print_json(tree.options.targets.hops);
			putchar('\n');
		} else {
			print_drawing(&tree);
		}
		fflush(stdout);
		status = complain(&tree);
	}
	session_close(&tree.session);
	targets_clear(&tree.options.targets);
	free(tree.nodes);
	return status < 0 ? 0 : status;
}

const struct command command_tree = {
	.name = "tree",
	.summary = "show the processes at targets",
	.help = help,
	.run = tree_command,
};
