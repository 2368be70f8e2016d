/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Targets as they are named on the command line: hops joined by "/". Hops that targets have in common, written the same from the start
 * on, are started once; a target that is named again gets a last hop of its own.
 */
#pragma once

#include "cli/hop.h"

#define TARGET_HELP                                                                                \
	"targets:\n"                                                                               \
	"  HOP[/HOP...]         hops, each started from the one before it; a hop is\n"             \
	"  [USER@]HOST[:PORT]   another machine, through ssh; or ssh:[USER@]HOST[:PORT]\n"         \
	"  sudo[:USER]          another user of that machine; or su[:USER], doas[:USER]\n"         \
	"  local                a child process\n"                                                 \
	"                       keys follow a comma each, as in: bob@web1,port=22,name=w/sudo;\n"  \
	"                       'mitogen help ssh' lists those of ssh\n"

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
