/* SPDX-License-Identifier: BSD-3-Clause */
/* Child detection, for programs and for the agent alike. */
#pragma once

/* Does not return if this process was started as a child. */
void start_child_if_asked(int argc, char **argv);
