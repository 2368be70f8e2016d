/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mitogen.h - start copies of this program in other processes, accounts and machines, call its
 * exported functions there, run programs there. C11.
 *
 * What holds everywhere; below, only what differs from it is said.
 *
 * HANDLES   Router, context, receiver, select, handler and process are small values: copy and drop
 *           them freely, there is nothing to free. What they stand for belongs to the router and
 *           goes with it. {0} is "none", and what a failed function returns: its .ref is 0, a
 *           sender's .handle. A stale handle (closed, lost, its router gone) gives an error, never
 *           undefined behaviour.
 * RESULTS   int functions return >= 0, or one of the negative codes of enum mitogen_code.
 *           Outputs are written on success only.
 * ERRORS    mitogen_error err = {0}; then pass &err, or NULL for no text. A failure replaces what
 *           err holds; success leaves it alone. One exception makes straight code work: a call on
 *           a {0} handle fails with what err holds already, since that is why the handle is none.
 *           So one err does for a sequence (the first failure stays) and for a loop (the latest
 *           does), and nothing is skipped because something unrelated failed before.
 * MEMORY    Yours to release: messages and writers (MITOGEN_AUTO does it at the end of the scope)
 *           and what you read into a char * (free). What you pass in is copied before the call
 *           returns. What a message lends is valid as long as the message.
 * OPTIONS   "KEYWORDS": after err, `.name = value` arguments; what is left out is 0, and 0 is the
 *           default. The function NAME_with behind such a macro takes the options struct, its
 *           .size set, or NULL.
 * THREADS   Any function on any thread; but one message, writer or error on one at a time.
 * TIMES     int milliseconds: 0 and less do not wait, MITOGEN_FOREVER has no limit.
 * AUTHORITY Calls go down: a context runs the calls of itself and of its ancestors. Others get
 *           MITOGEN_ERR_REFUSED, and so do calls to the master.
 * FORK      In a process that the host program forked itself every call gives
 *           MITOGEN_ERR_FORKED, until mitogen_after_fork.
 * MACROS    Signatures in comments are macros of generic.h; they evaluate each argument once.
 *           From C++, use the functions behind them.
 */
#pragma once

#include <mitogen/methods.h>
#include <mitogen/types.h>

#ifdef __GNUC__
#define MITOGEN_PRINTF(f, a) __attribute__((__format__(__printf__, f, a)))
#define MITOGEN_MUST         __attribute__((__warn_unused_result__))
#else
#define MITOGEN_PRINTF(f, a)
#define MITOGEN_MUST
#endif

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default) /* the library itself is built with hidden names */
#endif

#define MITOGEN_FOREVER INT32_MAX
const char *mitogen_version(void);  /* of the library that runs, "0.1.0" */
const char *mitogen_platform(void); /* that it was built for: "linux-x86_64" */

/* ---- Errors ------------------------------------------------------------------------------- */

/* Set an error of your own, MITOGEN_ERR_CALL, for `return mitogen_fail(error, ...)` in an exported
 * function. type is a name for programs, "KeyError", or NULL. The second appends strerror(errno)
 * and takes its type from errno, "ENOENT". Both return MITOGEN_ERR_CALL. */
int mitogen_fail(mitogen_error *error, const char *type, const char *format, ...)
	MITOGEN_PRINTF(3, 4);
int mitogen_fail_errno(mitogen_error *error, const char *format, ...) MITOGEN_PRINTF(2, 3);
const char *mitogen_code_name(int code); /* "MITOGEN_ERR_LOST" */

/* ---- The program -------------------------------------------------------------------------- */

/* After each function that may be called from elsewhere, one line at file scope: its name, then the
 * types of its arguments, checked before it runs; trailing ones that allow MITOGEN_NIL may be left
 * out.
 *
 *   static int add(mitogen_message *m, mitogen_error *error) { ... }
 *   MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);
 */
void mitogen_register(mitogen_export *entry); /* behind it; the entry must live for ever */

typedef enum mitogen_log_level {
	MITOGEN_LOG_DEFAULT, /* $MITOGEN_LOG_LEVEL, otherwise WARNING */
	MITOGEN_LOG_ERROR,
	MITOGEN_LOG_WARNING,
	MITOGEN_LOG_INFO,
	MITOGEN_LOG_DEBUG,
} mitogen_log_level;

typedef struct mitogen_router_options {
	size_t size;
	mitogen_log_level log_level; /* this and log are the process's: the latest router's count */
	/* Takes log lines instead of stderr, on a broker thread, one at a time. It must not block;
	 * it may call the library, but what would wait gives MITOGEN_ERR_DEADLOCK, and what it logs
	 * itself is dropped. context: the name that we gave to who logged or printed the line, ""
	 * for this process; line: without a newline, printable. Not called any more when the router
	 * is closed: then lines go to stderr. */
	void (*log)(mitogen_log_level level, const char *context, const char *line, void *user);
	void *log_user;
	const char *image; /* the program that children run; this one, as the kernel names it */
	/* Directories, separated by ':', with what children on other platforms run: files named as
	 * mitogen_platform has it, with ".gz" behind it for what gzip made of them, which is sent if it is
	 * there. $MITOGEN_IMAGE_PATH; then that of image. */
	const char *image_path;
	int shutdown_ms;    /* how long children may take to end before they are killed; 5000 */
	size_t max_message; /* bytes; 128 MiB, which is also the most */
	/* Contexts reach only what is above and below them; what one is broken into cannot try others. */
	bool unidirectional;
	bool fork_server; /* for mitogen_fork; fails if the process has a second thread */
	/* For programs that hang: what this process and all below it wait for, and where their threads
	 * are, printed to stderr every so many seconds (or $MITOGEN_DUMP_THREAD_STACKS), or when SIGUSR1
	 * comes (or $MITOGEN_DUMP_ON_SIGUSR1=1). Takes SIGUSR1 and SIGURG, unless they have a handler. */
	int dump_seconds;
	bool dump_on_sigusr1;
	/* Here and below, SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT print a back-trace before the process
	 * dies of them (or $MITOGEN_TRACE_CRASHES=1). See docs/hangs.md. */
	bool trace_crashes;
	/* A file, written when the router is closed: where the processor time of this process went, from
	 * now on, by thread and function; see docs/hangs.md. Takes SIGPROF. For one router at a time. */
	const char *profile;
} mitogen_router_options;

/* A line for the log, from any process; several, if there are newlines in it. In a child it travels
 * to the master, and is not even formatted below the master's level. Never waits: when lines come
 * faster than 1,000 a second for long, some are dropped, and a line says how many. What a child
 * prints to stdout or stderr comes to the log as well, as warnings; that is never dropped, but whoever
 * prints waits when the log cannot keep up. */
void mitogen_log(mitogen_log_level level, const char *format, ...) MITOGEN_PRINTF(2, 3);

/* mitogen_start(argc, argv, &err, [.log_level = ..., ...])
 * KEYWORDS. The first statement of main, before any thread. In the master: a router and its broker
 * thread. In a child it does not return: it serves calls until the parent goes away. */
mitogen_router mitogen_start_with(int argc, char **argv, const mitogen_router_options *options,
				  mitogen_error *err);
/* Closes the router, prints err to stderr if it is set, clears it. Returns the exit status for
 * main: 1 if err was set, otherwise 0. */
int mitogen_finish(mitogen_router router, mitogen_error *err);

/* mitogen_run(argc, argv, work, user, [.log_level = ..., ...])
 * KEYWORDS. A main in one statement: starts as mitogen_start does, runs work(router, user, &err) and
 * closes the router, whatever happens. Returns the exit status: what work returned, or 1 if that is
 * negative or the start failed, with the error printed to stderr. In a child work does not run. */
int mitogen_run_with(int argc, char **argv, mitogen_work *work, void *user,
		     const mitogen_router_options *options);

/* The same in steps, for programs that start a router late, or several. mitogen_router_new fails
 * unless mitogen_init ran: no child can go through main and start children by mistake. */
bool mitogen_is_child(int argc, char **argv); /* usable before the next */
void mitogen_init(int argc, char **argv);     /* does not return in a child */
/* mitogen_router_new(&err, [.log_level = ..., ...]) KEYWORDS */
mitogen_router mitogen_router_new_with(const mitogen_router_options *options, mitogen_error *err);
/* Shuts down all children, reaps them, joins the broker thread. What other threads wait for ends
 * with MITOGEN_ERR_CLOSED. Not from a callback. Log lines that stderr does not take at once are
 * waited for as long as somebody reads them. */
void mitogen_router_close(mitogen_router router);

/* Has work(router, user, &error) called on the router's broker thread, after what was deferred before.
 * All I/O of the router stands still meanwhile, so it must be short; it may use the library, but what
 * waits gives MITOGEN_ERR_DEADLOCK there. Accepted work is done even if the router is closed then; at a
 * router that is closed or closing both fail at once, with MITOGEN_ERR_CLOSED. */
int mitogen_defer(mitogen_router router, mitogen_work *work, void *user, mitogen_error *err);
/* Waits, and returns what work did; its failure is in err. The former logs it. */
int mitogen_defer_wait(mitogen_router router, mitogen_work *work, void *user, mitogen_error *err);

/* In a process that the host program forked: drops the routers that it has copies of, whose handles are
 * stale from then on. Their descriptors are closed and their memory is freed, the original notices
 * nothing; messages stay readable. Then new routers can be made. Elsewhere it does nothing. Before the
 * copy starts a thread. A function that was called by others and forks must not return in the copy. */
void mitogen_after_fork(void);

/* ---- Contexts ----------------------------------------------------------------------------- */

/* Factories return at once and connecting goes on in the background, any number at a time. Calls may
 * be made straight away and wait for it; if it fails, each of them fails with the reason. A child takes
 * four descriptors of this process, for a moment seven. methods.h has the options. */

/* mitogen_local(via, &err, [.name = ..., ...])
 * KEYWORDS. A child process of the same account. via: the mitogen_router whose child it becomes, or a
 * mitogen_context below this process, up to 64 deep, which need not be connected yet. A via of none
 * is an error, never "here". Below the master, a process waits for IDs from it now and then. */
mitogen_context mitogen_local_with(mitogen_context via, const mitogen_local_options *options,
				   mitogen_error *err);

/* mitogen_fork(via, &err, [.name = ..., ...])
 * KEYWORDS. A child that is a copy of this process as it was when its router was made with .fork_server:
 * what the program had built in memory by then is there, shared as long as neither side writes to it;
 * what it built later is not. The child starts with the environment and the directory of then, with
 * default signals, without the program's threads; the descriptors that the program had open are
 * /dev/null there. What is behind mitogen_start or mitogen_router_new in main does not run. End it
 * with _exit, as exit would run what the program has registered with atexit. */
mitogen_context mitogen_fork_with(mitogen_context via, const mitogen_fork_options *options,
				  mitogen_error *err);

/* mitogen_ssh(via, &err, .hostname = "web1", [.username = ..., ...])
 * mitogen_sudo, mitogen_su, mitogen_doas(via, &err, [.username = ..., .password = ..., ...])
 * KEYWORDS. A child on another machine, or of another account; via is where the tool is run. Nothing has
 * to be installed there: the image is sent, and no file of it is left. A child that could not be started
 * gives MITOGEN_ERR_AUTH where it is about a password or a key, otherwise MITOGEN_ERR_CONNECT, and the
 * text has what the tool printed. Passwords are typed only where the tool asks for one, and wiped
 * by every process that they pass through. */
mitogen_context mitogen_ssh_with(mitogen_context via, const mitogen_ssh_options *options,
				 mitogen_error *err);
mitogen_context mitogen_sudo_with(mitogen_context via, const mitogen_sudo_options *options,
				  mitogen_error *err);
mitogen_context mitogen_su_with(mitogen_context via, const mitogen_su_options *options,
				mitogen_error *err);
mitogen_context mitogen_doas_with(mitogen_context via, const mitogen_doas_options *options,
				  mitogen_error *err);

/* mitogen_connect(via, "ssh", options, &err)
 *   The same for what is known as texts only, as from a configuration file: options is an array like
 *   {"hostname=web1", "port=2222", "compression", NULL}, or NULL. A list, like ssh_args, is given item by
 *   item. Wrong texts are MITOGEN_ERR_USAGE, which says what is accepted.
 * mitogen_connect_check looks at them alone and does nothing else, mitogen_option_check at a single one. */
mitogen_context mitogen_connect_with(mitogen_context via, const char *method,
				     const char *const *options, mitogen_error *err);
int mitogen_connect_check(const char *method, const char *const *options, mitogen_error *err);
int mitogen_option_check(const char *method, const char *option, mitogen_error *err);
/* All methods, and all options of one, by numbers from 0 on, for programs that tell people of them: NULL
 * and false behind the last, and for a method that there is not. ret->size is set by the caller. */
const char *mitogen_method_at(size_t index);
bool mitogen_option_at(const char *method, size_t index, mitogen_option_info *ret);

mitogen_context mitogen_self(mitogen_router router);
/* The context with this ID, which nobody has to know here: a call finds out whether it is there.
 * UINT32_MAX: none. */
mitogen_context mitogen_context_by_id(mitogen_router router, uint32_t id);
mitogen_context mitogen_parent(mitogen_router router); /* none in the master */
/* 0: the master; UINT32_MAX: none, or gone. */
uint32_t mitogen_context_id(mitogen_context context);
/* Copies its path, "local.1", into buffer, cut to size - 1 bytes; "" for none. Returns buffer. */
const char *mitogen_context_name(mitogen_context context, char *buffer, size_t size);
/* mitogen_within(context or sender, timeout_ms): a copy through which each wait ends after that time
 * with MITOGEN_ERR_TIMEOUT. What was started goes on there; its answer is dropped. */
mitogen_context mitogen_context_within(mitogen_context context, int timeout_ms);
/* Waits until it is connected or has failed. */
int mitogen_context_wait(mitogen_context context, mitogen_error *err);
/* One message with this tag comes to receiver when the context is lost, at once if it has been: reading it
 * gives why. */
int mitogen_context_watch(mitogen_context context, mitogen_receiver receiver, void *tag,
			  mitogen_error *err);
/* Ends it and what is below it: asks, behind what was queued for it, waits, then kills. Where nobody has
 * answered yet, as ssh is still connecting or logging in, it ends at once. Returns when it is gone. */
int mitogen_context_shutdown(mitogen_context context, mitogen_error *err);
/* Lets go of a context that this process has started, with what is below it; returns when it has let go
 * of us. What it has sent by then arrives; what it prints afterwards is lost. It goes on without
 * us, also when this process ends: it runs the calls that it was given, ends what is below it, and
 * exits. Here it counts as lost, MITOGEN_ERR_CLOSED "the context was detached", but is reaped if it
 * ends before the router is closed. Programs that mitogen_exec runs in it are ended. */
int mitogen_context_detach(mitogen_context context, mitogen_error *err);

/* ---- Listeners ---------------------------------------------------------------------------- */

typedef struct mitogen_listen_options {
	size_t size;
	/* Of the unix socket: absolute, up to about 100 bytes. Its directory is made if it is missing,
	 * and must belong to this user and have mode 0700. What a listener that has died has left there
	 * is replaced. "/socket" in a new directory below $XDG_RUNTIME_DIR, or /tmp */
	const char *path;
	int joined_max; /* processes at a time; 1000 */
	int timeout_ms; /* that one has to say who it is; 10000 */
} mitogen_listen_options;

/* mitogen_listen(router, &err, [.path = ..., ...])
 * KEYWORDS. From now on other processes of this user, and of nobody else, may join the router by
 * mitogen_join. Each becomes a context, "unix.4711" by its PID, that is as a child in all but this:
 * nobody has started it, it ends when it wants to, it runs no calls, and it acts on the authority of
 * this context: it may call all that this router reaches, and what policies let this context do,
 * they let it do. */
mitogen_listener mitogen_listen_with(mitogen_router router, const mitogen_listen_options *options,
				     mitogen_error *err);
/* Copies the path of its socket into buffer, cut to size - 1 bytes; "" for none. Returns buffer. */
const char *mitogen_listener_path(mitogen_listener listener, char *buffer, size_t size);
/* Removes the socket. Those that have joined stay. The router's close does this, too. */
void mitogen_listener_close(mitogen_listener listener);

typedef struct mitogen_join_options {
	size_t size;
	const char *name;       /* its last part, in logs and errors; "unix.4711" */
	int connect_timeout_ms; /* 30000 */
	/* as those of mitogen_router_options */
	mitogen_log_level log_level;
	void (*log)(mitogen_log_level level, const char *context, const char *line, void *user);
	void *log_user;
	const char *image;
	int shutdown_ms;
} mitogen_join_options;

/* mitogen_join(path, &err, [.name = ..., ...])
 * KEYWORDS. A router that has joined the one that listens at path; waits for its answer. mitogen_parent
 * is the context of that one, whose children are reached by their IDs, or as values that come in
 * messages. It can start children of its own. When the other router is closed, or lost, all that was reached
 * through it is lost with MITOGEN_ERR_CLOSED, or MITOGEN_ERR_LOST; this one stays until it is
 * closed, which is how to leave, and as cheap as joining again. Also in a process that the program
 * has forked, after mitogen_after_fork. What its children log goes to the log of the one that it has joined, what
 * it logs itself does not. */
mitogen_router mitogen_join_with(const char *path, const mitogen_join_options *options,
				 mitogen_error *err);

/* ---- Calls -------------------------------------------------------------------------------- */

/* mitogen_call(context, function, ret, &err, [value, ...])
 *   Calls and waits. function: an exported function of this program, or a name as text, which may
 *   also be one of the target's image alone, or a builtin: "mitogen.ping" gives nil, "mitogen.facts"
 *   a map of what the process knows about itself, "mitogen.stats" its counters; these answer even if a function hangs there, and
 *   are the only calls that a master runs, for itself. ret: a pointer for the result as for mitogen_read,
 *   but of no type that lends; a mitogen_message ** that takes the whole; or NULL.
 * mitogen_call_async(context, function, receiver, tag, &err, [value, ...])
 *   Exactly one message comes to receiver, its tag the one given: a result, or a failure. A failure
 *   of the call itself (a handle of none, a value that cannot be written) puts nothing there.
 * mitogen_call_no_reply(context, function, &err, [value, ...])
 *   A failure is logged there.
 *
 * A value is an integer, bool, float, double, char * (text; NULL: nil), mitogen_bytes,
 * mitogen_secret, mitogen_context, mitogen_sender, mitogen_writer *, or what one of these makes. A
 * variable of type char, a void * and other pointers do not compile. At most 16 values. */
mitogen_value mitogen_nil(void);
mitogen_value mitogen_text(const char *text, size_t size);
mitogen_value mitogen_path(const char *string); /* a C string as bytes; NULL: nil */
mitogen_value mitogen_blob(const void *data, size_t size);
mitogen_bytes mitogen_bytes_of(const void *data, size_t size);
mitogen_secret mitogen_secret_of(const char *string);
/* mitogen_list(value, ...), mitogen_map("key", value, ...): valid until the enclosing block ends. */
mitogen_value mitogen_empty_list(void);
mitogen_value mitogen_empty_map(void);

MITOGEN_MUST int mitogen_call_with(mitogen_context context, mitogen_function *function,
				   const char *name, mitogen_out ret, mitogen_error *err,
				   const mitogen_value *values, size_t count);
MITOGEN_MUST int mitogen_call_async_with(mitogen_context context, mitogen_function *function,
					 const char *name, mitogen_receiver receiver, void *tag,
					 mitogen_error *err, const mitogen_value *values,
					 size_t count);
int mitogen_call_no_reply_with(mitogen_context context, mitogen_function *function,
			       const char *name, mitogen_error *err, const mitogen_value *values,
			       size_t count);
/* A copy through which calls are pipelined: send them without waiting (async and no-reply calls, and
 * programs, too); they run in order, and after one has failed those that follow fail with its error
 * and do not run. So only the last one has to be waited for. A call that could not be sent has
 * failed, too; one that took too long for its caller has not, it goes on there, and a program has
 * only if it could not be run. A program or another builtin is over before the call behind it
 * begins. Threads may share a chain; their calls are in the order in which they were sent. Chains do
 * not wait for one another. A call's context remembers 1000 chains of each caller in which nothing
 * goes on, and fails the calls of one that it has forgotten: end each. */
mitogen_context mitogen_chain(mitogen_context context);
void mitogen_chain_end(mitogen_context chain); /* calls that were sent go on; new ones fail */
/* mitogen_reply(m, &err, [value, ...]): the result of the running function, once. Several values
 * travel as a list of them, none as nil. */
int mitogen_reply_with(mitogen_message *m, mitogen_error *err, const mitogen_value *values,
		       size_t count);

/* ---- Counters ----------------------------------------------------------------------------- */

/* Of one process, and its own router; kept where nothing else is said, and what there is now. */
typedef struct mitogen_counters {
	size_t size; /* sizeof(mitogen_counters), set by who asks */
	/* since it started; over all streams, those that are closed included */
	uint64_t bytes_in, bytes_out, frames_in, frames_out;
	uint64_t normal_queued;  /* bytes that wait to be written: calls, answers, control */
	uint64_t bulk_queued;    /* the same: output of programs, sender and channel traffic */
	uint64_t incomplete;     /* bytes of messages of which more is to come */
	uint64_t calls_sent;     /* from here since it started */
	uint64_t calls_pending;  /* from here, not answered yet */
	uint64_t calls_received; /* by here since it started */
	uint64_t calls_waiting;  /* for the main thread here, which is busy */
	uint64_t calls_failed;   /* of those received, since it started */
	uint64_t chains;         /* remembered here, of callers */
	uint64_t streams;        /* to children and the parent */
	uint64_t children;       /* connecting, connected, or not reaped yet */
	uint64_t processes;      /* that are watched: those of children, programs, a fork server */
	uint64_t contexts;       /* that it knows of and are not known to be lost */
	uint64_t routes, handles, timers;
	/* since it started */
	uint64_t dead_replies; /* sent: nobody there, no such port, out of memory */
	uint64_t refused;      /* messages, by a policy */
	uint64_t forged;       /* streams closed since a child spoke in a foreign name */
	uint64_t log_dropped;  /* log lines, since nobody took them fast enough */
} mitogen_counters;

/* Asks a context, oneself or what is below, also while a function hangs there; waits. By name,
 * "mitogen.stats" is the same as a map, in which a newer process may have more. */
int mitogen_stats(mitogen_context context, mitogen_counters *counters, mitogen_error *err);

/* ---- Messages ----------------------------------------------------------------------------- */

/* MITOGEN_AUTO(message, m); declares `mitogen_message *m = NULL`, released at the end of the scope;
 * so too writer, and text for a char *. Functions that fill a mitogen_message ** release what it
 * held before: one variable does for a loop. */
mitogen_message *mitogen_message_ref(mitogen_message *m);
void mitogen_message_unref(mitogen_message *m);
mitogen_router mitogen_message_router(const mitogen_message *m);
mitogen_context mitogen_message_from(const mitogen_message *m);      /* who sent it; verified */
mitogen_receiver mitogen_message_receiver(const mitogen_message *m); /* which one it came to */
void *mitogen_message_tag(const mitogen_message *m);

/* mitogen_read(from, &err, &a, [&b, ...])
 *   from: a mitogen_message * or a mitogen_cursor *. In a called function: its arguments, exactly as
 *   many; arguments that were left out read as nil. Otherwise one variable takes the value, several
 *   a list of as many, none takes any. It does not move: reading again gives the same. If the message is a failure,
 *   that is what it returns. The variable's type selects what it takes:
 *     bool; signed and unsigned integers of 8 bits and more, checked for range; float, double (an
 *     integer too, where exact);
 *     const char *       text, or bytes without NUL; lent
 *     char *             the same, copied: free() it
 *     mitogen_bytes      text, bytes, blob; lent, not aligned
 *     mitogen_secret     lent, wiped with the message
 *     mitogen_context, mitogen_sender
 *     mitogen_cursor     anything; lent
 *   nil reads as 0, NULL or none into any of these.
 * mitogen_next(&cursor, &err, &a, [&b, ...])
 *   The next items of the list, or the next key and value of the map, that cursor was read from: 1.
 *   At its end: 0. Maps come in the order in which they travel: shorter keys first.
 * mitogen_find(&cursor, "key", &err, &a)
 *   The value of that key of the map: 1. Not there: 0, and a is left alone. Does not move. */
MITOGEN_MUST int mitogen_read_with(mitogen_message *m, mitogen_error *err, const mitogen_out *outs,
				   size_t count);
MITOGEN_MUST int mitogen_read_cursor_with(const mitogen_cursor *cursor, mitogen_error *err,
					  const mitogen_out *outs, size_t count);
MITOGEN_MUST int mitogen_next_with(mitogen_cursor *cursor, mitogen_error *err,
				   const mitogen_out *outs, size_t count);
MITOGEN_MUST int mitogen_find_with(const mitogen_cursor *cursor, const char *key,
				   mitogen_error *err, mitogen_out out);
mitogen_type mitogen_cursor_type(const mitogen_cursor *cursor);
size_t mitogen_cursor_count(const mitogen_cursor *cursor); /* items or pairs; 0 if neither */

/* Builds values made in a loop. It keeps its first mistake (no memory, text that is not UTF-8, an
 * end without a begin), which comes out where the writer is used as a value; w may be NULL. Using
 * it does not consume it. mitogen_write(w, value, [value, ...]) appends; several values at top level
 * are as many arguments, or a list where one value is wanted. */
mitogen_writer *mitogen_writer_new(void);
void mitogen_writer_free(mitogen_writer *w);
void mitogen_begin_list(mitogen_writer *w);
void mitogen_begin_map(mitogen_writer *w); /* text, value, text, value, in any order of keys */
void mitogen_end(mitogen_writer *w);       /* the innermost list or map */
void mitogen_write_with(mitogen_writer *w, const mitogen_value *values, size_t count);

/* ---- Receivers ---------------------------------------------------------------------------- */

mitogen_receiver mitogen_receiver_new(mitogen_router router, mitogen_error *err);
/* Waits for the next message: 1 and *ret, in exchange for what it held. 0: nothing in that time.
 * MITOGEN_ERR_CLOSED: closed. A failed call is a message too; reading it gives the failure. */
MITOGEN_MUST int mitogen_receiver_get(mitogen_receiver receiver, mitogen_message **ret,
				      int timeout_ms, mitogen_error *err);
/* For other event loops: readable while a get with timeout 0 would not return 0. Stays ours: poll
 * it, do not read or close it. */
int mitogen_receiver_fd(mitogen_receiver receiver, mitogen_error *err);
/* Wakes all who wait on it; what is in it and what still comes is dropped, and who sends is told. */
void mitogen_receiver_close(mitogen_receiver receiver);

/* ---- Senders ------------------------------------------------------------------------------ */

/* The receiver's address, to be given away as a value: who has it sends there, from any context. The
 * first call opens a port. */
mitogen_sender mitogen_receiver_sender(mitogen_receiver receiver, mitogen_error *err);
/* mitogen_send(to, &err, [value, ...])
 *   Sends a message: several values as a list of them, none as nil. It arrives later, in the order
 *   of sending, and counts as read when it is released there; as long as so much that this context
 *   has sent is not read, 256 KiB at first, sending waits. mitogen_within(to, ms) is a copy of the
 *   address through which it waits no longer. Fails when the receiver is closed (MITOGEN_ERR_CLOSED), its context
 *   is lost (MITOGEN_ERR_LOST) or something was not taken; what was sent before may be lost then. */
MITOGEN_MUST int mitogen_send_with(mitogen_sender to, mitogen_error *err,
				   const mitogen_value *values, size_t count);
mitogen_sender mitogen_sender_within(mitogen_sender to, int timeout_ms);
/* The receiver gets a message that reads as MITOGEN_ERR_CLOSED, as it gets the failure when a context
 * that has sent is lost: one for each. Threads of this context that wait in
 * mitogen_send fail; sending again begins anew. */
void mitogen_sender_close(mitogen_sender to);

/* ---- Channels ----------------------------------------------------------------------------- */

/* mitogen_channel_open(context, function, &err, [value, ...])
 *   Calls the function, with a queue each way while it runs. What it sends comes to channel.rx; the
 *   last message there, MITOGEN_EVENT_RESULT, is its result, or the one failure, whatever happens to
 *   the call; behind that MITOGEN_ERR_CLOSED. What goes to channel.tx comes to the function, until
 *   it returns: then sending fails. Does not wait. {0}: an error. A time limit of the context is
 *   tx's. A function that does nothing with its channel is called as by mitogen_call.
 * mitogen_message_channel(m): in the function, its end; both are none if the call came without. The
 *   caller's close, or its loss, is a failed message there, as any sender's. */
MITOGEN_MUST mitogen_channel mitogen_channel_open_with(mitogen_context context,
						       mitogen_function *function, const char *name,
						       mitogen_error *err,
						       const mitogen_value *values, size_t count);
mitogen_channel mitogen_message_channel(const mitogen_message *m);
/* Either end, for good: who waits at the other one is woken. The function runs on. */
void mitogen_channel_close(mitogen_channel channel);

/* ---- Handlers ----------------------------------------------------------------------------- */

typedef struct mitogen_port_options {
	size_t size;
	uint32_t handle;        /* 1000 ... 65535, which the program chooses; a random one */
	mitogen_policy *policy; /* who is refused gets MITOGEN_ERR_REFUSED; nobody is */
	void *user;             /* given to the policy, and to a handler's function */
} mitogen_port_options;

/* mitogen_receiver_listen(receiver, &err, [.handle = 2000, .policy = ..., ...])
 * KEYWORDS. Opens the receiver's port, once. MITOGEN_ERR_USAGE: the handle is taken.
 * mitogen_sender_to(context, 2000) is the address of such a port elsewhere. */
mitogen_sender mitogen_receiver_listen_with(mitogen_receiver receiver,
					    const mitogen_port_options *options,
					    mitogen_error *err);
mitogen_sender mitogen_sender_to(mitogen_context context, uint32_t port);
/* mitogen_handler_new(router, function, &err, [.handle = 2000, ...])
 * KEYWORDS. A port whose messages function(m, user) gets, one after the other on the broker thread: it
 * must be short; what waits gives MITOGEN_ERR_DEADLOCK there. Its last message, when the handler or
 * the router is closed, is MITOGEN_EVENT_CLOSED. */
mitogen_handler mitogen_handler_new_with(mitogen_router router, mitogen_handler_function *function,
					 const mitogen_port_options *options, mitogen_error *err);
mitogen_sender mitogen_handler_sender(mitogen_handler handler);
/* Does not wait for that last call. */
void mitogen_handler_close(mitogen_handler handler);
/* Policies: sent on the authority of this context's parent, of one above it, or its own; sent by a child
 * of this context itself. For one's own policies, too. */
bool mitogen_has_parent_authority(mitogen_router router, uint32_t source, uint32_t authority,
				  void *user);
bool mitogen_is_immediate_child(mitogen_router router, uint32_t source, uint32_t authority,
				void *user);

/* ---- Selects ------------------------------------------------------------------------------ */

/* Waits on several receivers at once. While a receiver is in a select, which is one at most, all that
 * comes to it is got from the select, and getting from the receiver itself is an error, for who waits
 * there already too. Any number of threads may wait, and others may add and remove meanwhile. */
mitogen_select mitogen_select_new(mitogen_router router, mitogen_error *err);
int mitogen_select_add(mitogen_select select, mitogen_receiver receiver, mitogen_error *err);
/* What has come from it and was not got goes back to it. A receiver that is closed removes itself. */
int mitogen_select_remove(mitogen_select select, mitogen_receiver receiver, mitogen_error *err);
/* As mitogen_receiver_get and _fd. mitogen_message_receiver says from whom it is. */
MITOGEN_MUST int mitogen_select_get(mitogen_select select, mitogen_message **ret, int timeout_ms,
				    mitogen_error *err);
int mitogen_select_fd(mitogen_select select, mitogen_error *err);
/* Removes all receivers; wakes all who wait. */
void mitogen_select_close(mitogen_select select);

/* ---- Programs ----------------------------------------------------------------------------- */

typedef struct mitogen_exec_options {
	size_t size;
	const char *const *env; /* "NAME=value" to add, "NAME" to remove; NULL-terminated */
	const char *cwd;        /* the context's */
	bool no_stdin;          /* /dev/null */
	int timeout_ms;         /* killed after so long, MITOGEN_ERR_TIMEOUT; no limit */
} mitogen_exec_options;

/* mitogen_exec(context, argv, receiver, tag, &err, [.cwd = "/", ...])
 * KEYWORDS. Runs argv (NULL-terminated, found through PATH there) in the context. What it does comes
 * to receiver as messages with this tag, in order, after the output the exit. A program that is
 * missing or may not run is a failure of type "ENOENT", "EACCES", ... It gets a process group of
 * its own; when the context goes away, the program is ended.
 * Output counts as read when its message is released: a program of which 256 KiB of stdout, or of
 * stderr, are not read (more, where a long delay needs it) has to wait before it can write more to
 * that. */
mitogen_process mitogen_exec_with(mitogen_context context, const char *const *argv,
				  mitogen_receiver receiver, void *tag,
				  const mitogen_exec_options *options, mitogen_error *err);
mitogen_event mitogen_message_event(const mitogen_message *m); /* see types.h */
/* Sends up to size bytes to its stdin, which need not have started, and returns how many. After fewer than size, 0 included, there is
 * no more room, and MITOGEN_EVENT_ROOM comes when there is. MITOGEN_ERR_CLOSED: it reads no more. */
MITOGEN_MUST ptrdiff_t mitogen_process_write(mitogen_process process, const void *data, size_t size,
					     mitogen_error *err);
int mitogen_process_close_stdin(mitogen_process process, mitogen_error *err);
/* To its process group; 0 sends nothing. MITOGEN_ERR_CLOSED: it has ended, though more of its output
 * may come. */
int mitogen_process_signal(mitogen_process process, int signal, mitogen_error *err);

void mitogen_auto_text(char **text);                  /* behind MITOGEN_AUTO(text, x) */
mitogen_value mitogen_value_string(const char *text); /* behind a char * among values; NULL: nil */

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#else
#include <mitogen/generic.h>
#endif
