/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A part of a target, METHOD[:ARGUMENT][,KEY=VALUE...] or [USER@]HOST[:PORT][,KEY=VALUE...], which is
 * ssh. The keys are the library's options of the method.
 */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>

struct hop {
	struct hop *next; /* in the order of the command line, those that lead to it first */
	struct hop *via;  /* NULL: it is our own process */
	struct hop *below, **below_end; /* the first one that is started from it, */
	struct hop *beside;             /* and the others */
	const char *method;             /* the library's name of it */
	char **options;                 /* "key=value", as the library takes them; ends with NULL */
	int option_count;
	const char *password; /* lent; NULL: none */
	char *text;           /* as given */
	char *name;           /* no other one with the same via has it; "local#2" */
	char *path;     /* the names from the first hop on, with "/" between them; "": our own */
	int copies;     /* the largest number behind "#" that was needed for this name */
	bool is_target; /* not only on the way to others */
	bool has_failed;
	mitogen_context context;
	void *user; /* what a command keeps for it */
};

struct hop_parser {
	const char *text; /* of the target */
	const char *at;
	int hop; /* its number, from 1 on */
};

/* The next hop of a target, which ends at a "/" or at the end; NULL, having said what is wrong, and where.
 * Everything that can be known before it is started has been checked. */
struct hop *hop_parse(struct hop_parser *parser);
void hop_free(struct hop *hop);

enum hop_password { /* which one a hop of this method may ask for */
	HOP_PASSWORD_NONE,
	HOP_PASSWORD_LOGIN,  /* to reach a host */
	HOP_PASSWORD_BECOME, /* to become another user there */
};
enum hop_password hop_password(const struct hop *hop);

/* The context at a hop, which is started, with those that lead to it, if it was not yet. */
mitogen_context hop_connect(struct hop *hop, mitogen_router router, mitogen_error *err);
/* What keys a method has, to be shown to people; false: there is no such method. */
bool hop_print_keys(const char *method);
