/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child of ours, from the decision to start it until it is reaped: one state machine on the broker
 * thread, whatever the method. Many are under way at once; nothing waits.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "parent/connect_options.h"
#include "wire/bootstrap.h"

struct context;
struct id_block;
struct launch_command;
struct launched;
struct method_option;
struct mitogen_message;
struct process;
struct router;

enum tool_says {
	TOOL_NOTHING, /* of interest */
	TOOL_ASKS,    /* for an answer, which is given once the terminal does not echo */
	TOOL_FAILED,
};

/* What a tool has said so far, for its method; zero at first. */
struct tool_memory {
	unsigned asked; /* for which secrets, as bits of the method's own */
	bool is_let_in; /* it has logged in: the first stage is all that is missing */
};

/* A line that a tool has written to its terminal or to its standard error, before the first stage has
 * answered. */
struct tool_line {
	const char *text; /* without its end; not terminated by NUL; may have any bytes */
	size_t size;
	bool is_complete; /* otherwise it is what came last, and more may follow */
	bool from_terminal;
};

/* A way to start a child; src/connect/ has one file for each. */
struct connect_method {
	const char *name;                    /* "local" */
	const struct method_option *options; /* of connect_options.own; NULL: there are none */
	size_t options_size;
	/* Its command runs the first stage, which gets the image through the stream; otherwise the image. */
	bool has_first_stage;
	bool is_same_machine; /* what is below runs where this process does */
	bool may_ask_on_streams; /* it may take its standard input for answers, until the first stage runs */
	/* Fills in ret: the image gets BOOTSTRAP_CHILD_MODE. context_path is for the process list. 0, or a negative code with err set. */
	int (*command)(const struct connect_options *options, const char *context_path,
		       struct launch_command *ret, mitogen_error *err);
	/* Can it be used in this process? 0, or a code with err set; NULL: always. Any thread. */
	int (*check)(const struct router *router, mitogen_error *err);
	/* Instead of the command: starts it and has the process watched. Broker thread. 0, or a negative
	 * code with err set. */
	int (*start)(struct router *router, struct process *process,
		     void (*ended)(struct process *process, int status), struct launched *ret,
		     mitogen_error *err);
	/* Has the tool, which printed this, ended because it was run without a terminal? Then it is run again,
	 * with connect_options.on_terminal. NULL: it never wants one. */
	bool (*wants_terminal)(const char *output);
	/* The image that runs, for what to say when it does not; NULL: not ours to know. */
	const char *(*image)(const struct connect_options *options);
	/* TOOL_ASKS: *ret_answer, lent, is typed, on the terminal or, if the tool asked elsewhere, on its
	 * standard input. TOOL_FAILED: err is set, as for explain; the tool is ended. Broker thread. NULL: it says nothing
	 * of interest. */
	enum tool_says (*listen)(const struct connect_options *options, struct tool_memory *memory,
				 const struct tool_line *line, const char **ret_answer,
				 mitogen_error *err);
	/* The tool has ended before the first stage answered: err, "ssh exited with status 255", may be
	 * replaced by what output (the last lines, escaped, " | " between them) and the wait status tell. The
	 * path goes before it, the output after it. NULL: it says enough. */
	void (*explain)(const struct connect_options *options, const char *output, int status,
			mitogen_error *err);
	/* Did the tool end so since its own connection broke? NULL: it has none. */
	bool (*is_link_failure)(int status);
	/* Milliseconds of silence after which the child is asked whether it is there, and of how many such
	 * questions may stay without an answer; 0: it is not asked. NULL: the same. */
	int (*keepalive)(const struct connect_options *options, int *ret_count);
	/* Is this line, of its standard error at any time, about how the tool works? Then it goes to the log as
	 * details do. NULL: none is. */
	bool (*is_detail)(const struct connect_options *options, const char *line, size_t size);
};

/* Is this a name that a context may have? NULL: none was given. 0, or a code with err set. */
int connection_check_name(const char *name, mitogen_error *err);
/* Makes the context, whose own ID is the first of ids, and begins to connect it. Router lock held, any
 * thread. 0, or a negative code with err set. Failures on the way become the context's. */
int connection_start(struct router *router, const struct connect_method *method,
		     const struct connect_options *options, const struct id_block *ids,
		     struct context **ret, mitogen_error *err);
/* Ends the child of this context, if it is ours: asks, after shutdown_ms kills. Router lock held, any
 * thread. */
void connection_shutdown(struct router *router, struct context *context);
/* Answers the call m, taken over, when the child is reaped, which its caller has asked to end; after
 * shutdown_ms kills it. Broker thread. */
void connection_shutdown_for(struct context *context, struct mitogen_message *m);
/* Lets the child of this context go: it is asked to. The call m, taken over, is answered when it has, or
 * when it was lost otherwise. Broker thread. */
void connection_detach_for(struct context *context, struct mitogen_message *m);
/* Answers the call m, taken over, when the child that was just started is up or has failed. */
void connection_answer_when_up(struct context *context, struct mitogen_message *m);
