/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/hop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/say.h"
#include "cli/utf8.h"

#define HOPS_MAX        64  /* as the library's */
#define NAME_MAX_SIZE   180 /* with "#12345" behind it, it is still a name for the library */
#define NAMES_MAX       64  /* of methods, of keys of a method */
#define METHOD_OF_HOSTS "ssh"
#define ESCAPED         "\\/,=:@"
#define TEXT_OF(x)      #x
#define NUMBER_OF(x)    TEXT_OF(x)

/* ---- Complaints ---- */

static int complain(const struct hop_parser *parser, const char *at, const char *format, ...)
	SAY_PRINTF(3, 4);
static int complain(const struct hop_parser *parser, const char *at, const char *format, ...)
{
	char reason[1200], quote[UTF8_QUOTE_SIZE];
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

static void list_methods(const char *names[NAMES_MAX + 1], char *list, size_t size)
{
	size_t count = 0, used = 0;

	for (; count < NAMES_MAX && (names[count] = mitogen_method_at(count)) != NULL; count++) {
		snprintf(list + used, size - used, "%s%s", count > 0 ? ", " : "", names[count]);
		used = strlen(list);
	}
	names[count] = NULL;
}

/* more: what else may be meant, or "". */
static int complain_method(const struct hop_parser *parser, const char *at, const char *word,
			   const char *more)
{
	const char *names[NAMES_MAX + 1], *meant;
	char list[256] = "", quote[UTF8_QUOTE_SIZE];

	list_methods(names, list, sizeof(list));
	meant = say_closest(word, names);
	if (meant)
		return complain(parser, at, "there is no method '%s'; did you mean '%s'?", word,
				meant);
	return complain(parser, at, "there is no method '%s'; the methods are: %s%s",
			utf8_quote(quote, word), list, more);
}

static int complain_key(const struct hop_parser *parser, const char *at, const char *method,
			const char *word)
{
	const char *names[NAMES_MAX + 1] = {NULL}, *meant;
	char list[1000] = "", quote[UTF8_QUOTE_SIZE];
	mitogen_option_info info = {.size = sizeof(info)};

	for (size_t i = 0; i < NAMES_MAX && mitogen_option_at(method, i, &info); i++) {
		size_t used = strlen(list);

		names[i] = info.name;
		if (info.is_secret)
			continue;
		snprintf(list + used, sizeof(list) - used, "%s%s=%s", used > 0 ? ", " : "",
			 info.name, info.value);
	}
	meant = say_closest(word, names);
	if (meant)
		return complain(parser, at, "'%s' has no key '%s'; did you mean '%s'?", method,
				word, meant);
	return complain(parser, at, "'%s' has no key '%s'; the keys are: %s", method,
			utf8_quote(quote, word), list);
}

/* ---- Words ---- */

/* Up to one of the stops or to end, without the backslashes; to be freed. NULL, having said why. */
static char *take_word(struct hop_parser *parser, const char *stops, const char *end)
{
	char *word = memory_calloc(1, strlen(parser->at) + 1);
	size_t size = 0;

	for (; *parser->at && parser->at != end && !strchr(stops, *parser->at); parser->at++) {
		if (*parser->at == '\\') {
			parser->at++;
			if (!*parser->at || !strchr(ESCAPED, *parser->at)) {
				complain(parser, parser->at - 1,
					 "a backslash stands before one of \\ / , = : @ only");
				free(word);
				return NULL;
			}
		}
		word[size++] = *parser->at;
	}
	return word;
}

/* What stands between quotes, as it is; to be freed. NULL, having said why. */
static char *take_quoted(struct hop_parser *parser)
{
	const char *start = parser->at++, *end = strchr(parser->at, *start);
	char *word;

	if (!end) {
		complain(parser, start, "there is no second %c to this one", *start);
		return NULL;
	}
	word = memory_format("%.*s", (int)(end - parser->at), parser->at);
	parser->at = end + 1;
	if (!*parser->at || strchr(",/", *parser->at))
		return word;
	complain(parser, parser->at, "only a ',' or a '/' follows a quoted value");
	free(word);
	return NULL;
}

static char *take_value(struct hop_parser *parser)
{
	if (*parser->at == '"' || *parser->at == '\'')
		return take_quoted(parser);
	return take_word(parser, ",/", NULL);
}

/* The first of the stops from here on that no backslash stands before, or the end. */
static const char *find_stop(const char *at, const char *stops)
{
	while (*at && !strchr(stops, *at))
		at += *at == '\\' && at[1] ? 2 : 1;
	return at;
}

/* ---- Options ---- */

static bool find_option(const char *method, const char *key, mitogen_option_info *ret)
{
	for (size_t i = 0; mitogen_option_at(method, i, ret); i++)
		if (strcmp(ret->name, key) == 0)
			return true;
	return false;
}

static bool has_option(const char *method, const char *key)
{
	mitogen_option_info ignored = {.size = sizeof(ignored)};

	return find_option(method, key, &ignored);
}

static bool was_given(const struct hop *hop, const char *key)
{
	size_t size = strlen(key);

	if (strcmp(key, "name") == 0)
		return hop->name;
	for (int i = 0; i < hop->option_count; i++)
		if (strncmp(hop->options[i], key, size) == 0 && hop->options[i][size] == '=')
			return true;
	return false;
}

/* NULL, or what to say of it. */
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

/* Takes value over. at: where it stands. */
static int add_option(const struct hop_parser *parser, const char *at, struct hop *hop,
		      const char *key, char *value)
{
	char *text = memory_format("%s=%s", key, value), quote[UTF8_QUOTE_SIZE];
	size_t prefix = strlen(hop->method) + strlen(": ");
	const char *complaint;
	mitogen_error err = {0};
	int r = 0;

	if (strcmp(key, "name") == 0) {
		complaint = set_name(hop, value);
		if (complaint)
			r = complain(parser, at, "name '%s': %s", utf8_quote(quote, value),
				     complaint);
		free(text);
	} else if (mitogen_option_check(hop->method, text, &err) < 0) {
		r = complain(parser, at, "%s", err.text + prefix);
		free(text);
	} else {
		hop->options = memory_realloc(hop->options, ((size_t)hop->option_count + 2) *
								    sizeof(*hop->options));
		hop->options[hop->option_count++] = text;
		hop->options[hop->option_count] = NULL;
	}
	free(value);
	return r;
}

/* Of the command line, by which the password of a method is asked for. */
static const char *password_option(const char *method)
{
	return has_option(method, "hostname") ? "--ask-pass" : "--ask-become-pass";
}

static int check_key(const struct hop_parser *parser, const char *at, const struct hop *hop,
		     const mitogen_option_info *info)
{
	if (info->is_secret)
		return complain(parser, at,
				"a %s is not given here, where others can read it; use %s or "
				"--password-file",
				info->name, password_option(hop->method));
	if (!info->is_list && was_given(hop, info->name))
		return complain(parser, at, "the key '%s' was given already", info->name);
	return 0;
}

/* From a key on. */
static int parse_pair(struct hop_parser *parser, struct hop *hop)
{
	const char *start = parser->at;
	char *word = take_word(parser, "=,/", NULL);
	mitogen_option_info info = {.size = sizeof(info)};
	bool is_known;
	char *value;
	int r = 0;

	if (!word)
		return -1;
	is_known = find_option(hop->method, word, &info);
	if (!is_known)
		r = complain_key(parser, start, hop->method, word);
	free(word);
	if (!is_known)
		return r;
	if (check_key(parser, start, hop, &info) < 0)
		return -1;
	if (*parser->at != '=' && info.is_flag)
		return add_option(parser, start, hop, info.name, memory_format("yes"));
	if (*parser->at != '=')
		return complain(parser, parser->at, "the key '%s' has no value; write %s=%s",
				info.name, info.name, info.value);
	start = ++parser->at;
	if (*start == '/')
		return complain(parser, start,
				"a '/' begins the next hop; a path stands in quotes, as in "
				"%s=\"/path\"",
				info.name);
	value = take_value(parser);
	return value ? add_option(parser, start, hop, info.name, value) : -1;
}

/* ---- Arguments ---- */

/* The rest up to end, or up to a stop, as the value of a key. */
static int parse_part(struct hop_parser *parser, struct hop *hop, const char *key,
		      const char *stops, const char *end)
{
	const char *start = parser->at;
	char *value = take_word(parser, stops, end);

	return value ? add_option(parser, start, hop, key, value) : -1;
}

static int parse_host(struct hop_parser *parser, struct hop *hop)
{
	const char *start = parser->at, *end = find_stop(start, ",/"), *colon;

	if (*start == '[') {
		const char *bracket = find_stop(start, "]");

		if (bracket > end || !*bracket)
			return complain(parser, start, "there is no ']' to this '['");
		parser->at++;
		if (parse_part(parser, hop, "hostname", "", bracket) < 0)
			return -1;
		parser->at++;
		if (parser->at < end && *parser->at != ':')
			return complain(parser, parser->at, "only a ':' and a port follow a ']'");
		return 0;
	}
	colon = find_stop(start, ":,/");
	if (*colon == ':' && find_stop(colon + 1, ":,/") < end)
		return complain(parser, start,
				"an IPv6 address stands in brackets, as in [::1]:22");
	if (colon == start)
		return complain(parser, start, "a host is missing here");
	return parse_part(parser, hop, "hostname", "", colon);
}

/* [USER@]HOST[:PORT] */
static int parse_destination(struct hop_parser *parser, struct hop *hop)
{
	const char *end = find_stop(parser->at, ",/"), *sign = NULL;

	for (const char *at = find_stop(parser->at, "@,/"); at < end; at = find_stop(at + 1, "@,/"))
		sign = at;
	if (sign) {
		if (parse_part(parser, hop, "username", "", sign) < 0)
			return -1;
		parser->at++;
	}
	if (parse_host(parser, hop) < 0)
		return -1;
	if (*parser->at != ':')
		return 0;
	parser->at++;
	return parse_part(parser, hop, "port", ",/", NULL);
}

/* Behind the ':' of a method. */
static int parse_argument(struct hop_parser *parser, struct hop *hop)
{
	if (has_option(hop->method, "hostname"))
		return parse_destination(parser, hop);
	if (has_option(hop->method, "username"))
		return parse_part(parser, hop, "username", ",/", NULL);
	return complain(parser, parser->at - 1, "'%s' takes no argument", hop->method);
}

static const char *find_method(const char *word)
{
	const char *name;

	for (size_t i = 0; (name = mitogen_method_at(i)) != NULL; i++)
		if (strcmp(name, word) == 0)
			return name;
	return NULL;
}

/* What is no method is a host. But what comes behind the ':' of a host is its port: otherwise somebody has
 * mistyped a method. */
static int parse_bare(struct hop_parser *parser, struct hop *hop, const char *start,
		      const char *word)
{
	const char *end = find_stop(start, ",/"), *rest = parser->at + 1;
	bool is_method = *parser->at == ':' && *start != '[' && !strchr(word, '@') &&
			 rest + strspn(rest, "0123456789") != end &&
			 (find_stop(rest, "@,/") < end || find_stop(rest, ":,/") == end);

	hop->method = find_method(METHOD_OF_HOSTS);
	if (!hop->method || is_method)
		return complain_method(parser, start, word,
				       find_stop(rest, "@,/") < find_stop(rest, ",/")
					       ? "; a password is not given here, but by "
						 "--ask-pass or --password-file"
					       : "; as a port behind a host, give a whole number "
						 "from 1 to 65535");
	parser->at = start;
	return parse_destination(parser, hop);
}

static int parse_method(struct hop_parser *parser, struct hop *hop)
{
	const char *start = parser->at;
	char *word = take_word(parser, ":,/", NULL);
	int r = 0;

	if (!word)
		return -1;
	hop->method = find_method(word);
	if (!*word && *parser->at != ':')
		r = complain(parser, start, "a method or a host is missing here");
	else if (!hop->method)
		r = parse_bare(parser, hop, start, word);
	else if (*parser->at == ':') {
		parser->at++;
		r = parse_argument(parser, hop);
	}
	free(word);
	return r;
}

/* ---- Hops ---- */

/* What the user typed, but for keys; no longer than a name may be, and without what none may have. */
static char *make_name(const char *start, const char *end)
{
	char *name = memory_calloc(1, (size_t)(end - start) + 1);
	size_t size = 0;

	for (; start < end; start++) {
		if (*start == '\\')
			start++;
		name[size++] = *start;
		if (*start == '/')
			name[size - 1] = '_';
	}
	if (size > NAME_MAX_SIZE)
		size = NAME_MAX_SIZE;
	for (int i = 0; i < 3 && size > 0 && ((unsigned char)name[size] & 0xc0) == 0x80; i++)
		size--; /* not within a character */
	name[size] = '\0';
	return name;
}

/* What only the whole hop tells, like a host that is missing. */
static int check_hop(const struct hop_parser *parser, const char *start, const struct hop *hop)
{
	mitogen_error err = {0};

	if (mitogen_connect_check(hop->method, (const char *const *)hop->options, &err) < 0)
		return complain(parser, start, "%s", err.text);
	return 0;
}

static int parse(struct hop_parser *parser, struct hop *hop)
{
	const char *start = parser->at, *end;

	if (parse_method(parser, hop) < 0)
		return -1;
	end = parser->at;
	while (*parser->at == ',') {
		parser->at++;
		if (parse_pair(parser, hop) < 0)
			return -1;
	}
	hop->text = memory_format("%.*s", (int)(parser->at - start), start);
	if (!hop->name)
		hop->name = make_name(start, end);
	if (!utf8_is_valid(hop->name))
		return complain(parser, start,
				"what is no UTF-8 needs another name: add name=NAME");
	return check_hop(parser, start, hop);
}

struct hop *hop_parse(struct hop_parser *parser)
{
	struct hop *hop = memory_calloc(1, sizeof(*hop));

	parser->hop++;
	if (parser->hop > HOPS_MAX)
		complain(parser, parser->at, "a target has at most %d hops", HOPS_MAX);
	else if (parse(parser, hop) == 0)
		return hop;
	hop_free(hop);
	return NULL;
}

void hop_free(struct hop *hop)
{
	for (int i = 0; i < hop->option_count; i++)
		free(hop->options[i]);
	free(hop->options);
	free(hop->text);
	free(hop->name);
	free(hop->path);
	free(hop);
}

enum hop_password hop_password(const struct hop *hop)
{
	if (!hop->method || !has_option(hop->method, "password"))
		return HOP_PASSWORD_NONE;
	return has_option(hop->method, "hostname") ? HOP_PASSWORD_LOGIN : HOP_PASSWORD_BECOME;
}

static mitogen_context connect(const struct hop *hop, mitogen_context via, mitogen_error *err)
{
	const char **options = memory_calloc((size_t)hop->option_count + 3,
					     sizeof(*options)); /* all that follow */
	char *name = memory_format("name=%s", hop->name);
	char *password = hop->password ? memory_format("password=%s", hop->password) : NULL;
	mitogen_context context;
	int count = 0;

	for (; count < hop->option_count; count++)
		options[count] = hop->options[count];
	options[count++] = name;
	options[count] = password;
	context = mitogen_connect(via, hop->method, options, err);
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
	free(name);
	free(options);
	return context;
}

mitogen_context hop_connect(struct hop *hop, mitogen_router router, mitogen_error *err)
{
	if (hop->context.ref == 0)
		hop->context = hop->via ? connect(hop, hop_connect(hop->via, router, err), err)
					: mitogen_self(router);
	return hop->context;
}

bool hop_print_keys(const char *method)
{
	mitogen_option_info info = {.size = sizeof(info)};

	if (!find_method(method))
		return false;
	if (has_option(method, "hostname"))
		printf("%s:[USER@]HOST[:PORT][,KEY=VALUE...]\n", method);
	else if (has_option(method, "username"))
		printf("%s[:USER][,KEY=VALUE...]\n", method);
	else
		printf("%s[,KEY=VALUE...]\n", method);
	puts("\nkeys:");
	for (size_t i = 0; mitogen_option_at(method, i, &info); i++) {
		char *pair = memory_format("%s=%s", info.name, info.value);

		if (!info.is_secret)
			printf("  %-34s %s\n", pair, info.help);
		free(pair);
	}
	if (has_option(method, "password"))
		printf("\nA password is given by %s or --password-file; see mitogen(1).\n",
		       password_option(method));
	return true;
}
