/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The terminal of a tool that logs in, seen from its other side: what the tool writes there comes line by
 * line, and secrets are typed while nothing would show them. Broker thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct pty;
struct terminal;

#define TERMINAL_LINE_MAX 1024 /* longer lines come in pieces, as if each were complete */

/* A line without its end; or, if it is not complete, what was written last: again from its beginning
 * whenever more of it came. May close the terminal; text stays until it returns. */
typedef void terminal_says(void *owner, const char *text, size_t size, bool is_complete);

/* Takes over pty, whatever happens, and watches it until terminal_close. NULL: errno. */
struct terminal *terminal_open(struct broker *broker, struct pty *pty, terminal_says *says,
			       void *owner);
/* Types a copy of the text and a newline as soon as the terminal does not echo, and wipes the copy. One
 * at a time: another text before that replaces it. What was written last, the question, is no part of the
 * next line. 0, or MITOGEN_ERR_MEMORY. */
int terminal_type(struct terminal *terminal, const char *text);
/* The text that waits is wiped. */
void terminal_forget_answer(struct terminal *terminal);
/* Does it still wait for that? If so, the tool asks where anybody could read the answer. */
bool terminal_is_waiting(const struct terminal *terminal);
/* From now on what is written to it, or to a copy of its descriptor, passes as it is. */
void terminal_set_raw(struct terminal *terminal);
/* Takes what is there already, of which an incomplete line counts as one: its writer is dead, or will be.
 * May call says. */
void terminal_drain(struct terminal *terminal);
/* Hangs up, which ends most tools, also those that we may send no signal: so not before the child is to
 * end. Takes NULL. says is not called any more. */
void terminal_close(struct terminal *terminal);
