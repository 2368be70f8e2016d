/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of connection methods, by tables: a public struct of include/mitogen/methods.h is copied,
 * checked, filled from texts and sent to other contexts as its table says. A table has what the method
 * alone has; the members that all structs begin with are known here.
 */
#pragma once

#include <mitogen/methods.h>
#include <stdbool.h>
#include <stddef.h>

struct cursor;
struct mitogen_writer;

enum option_kind {
	OPTION_TEXT,   /* const char *: not empty */
	OPTION_NAME,   /* the same, of somebody or something: no "-" at its start, no blanks */
	OPTION_SECRET, /* the same as OPTION_TEXT, wiped when it is freed, in no error and no log */
	OPTION_LIST,   /* const char *const *, NULL-terminated; each text adds an item */
	OPTION_NUMBER, /* int, from min to max; 0 too, which stands for the default */
	OPTION_SECONDS, /* int, of milliseconds; texts are seconds, "0.5" */
	OPTION_FLAG,    /* bool */
	OPTION_SWITCH,  /* mitogen_switch */
	OPTION_CHOICE,  /* an enum: the index into choices */
};

struct method_option {
	const char *name; /* "port"; of the member, too, but for "_ms" */
	enum option_kind kind;
	size_t offset;
	const char *value;          /* how help texts call it; NULL: as the kind has it */
	const char *help;           /* what it is for, in a line */
	const char *const *choices; /* ends with NULL */
	int min, max;
	bool is_needed;
};

/* An agent is sent over every link, and tells nobody what options are for. */
#ifdef MITOGEN_AGENT
#define OPTION_HELP(text) NULL
#else
#define OPTION_HELP(text) text
#endif

/* Makes the struct whose offsets are meant one that all can be said of. */
#define METHOD_OPTIONS_CHECK(type)                                                                 \
	_Static_assert(offsetof(type, name) == offsetof(mitogen_local_options, name) &&            \
			       offsetof(type, connect_timeout_ms) ==                               \
				       offsetof(mitogen_local_options, connect_timeout_ms) &&      \
			       offsetof(type, fork_server) ==                                      \
				       offsetof(mitogen_local_options, fork_server),               \
		       "all begin with the same members")
#define METHOD_OPTION_IMAGE(type)                                                                  \
	{                                                                                          \
		.name = "image", .kind = OPTION_TEXT, .offset = offsetof(type, image),             \
		.value = "FILE", .help = OPTION_HELP("the program that runs there")                \
	}

/* What all have. Tables end with a name of NULL; where one is taken, NULL is an empty one. */
extern const struct method_option method_options_of_all[];

/* The option of that name, of the method or of all, or NULL. */
const struct method_option *method_options_find(const struct method_option *table,
						const char *name);
/* How help texts call its value, "NUMBER". */
const char *method_option_value(const struct method_option *option);

/* A struct of that size with nothing set, and a deep copy; to be freed with method_options_free. NULL: no
 * memory. A copy has what is in the table, and what all have. */
void *method_options_new(size_t size);
void *method_options_copy(const struct method_option *table, size_t size, const void *options);
/* Wipes secrets. Takes NULL. Not for structs of the program's. */
void method_options_free(const struct method_option *table, void *options);

/* Wipes the secrets of one of these, which has none any more. Takes NULL. */
void method_options_forget(const struct method_option *table, void *options);

/* Sets an option, of a struct that was made here, from a text "name=value" or, for a flag, "name". 0, or
 * a code with err set, which says what is accepted. */
int method_options_set(const struct method_option *table, const char *method, void *options,
		       const char *text, mitogen_error *err);
/* Can the method use these? 0, or a code with err set. Wherever options come from, they pass here before a
 * tool sees them. */
int method_options_check(const struct method_option *table, const char *method, const void *options,
			 mitogen_error *err);
/* Is a secret among them? */
bool method_options_have_secret(const struct method_option *table, const void *options);

/* As a map, of those that are set and not of all; NULL: an empty one. */
void method_options_write(const struct method_option *table, const void *options,
			  struct mitogen_writer *w);
/* Into a struct that was made here. 0, or a code with err set. */
int method_options_read(const struct method_option *table, const char *method, void *options,
			struct cursor *c, mitogen_error *err);

/* The value of an option by its name, where it is of a kind with text; NULL: not set, or no such option. */
const char *method_options_text(const struct method_option *table, const void *options,
				const char *name);
