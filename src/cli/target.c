/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/target.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"

static int compare_text(const void *a, const void *b)
{
	const struct hop *one = a, *other = b;

	if (one->via != other->via)
		return (uintptr_t)one->via < (uintptr_t)other->via ? -1 : 1;
	return strcmp(one->text, other->text);
}

static int compare_name(const void *a, const void *b)
{
	const struct hop *one = a, *other = b;

	if (one->via != other->via)
		return (uintptr_t)one->via < (uintptr_t)other->via ? -1 : 1;
	return strcmp(one->name, other->name);
}

/* The hop of the tree that is the same as hop, which may be hop itself now. */
static struct hop *insert(struct hop *hop, void **tree, int (*compare)(const void *, const void *))
{
	struct hop **node = memory_check(tsearch(hop, tree, compare));

	return *node;
}

static void make_name_unique(struct targets *targets, struct hop *hop)
{
	struct hop *first = insert(hop, &targets->by_name, compare_name), *other = first;
	char *base = hop->name;

	while (other != hop) {
		if (hop->name != base)
			free(hop->name);
		first->copies = first->copies ? first->copies + 1 : 2;
		hop->name = memory_format("%s#%d", base, first->copies);
		other = insert(hop, &targets->by_name, compare_name);
	}
	if (hop->name != base)
		free(base);
}

static void append(struct targets *targets, struct hop *hop)
{
	*targets->end = hop;
	targets->end = &hop->next;
	targets->hop_count++;
	hop->below_end = &hop->below;
	if (!hop->via)
		return;
	*hop->via->below_end = hop;
	hop->via->below_end = &hop->beside;
}

/* Takes hop over. Returns the one that is to be used, which may be an earlier one. */
static struct hop *add_hop(struct targets *targets, struct hop *hop, bool is_last)
{
	struct hop *same = insert(hop, &targets->by_text, compare_text);

	if (same != hop && !(is_last && same->is_target)) {
		hop_free(hop);
	} else {
		make_name_unique(targets, hop);
		hop->path = *hop->via->path ? memory_format("%s/%s", hop->via->path, hop->name)
					    : memory_format("%s", hop->name);
		append(targets, hop);
		same = hop;
	}
	same->is_target |= is_last;
	return same;
}

static void add_root(struct targets *targets)
{
	struct hop *root = memory_calloc(1, sizeof(*root));

	root->name = memory_format("mitogen");
	root->path = memory_format("%s", "");
	append(targets, root);
}

/* NULL, having said why. */
static struct hop *parse_target(struct targets *targets, const char *text)
{
	struct hop_parser parser = {.text = text, .at = text};
	struct hop *via = targets->hops;

	for (;;) {
		struct hop *hop = hop_parse(&parser);

		if (!hop)
			return NULL;
		hop->via = via;
		via = add_hop(targets, hop, !*parser.at);
		if (!*parser.at)
			return via;
		parser.at++;
	}
}

int targets_parse(struct targets *ret, char *const *texts, int count)
{
	*ret = (struct targets){.all = memory_calloc((size_t)count, sizeof(*ret->all))};
	ret->end = &ret->hops;
	add_root(ret);
	for (; ret->count < count; ret->count++) {
		struct hop *hop = parse_target(ret, texts[ret->count]);

		if (!hop) {
			targets_clear(ret);
			return -1;
		}
		ret->all[ret->count] = (struct target){.text = texts[ret->count], .hop = hop};
	}
	return 0;
}

void targets_clear(struct targets *targets)
{
	while (targets->by_text)
		tdelete(*(struct hop **)targets->by_text, &targets->by_text, compare_text);
	while (targets->by_name)
		tdelete(*(struct hop **)targets->by_name, &targets->by_name, compare_name);
	while (targets->hops) {
		struct hop *hop = targets->hops;

		targets->hops = hop->next;
		hop_free(hop);
	}
	free(targets->all);
	*targets = (struct targets){0};
}
