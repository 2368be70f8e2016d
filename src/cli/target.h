/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Targets as they are named on the command line: hops joined by "/", each of them
 * METHOD[:ARGUMENT][,KEY=VALUE...]. Hops that targets have in common, written the same from the start
 * on, are started once; a target that is named again gets a last hop of its own.
 */
#pragma once

#include <mitogen/mitogen.h>
#include <stdbool.h>

#define TARGET_HELP                                                                                \
	"targets:\n"                                                                               \
	"  HOP[/HOP...]         hops, each started from the one before it; a hop is\n"             \
	"  local                a child process, with the keys name=NAME and timeout=SECONDS,\n"   \
	"                       as in: local/local,name=b,timeout=5\n"

struct hop {
	struct hop *next; /* in the order of the command line, those that lead to it first */
	struct hop *via;  /* NULL: it is our own process */
	struct hop *below, **below_end; /* the first one that is started from it, */
	struct hop *beside;             /* and the others */
	const struct method *method;
	char *text;     /* as given */
	char *name;     /* no other one with the same via has it; "local#2" */
	char *path;     /* the names from the first hop on, with "/" between them; "": our own */
	int timeout_ms; /* for connecting; 0: the library's */
	int copies;     /* the largest number behind "#" that was needed for this name */
	bool is_target; /* not only on the way to others */
	bool has_failed;
	mitogen_context context;
	void *user; /* what a command keeps for it */
};

struct target {
	const char *text; /* as given; lent */
	struct hop *hop;  /* the last one */
};

struct targets {
	struct target *all;
	int count;
	struct hop *hops, **end; /* the first one is our own process */
	int hop_count;
	void *by_text, *by_name; /* trees of tsearch(3) */
};

/* 0; or -1, having said what is wrong with one of the texts, and where. */
int targets_parse(struct targets *ret, char *const *texts, int count);
void targets_clear(struct targets *targets);
/* The context at a hop, which is started, with those that lead to it, if it was not yet. */
mitogen_context hop_connect(struct hop *hop, mitogen_router router, mitogen_error *err);
