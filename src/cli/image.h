/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the agent, which is the program that our children run. */
#pragma once

/* The path of the agent for this machine, to be freed; or NULL, having said where it was looked for.
 * It is looked for in the directories of $MITOGEN_IMAGE_PATH, which ':' separates, and relative to
 * our own program: in agents and in ../lib/mitogen/agents. */
char *image_find(void);
