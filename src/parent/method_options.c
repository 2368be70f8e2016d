/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/method_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/sys.h"
#include "wire/cursor.h"
#include "wire/writer.h"

#define TEXT_MAX    4095 /* bytes; a terminal takes no longer line */
#define LIST_MAX    256  /* items */
#define SECONDS_MAX 1000000
#define QUOTE_SIZE  200

const struct method_option method_options_of_all[] = {
	{.name = "name",
	 .kind = OPTION_TEXT,
	 .offset = offsetof(mitogen_local_options, name),
	 .value = "NAME",
	 .help = OPTION_HELP("in output, paths and errors")},
	{.name = "connect_timeout",
	 .kind = OPTION_SECONDS,
	 .offset = offsetof(mitogen_local_options, connect_timeout_ms),
	 .help = OPTION_HELP("how long connecting may take; 30")},
	{.name = "timeout",
	 .kind = OPTION_SECONDS,
	 .offset = offsetof(mitogen_local_options, connect_timeout_ms),
	 .help = OPTION_HELP("the same")},
	{.name = "fork_server",
	 .kind = OPTION_FLAG,
	 .offset = offsetof(mitogen_local_options, fork_server),
	 .help = OPTION_HELP("so that it can fork children")},
	{.name = NULL},
};

static const char *const switch_choices[] = {"", "yes", "no", NULL};
static const char *const flag_choices[] = {"no", "yes", NULL};
static const struct method_option no_options[] = {{.name = NULL}};

/* ---- Members: what they are is known by the table alone ---- */

static void get(const struct method_option *option, const void *options, void *ret, size_t size)
{
	memcpy(ret, (const char *)options + option->offset, size);
}

static void put(const struct method_option *option, void *options, const void *value, size_t size)
{
	memcpy((char *)options + option->offset, value, size);
}

static bool is_text(const struct method_option *option)
{
	return option->kind == OPTION_TEXT || option->kind == OPTION_NAME ||
	       option->kind == OPTION_SECRET;
}

static char *get_text(const struct method_option *option, const void *options)
{
	char *text;

	get(option, options, &text, sizeof(text));
	return text;
}

static char **get_list(const struct method_option *option, const void *options)
{
	char **list;

	get(option, options, &list, sizeof(list));
	return list;
}

/* Of all that are no texts and no lists. */
static int get_int(const struct method_option *option, const void *options)
{
	bool flag;
	int number;

	if (option->kind == OPTION_FLAG) {
		get(option, options, &flag, sizeof(flag));
		return flag;
	}
	get(option, options, &number, sizeof(number));
	return number;
}

static void put_int(const struct method_option *option, void *options, int value)
{
	bool flag = value != 0;

	if (option->kind == OPTION_FLAG)
		put(option, options, &flag, sizeof(flag));
	else
		put(option, options, &value, sizeof(value));
}

static bool is_set(const struct method_option *option, const void *options)
{
	if (is_text(option))
		return get_text(option, options) != NULL;
	if (option->kind == OPTION_LIST)
		return get_list(option, options) && *get_list(option, options);
	return get_int(option, options) != 0;
}

static void free_text(const struct method_option *option, char *text)
{
	if (text && option->kind == OPTION_SECRET)
		explicit_bzero(text, strlen(text));
	sys.free(text);
}

static void free_member(const struct method_option *option, void *options)
{
	if (is_text(option))
		free_text(option, get_text(option, options));
	if (option->kind != OPTION_LIST)
		return;
	for (char **item = get_list(option, options); item && *item; item++)
		sys.free(*item);
	sys.free(get_list(option, options));
}

/* Takes text over, which is an item more of a list. 0 or MITOGEN_ERR_MEMORY. */
static int put_text(const struct method_option *option, void *options, char *text)
{
	char **list;
	size_t count = 0;

	if (!text)
		return MITOGEN_ERR_MEMORY;
	if (option->kind != OPTION_LIST) {
		free_text(option, get_text(option, options));
		put(option, options, &text, sizeof(text));
		return 0;
	}
	list = get_list(option, options);
	while (list && list[count])
		count++;
	list = sys.realloc(list, (count + 2) * sizeof(*list));
	if (!list) {
		sys.free(text);
		return MITOGEN_ERR_MEMORY;
	}
	list[count] = text;
	list[count + 1] = NULL;
	put(option, options, &list, sizeof(list));
	return 0;
}

/* ---- Tables ---- */

static const struct method_option *own(const struct method_option *table)
{
	return table ? table : no_options;
}

static const struct method_option *find(const struct method_option *table, const char *name,
					size_t size)
{
	for (; table->name; table++)
		if (strlen(table->name) == size && memcmp(table->name, name, size) == 0)
			return table;
	return NULL;
}

const struct method_option *method_options_find(const struct method_option *table, const char *name)
{
	const struct method_option *option = find(method_options_of_all, name, strlen(name));

	return option ? option : find(own(table), name, strlen(name));
}

const char *method_option_value(const struct method_option *option)
{
	static const char *const values[] = {
		[OPTION_TEXT] = "TEXT",   [OPTION_NAME] = "NAME",     [OPTION_SECRET] = "PASSWORD",
		[OPTION_LIST] = "TEXT",   [OPTION_NUMBER] = "NUMBER", [OPTION_SECONDS] = "SECONDS",
		[OPTION_FLAG] = "yes|no", [OPTION_SWITCH] = "yes|no", [OPTION_CHOICE] = "CHOICE",
	};

	return option->value ? option->value : values[option->kind];
}

/* The words for its numbers, or NULL. */
static const char *const *choices_of(const struct method_option *option)
{
	if (option->kind == OPTION_FLAG)
		return flag_choices;
	return option->kind == OPTION_SWITCH ? switch_choices : option->choices;
}

/* ---- Memory ---- */

void *method_options_new(size_t size)
{
	void *options = sys.calloc(1, size);

	if (options)
		memcpy(options, &size, sizeof(size));
	return options;
}

static int copy_member(const struct method_option *option, void *copy, const void *options)
{
	int r = 0;

	if (is_text(option)) {
		const char *text = get_text(option, options);

		return text ? put_text(option, copy, sys_strdup(text)) : 0;
	}
	if (option->kind == OPTION_LIST) {
		char **item = get_list(option, options);

		for (; r == 0 && item && *item; item++)
			r = put_text(option, copy, sys_strdup(*item));
		return r;
	}
	put_int(option, copy, get_int(option, options));
	return 0;
}

static int copy_members(const struct method_option *table, void *copy, const void *options)
{
	int r = 0;

	for (; r == 0 && table->name; table++)
		r = copy_member(table, copy, options);
	return r;
}

void *method_options_copy(const struct method_option *table, size_t size, const void *options)
{
	void *copy = method_options_new(size);

	if (copy && (copy_members(method_options_of_all, copy, options) < 0 ||
		     copy_members(own(table), copy, options) < 0)) {
		method_options_free(table, copy);
		return NULL;
	}
	return copy;
}

void method_options_free(const struct method_option *table, void *options)
{
	if (!options)
		return;
	for (const struct method_option *option = method_options_of_all; option->name; option++)
		free_member(option, options);
	for (table = own(table); table->name; table++)
		free_member(table, options);
	sys.free(options);
}

void method_options_forget(const struct method_option *table, void *options)
{
	char *none = NULL;

	for (table = own(table); options && table->name; table++) {
		if (table->kind != OPTION_SECRET)
			continue;
		free_text(table, get_text(table, options));
		put(table, options, &none, sizeof(none));
	}
}

/* ---- Checks ---- */

static int complain(const struct method_option *option, const char *method, const char *value,
		    mitogen_error *err, const char *what)
{
	char quote[QUOTE_SIZE];

	if (!value || option->kind == OPTION_SECRET)
		return error_set(err, MITOGEN_ERR_USAGE, "%s: %s: %s", method, option->name, what);
	escape_text(quote, sizeof(quote), value, strlen(value));
	return error_set(err, MITOGEN_ERR_USAGE, "%s: %s '%s': %s", method, option->name, quote,
			 what);
}

/* NULL, or what to say of it. */
static const char *complaint_of_text(const struct method_option *option, const char *text)
{
	bool has_control = false, has_blank = false;

	for (const char *at = text; *at; at++) {
		has_control |= (unsigned char)*at < ' ' || *at == '\x7f';
		has_blank |= *at == ' ';
	}
	if (!*text && option->kind != OPTION_LIST)
		return "it is empty";
	if (strlen(text) > TEXT_MAX)
		return "it is too long";
	if (has_control && option->kind == OPTION_SECRET)
		return "it has a control character, which a terminal takes for a key";
	if (option->kind == OPTION_NAME && (has_control || has_blank))
		return "a name has no blanks and no control characters";
	if (option->kind == OPTION_NAME && *text == '-')
		return "a name does not begin with '-', which tools take for an option";
	return NULL;
}

static int check_list(const struct method_option *option, const char *method, const void *options,
		      mitogen_error *err)
{
	char **list = get_list(option, options);

	for (int i = 0; list && list[i]; i++) {
		const char *complaint = i < LIST_MAX ? complaint_of_text(option, list[i])
						     : "there are too many of them";

		if (complaint)
			return complain(option, method, list[i], err, complaint);
	}
	return 0;
}

static int complain_range(const struct method_option *option, const char *method, const char *value,
			  mitogen_error *err)
{
	char what[80];

	snprintf(what, sizeof(what), "give a whole number from %d to %d", option->min, option->max);
	return complain(option, method, value, err, what);
}

static int check_int(const struct method_option *option, const char *method, const void *options,
		     mitogen_error *err)
{
	const char *const *choices = choices_of(option);
	int value = get_int(option, options), count = 0;
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	if (option->kind == OPTION_NUMBER &&
	    (value < 0 || value > option->max || (value && value < option->min)))
		return complain_range(option, method, text, err);
	if (option->kind == OPTION_SECONDS && value < 0)
		return complain(option, method, text, err, "it is negative");
	while (choices && choices[count])
		count++;
	if (choices && (value < 0 || value >= count))
		return complain(option, method, text, err, "there is no such choice");
	return 0;
}

static int check(const struct method_option *option, const char *method, const void *options,
		 mitogen_error *err)
{
	const char *complaint;

	if (!is_set(option, options))
		return option->is_needed ? complain(option, method, NULL, err, "it is missing") : 0;
	if (option->kind == OPTION_LIST)
		return check_list(option, method, options, err);
	if (!is_text(option))
		return check_int(option, method, options, err);
	complaint = complaint_of_text(option, get_text(option, options));
	return complaint ? complain(option, method, get_text(option, options), err, complaint) : 0;
}

int method_options_check(const struct method_option *table, const char *method, const void *options,
			 mitogen_error *err)
{
	int r = 0;

	for (const struct method_option *option = method_options_of_all; r == 0 && option->name;
	     option++)
		r = check(option, method, options, err);
	for (table = own(table); r == 0 && table->name; table++)
		r = check(table, method, options, err);
	return r;
}

bool method_options_have_secret(const struct method_option *table, const void *options)
{
	for (table = own(table); options && table->name; table++)
		if (table->kind == OPTION_SECRET && is_set(table, options))
			return true;
	return false;
}

const char *method_options_text(const struct method_option *table, const void *options,
				const char *name)
{
	const struct method_option *option = method_options_find(table, name);

	return option && options && is_text(option) ? get_text(option, options) : NULL;
}

/* ---- From texts ---- */

static int complain_choice(const struct method_option *option, const char *method,
			   const char *value, mitogen_error *err)
{
	char what[160] = "give one of ";

	for (const char *const *choice = choices_of(option); *choice; choice++) {
		size_t used = strlen(what);

		if (**choice)
			snprintf(what + used, sizeof(what) - used, "%s%s", *choice,
				 choice[1] ? ", " : "");
	}
	return complain(option, method, value, err, what);
}

static int set_choice(const struct method_option *option, const char *method, void *options,
		      const char *value, mitogen_error *err)
{
	const char *const *choices = choices_of(option);

	for (int i = 0; choices[i]; i++)
		if (*value && strcmp(choices[i], value) == 0) {
			put_int(option, options, i);
			return 0;
		}
	return complain_choice(option, method, value, err);
}

static int set_number(const struct method_option *option, const char *method, void *options,
		      const char *value, mitogen_error *err)
{
	size_t size = strspn(value, "0123456789");
	long number = size > 0 && size < 10 && !value[size] ? strtol(value, NULL, 10) : -1;

	if (number < option->min || number > option->max)
		return complain_range(option, method, value, err);
	put_int(option, options, (int)number);
	return 0;
}

/* Digits with a dot among them or not, to milliseconds, rounded up; -1: something else. No strtod, which
 * depends on the locale. */
static int64_t parse_seconds(const char *text)
{
	int64_t ms = 0, unit = 1000;
	bool has_dot = false, has_digit = false, has_rest = false;

	for (; *text; text++) {
		if (*text == '.' && !has_dot) {
			has_dot = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return -1;
		if (ms > SECONDS_MAX * INT64_C(1000))
			continue; /* too many in any case */
		has_digit = true;
		if (!has_dot) {
			ms = ms * 10 + (*text - '0') * INT64_C(1000);
			continue;
		}
		unit /= 10;
		ms += (*text - '0') * unit;
		has_rest |= unit == 0 && *text != '0';
	}
	return has_digit ? ms + has_rest : -1;
}

static int set_seconds(const struct method_option *option, const char *method, void *options,
		       const char *value, mitogen_error *err)
{
	int64_t ms = parse_seconds(value);

	if (ms < 0)
		return complain(option, method, value, err,
				"this is no number of seconds; give 0.001 to 1000000 seconds, like "
				"30 or 0.5");
	if (ms < 1 || ms > SECONDS_MAX * INT64_C(1000))
		return complain(option, method, value, err,
				"give 0.001 to 1000000 seconds, like 30 or 0.5");
	put_int(option, options, (int)ms);
	return 0;
}

static int set_text(const struct method_option *option, const char *method, void *options,
		    const char *value, mitogen_error *err)
{
	const char *complaint = complaint_of_text(option, value);

	if (complaint)
		return complain(option, method, value, err, complaint);
	return put_text(option, options, sys_strdup(value)) < 0 ? error_set_memory(err) : 0;
}

static int complain_name(const struct method_option *table, const char *method, const char *text,
			 size_t size, mitogen_error *err)
{
	const struct method_option *tables[] = {own(table), method_options_of_all};
	char list[800] = "", quote[QUOTE_SIZE];

	for (int i = 0; i < 2; i++)
		for (const struct method_option *option = tables[i]; option->name; option++) {
			size_t used = strlen(list);

			snprintf(list + used, sizeof(list) - used, "%s%s", *list ? ", " : "",
				 option->name);
		}
	escape_text(quote, sizeof(quote), text, size);
	return error_set(err, MITOGEN_ERR_USAGE, "%s has no option '%s'; it has %s", method, quote,
			 list);
}

int method_options_set(const struct method_option *table, const char *method, void *options,
		       const char *text, mitogen_error *err)
{
	size_t size = strcspn(text, "=");
	const struct method_option *option = find(method_options_of_all, text, size);
	const char *value = text[size] ? text + size + 1 : NULL;

	if (!option)
		option = find(own(table), text, size);
	if (!option)
		return complain_name(table, method, text, size, err);
	if (!value && option->kind == OPTION_FLAG)
		value = "yes";
	if (!value)
		return error_set(err, MITOGEN_ERR_USAGE, "%s: %s has no value; write %s=%s", method,
				 option->name, option->name, method_option_value(option));
	if (choices_of(option))
		return set_choice(option, method, options, value, err);
	if (option->kind == OPTION_NUMBER)
		return set_number(option, method, options, value, err);
	if (option->kind == OPTION_SECONDS)
		return set_seconds(option, method, options, value, err);
	return set_text(option, method, options, value, err);
}

/* ---- On the wire ---- */

void method_options_write(const struct method_option *table, const void *options,
			  struct mitogen_writer *w)
{
	writer_begin_map(w);
	for (table = own(table); options && table->name; table++) {
		const char *text;

		if (!is_set(table, options))
			continue;
		writer_string(w, table->name);
		if (table->kind == OPTION_LIST) {
			writer_begin_list(w);
			for (char **item = get_list(table, options); *item; item++)
				writer_bytes(w, *item, strlen(*item));
			writer_end(w);
		} else if (is_text(table)) {
			text = get_text(table, options);
			if (table->kind == OPTION_SECRET)
				writer_secret(w, text, strlen(text));
			else
				writer_bytes(w, text, strlen(text));
		} else {
			writer_int(w, get_int(table, options));
		}
	}
	writer_end(w);
}

/* One text into the member. 0, or a code with err set. */
static int read_text(const struct method_option *option, void *options, struct cursor *c,
		     mitogen_error *err)
{
	enum cbor_type type = option->kind == OPTION_SECRET ? CBOR_SECRET : CBOR_BYTES;
	const uint8_t *data;
	size_t size;
	char *text;

	if (cursor_string(c, type, &data, &size) < 0 || memchr(data, '\0', size))
		return error_set(err, MITOGEN_ERR_ARGUMENT, "connect: %s is no such text",
				 option->name);
	text = sys.malloc(size + 1);
	if (text) {
		memcpy(text, data, size);
		text[size] = '\0';
	}
	return put_text(option, options, text) < 0 ? error_set_memory(err) : 0;
}

static int read_member(const struct method_option *option, void *options, struct cursor *c,
		       mitogen_error *err)
{
	uint64_t count;
	int64_t number;
	int r = 0;

	if (is_text(option))
		return read_text(option, options, c, err);
	if (option->kind != OPTION_LIST) {
		if (cursor_i64(c, &number) < 0 || number < 0 || number > INT_MAX)
			return error_set(err, MITOGEN_ERR_ARGUMENT, "connect: %s is no such number",
					 option->name);
		put_int(option, options, (int)number);
		return 0;
	}
	if (cursor_list(c, &count) < 0 || count > LIST_MAX)
		return error_set(err, MITOGEN_ERR_ARGUMENT, "connect: %s is no such list",
				 option->name);
	for (; r == 0 && count > 0; count--)
		r = read_text(option, options, c, err);
	return r;
}

int method_options_read(const struct method_option *table, const char *method, void *options,
			struct cursor *c, mitogen_error *err)
{
	uint64_t count;
	int r = 0;

	if (cursor_map(c, &count) < 0)
		return error_set(err, MITOGEN_ERR_ARGUMENT, "connect: no map of options");
	for (; r == 0 && count > 0; count--) {
		const struct method_option *option;
		const uint8_t *name;
		size_t size;

		if (cursor_string(c, CBOR_TEXT, &name, &size) < 0)
			return error_set(err, MITOGEN_ERR_ARGUMENT, "connect: no map of options");
		option = find(own(table), (const char *)name, size);
		r = option ? read_member(option, options, c, err)
			   : complain_name(table, method, (const char *)name, size, err);
	}
	return r;
}
