/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/target.h"

#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"
#include "cli/utf8.h"

#define HOPS_MAX      64  /* as the library's */
#define NAME_MAX_SIZE 180 /* with "#12345" behind it, it is still a name for the library */
#define KEYS_MAX      8
#define TEXT_OF(x)    #x
#define NUMBER_OF(x)  TEXT_OF(x)

struct parser {
	const char *text; /* of the target */
	const char *at;
	int hop; /* its number, from 1 on */
};

struct key {
	const char *name;
	const char *value; /* how help texts call it */
	/* Takes value into hop. NULL, or what to say of it. */
	const char *(*set)(struct hop *hop, const char *value);
};

struct method {
	const char *name;
	const struct key *keys[KEYS_MAX + 1]; /* ends with NULL */
	mitogen_context (*connect)(mitogen_context via, const struct hop *hop, mitogen_error *err);
};

/* ---- Methods and keys ---- */

static const char *set_name(struct hop *hop, const char *value)
{
	if (!*value)
		return "the name is empty";
	if (strlen(value) > NAME_MAX_SIZE)
		return "the name is too long; it may have " NUMBER_OF(NAME_MAX_SIZE) " bytes";
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f' || *at == '/')
			return "a name has no '/' and no control characters";
	if (!utf8_is_valid(value))
		return "a name is UTF-8";
	hop->name = memory_format("%s", value);
	return NULL;
}

static const char *set_timeout(struct hop *hop, const char *value)
{
	int64_t ms;
	const char *complaint = number_seconds(value, &ms);

	if (!complaint)
		hop->timeout_ms = (int)ms;
	return complaint;
}

static mitogen_context connect_local(mitogen_context via, const struct hop *hop, mitogen_error *err)
{
	return mitogen_local(via, err, .name = hop->name, .connect_timeout_ms = hop->timeout_ms);
}

static const struct key key_name = {"name", "NAME", set_name};
static const struct key key_timeout = {"timeout", "SECONDS", set_timeout};

static const struct method methods[] = {
	{"local", {&key_name, &key_timeout}, connect_local},
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* ---- The parser ---- */

static int complain(const struct parser *parser, const char *at, const char *format, ...)
	SAY_PRINTF(3, 4);
static int complain(const struct parser *parser, const char *at, const char *format, ...)
{
	char reason[512], quote[UTF8_QUOTE_SIZE];
	int character = 1;
	va_list args;

	for (const char *c = parser->text; c < at; c++)
		character += ((unsigned char)*c & 0xc0) != 0x80; /* not inside one of UTF-8 */
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	say("target '%s': hop %d, character %d: %s", utf8_quote(quote, parser->text), parser->hop,
	    character, reason);
	return -1;
}

/* Up to one of the stops, without the backslashes; to be freed. NULL, having said why. */
static char *take_word(struct parser *parser, const char *stops)
{
	char *word = memory_calloc(1, strlen(parser->at) + 1);
	size_t size = 0;

	for (; *parser->at && !strchr(stops, *parser->at); parser->at++) {
		if (*parser->at == '\\') {
			parser->at++;
			if (!*parser->at || !strchr("\\/,=:", *parser->at)) {
				complain(parser, parser->at - 1,
					 "a backslash stands before one of \\ / , = : only");
				free(word);
				return NULL;
			}
		}
		word[size++] = *parser->at;
	}
	return word;
}

static int complain_method(const struct parser *parser, const char *at, const char *word)
{
	const char *names[METHODS + 1] = {NULL}, *meant;
	char list[256] = "", quote[UTF8_QUOTE_SIZE];

	for (size_t i = 0; i < METHODS; i++) {
		names[i] = methods[i].name;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 i > 0 ? ", " : "", names[i]);
	}
	meant = say_closest(word, names);
	if (meant)
		return complain(parser, at, "there is no method '%s'; did you mean '%s'?", word,
				meant);
	return complain(parser, at, "there is no method '%s'; the methods are: %s",
			utf8_quote(quote, word), list);
}

static int parse_method(struct parser *parser, struct hop *hop)
{
	const char *start = parser->at;
	char *word = take_word(parser, ":,/");
	int r = 0;

	if (!word)
		return -1;
	for (size_t i = 0; i < METHODS; i++)
		if (strcmp(word, methods[i].name) == 0)
			hop->method = &methods[i];
	if (!*word)
		r = complain(parser, start, "a method is missing here");
	else if (!hop->method)
		r = complain_method(parser, start, word);
	else if (*parser->at == ':')
		r = complain(parser, parser->at, "'%s' takes no argument", word);
	free(word);
	return r;
}

static int complain_key(const struct parser *parser, const char *at, const struct method *method,
			const char *word)
{
	const char *names[KEYS_MAX + 1] = {NULL}, *meant;
	char list[256] = "", quote[UTF8_QUOTE_SIZE];

	for (int i = 0; method->keys[i]; i++) {
		names[i] = method->keys[i]->name;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s=%s",
			 i > 0 ? ", " : "", names[i], method->keys[i]->value);
	}
	meant = say_closest(word, names);
	if (meant)
		return complain(parser, at, "'%s' has no key '%s'; did you mean '%s'?",
				method->name, word, meant);
	return complain(parser, at, "'%s' has no key '%s'; the keys are: %s", method->name,
			utf8_quote(quote, word), list);
}

/* NULL, having said that there is none of this name. */
static const struct key *find_key(const struct parser *parser, const char *at,
				  const struct method *method, const char *word, unsigned *seen)
{
	for (int i = 0; method->keys[i]; i++) {
		if (strcmp(word, method->keys[i]->name) != 0)
			continue;
		if (*seen & 1u << i) {
			complain(parser, at, "the key '%s' was given already", word);
			return NULL;
		}
		*seen |= 1u << i;
		return method->keys[i];
	}
	complain_key(parser, at, method, word);
	return NULL;
}

static int parse_value(struct parser *parser, struct hop *hop, const struct key *key)
{
	const char *start, *complaint;
	char *value, quote[UTF8_QUOTE_SIZE];
	int r = 0;

	if (*parser->at != '=')
		return complain(parser, parser->at, "the key '%s' has no value; write %s=%s",
				key->name, key->name, key->value);
	start = ++parser->at;
	value = take_word(parser, ",/");
	if (!value)
		return -1;
	complaint = key->set(hop, value);
	if (complaint)
		r = complain(parser, start, "%s '%s': %s", key->name, utf8_quote(quote, value),
			     complaint);
	free(value);
	return r;
}

static int parse_keys(struct parser *parser, struct hop *hop)
{
	unsigned seen = 0;

	while (*parser->at == ',') {
		const char *start = ++parser->at;
		char *word = take_word(parser, "=,/");
		const struct key *key;

		if (!word)
			return -1;
		key = find_key(parser, start, hop->method, word, &seen);
		free(word);
		if (!key || parse_value(parser, hop, key) < 0)
			return -1;
	}
	return 0;
}

static void free_hop(struct hop *hop)
{
	free(hop->text);
	free(hop->name);
	free(hop->path);
	free(hop);
}

/* The next hop of a target, which ends at a "/" or at the end; NULL, having said why. */
static struct hop *parse_hop(struct parser *parser)
{
	struct hop *hop = memory_calloc(1, sizeof(*hop));
	const char *start = parser->at;

	parser->hop++;
	if (parser->hop > HOPS_MAX)
		complain(parser, start, "a target has at most %d hops", HOPS_MAX);
	else if (parse_method(parser, hop) == 0 && parse_keys(parser, hop) == 0) {
		hop->text = memory_format("%.*s", (int)(parser->at - start), start);
		if (!hop->name)
			hop->name = memory_format("%s", hop->method->name);
		return hop;
	}
	free_hop(hop);
	return NULL;
}

/* ---- From hops to a tree ---- */

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
		free_hop(hop);
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
	struct parser parser = {.text = text, .at = text};
	struct hop *via = targets->hops;

	for (;;) {
		struct hop *hop = parse_hop(&parser);

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
		free_hop(hop);
	}
	free(targets->all);
	*targets = (struct targets){0};
}

mitogen_context hop_connect(struct hop *hop, mitogen_router router, mitogen_error *err)
{
	if (hop->context.ref == 0)
		hop->context = hop->via ? hop->method->connect(hop_connect(hop->via, router, err),
							       hop, err)
					: mitogen_self(router);
	return hop->context;
}
