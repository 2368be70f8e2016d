/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types of the public interface: handles, errors, values, exports. It declares no function, so
 * every layer of the library shares these definitions. Programs include <mitogen/mitogen.h>.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Handles: small values, copied freely. {0} is "none"; a stale one gives an error. ---- */

typedef struct mitogen_router {
	uint32_t ref;
} mitogen_router;

typedef struct mitogen_context {
	uint32_t router, ref;
	uint32_t chain;    /* 0; for calls that depend on one another */
	int32_t within_ms; /* waits through this copy end after so long; 0: no limit */
} mitogen_context;

#define MITOGEN_HERE UINT32_MAX /* .ref of the context that is this process; behind mitogen_local */

typedef struct mitogen_receiver {
	uint32_t router, ref;
} mitogen_receiver;

typedef struct mitogen_sender { /* the address of a port, which travels as a value */
	uint32_t router;
	uint32_t context;  /* the ID of the process that receives */
	uint32_t handle;   /* the port there */
	int32_t within_ms; /* waits through this copy end after so long; 0: no limit */
} mitogen_sender;

typedef struct mitogen_channel { /* one end of it */
	mitogen_receiver rx;
	mitogen_sender tx;
} mitogen_channel;

typedef struct mitogen_select {
	uint32_t router, ref;
} mitogen_select;

typedef struct mitogen_handler {
	uint32_t router, ref;
} mitogen_handler;

typedef struct mitogen_listener {
	uint32_t router, ref;
} mitogen_listener;

typedef struct mitogen_process {
	uint32_t router, ref;
} mitogen_process;

/* ---- Objects: opaque, released with mitogen_message_unref and mitogen_writer_free. ---- */

typedef struct mitogen_message mitogen_message; /* what was received; immutable, refcounted */
typedef struct mitogen_writer mitogen_writer;   /* a value being built */

/* ---- Errors ---- */

/* Also what travels: numbers are never reused. Unknown ones are to be treated as failures. */
enum mitogen_code {
	MITOGEN_OK = 0,
	MITOGEN_ERR_USAGE = -1, /* a wrong argument, option or handle: the program's fault */
	MITOGEN_ERR_MEMORY = -2,
	MITOGEN_ERR_SYSTEM = -3,  /* a system call failed: .sys */
	MITOGEN_ERR_CONNECT = -4, /* a context could not be started; .text quotes its tool */
	MITOGEN_ERR_AUTH = -5,    /* the same, over a password, a key or a host key */
	MITOGEN_ERR_LOST = -6,    /* the context went away; .text says how */
	MITOGEN_ERR_TIMEOUT = -7,
	MITOGEN_ERR_CALL = -8,      /* the function ran and failed: .type, .sys */
	MITOGEN_ERR_UNKNOWN = -9,   /* no such function or port there */
	MITOGEN_ERR_ARGUMENT = -10, /* the arguments do not fit the declaration; nothing ran */
	MITOGEN_ERR_REFUSED = -11,  /* by a policy or by routing */
	MITOGEN_ERR_TYPE = -12,     /* a value is of another type, out of range or not there */
	MITOGEN_ERR_CLOSED = -13,   /* the receiver, the other end or the router is closed */
	MITOGEN_ERR_TOO_BIG = -14,
	MITOGEN_ERR_NO_IDS = -15,   /* the supply of context IDs ran out */
	MITOGEN_ERR_DEADLOCK = -16, /* this thread must not wait here */
	MITOGEN_ERR_FORKED = -17, /* the host program forked; the library stayed with its parent */
};

typedef struct mitogen_error { /* by value, never allocates; its layout is frozen */
	int code;              /* enum mitogen_code; 0: not set */
	int sys;               /* the errno behind it, or 0 */
	char type[64];   /* "KeyError", "OSError": what the failing function called it, or "" */
	char where[256]; /* "local.1/local.1: load": context path and function, or "" */
	char text[1720]; /* one line for a person: what failed, where, why, what to try */
} mitogen_error;

/* ---- Values ---- */

typedef enum mitogen_type { /* bits, so that a declaration can allow several */
	MITOGEN_NIL = 1 << 0,
	MITOGEN_BOOL = 1 << 1,
	MITOGEN_INT = 1 << 2, /* -2^63 ... 2^64-1; reading checks the range of the C type */
	MITOGEN_DOUBLE = 1 << 3,
	MITOGEN_TEXT = 1 << 4,  /* UTF-8 */
	MITOGEN_BYTES = 1 << 5, /* paths, arguments, program output */
	MITOGEN_LIST = 1 << 6,
	MITOGEN_MAP = 1 << 7, /* keys are text */
	MITOGEN_CONTEXT = 1 << 8,
	MITOGEN_SENDER = 1 << 9,
	MITOGEN_BLOB = 1 << 10,   /* bytes that logs and traces leave out */
	MITOGEN_SECRET = 1 << 11, /* appears in no log, trace, error or title */
	MITOGEN_ANY = (1 << 12) - 1,
	/* Last in a declaration: any number more, of any type. Those that did not come read as nil. */
	MITOGEN_REST = 1 << 12,
} mitogen_type;

typedef struct mitogen_bytes {
	const void *data;
	size_t size;
} mitogen_bytes;

typedef struct mitogen_secret {
	const char *data; /* NUL-terminated */
	size_t size;      /* without the NUL */
} mitogen_secret;

/* A value to send. mitogen_call and its like make them from C values; see generic.h. */
typedef struct mitogen_value {
	mitogen_type type; /* exactly one bit */
	bool is_unsigned;  /* INT: as.u, otherwise as.i */
	uint16_t count;    /* LIST: items; MAP: items, key and value in turn */
	union {
		bool boolean;
		int64_t i;
		uint64_t u;
		double real;
		mitogen_bytes bytes; /* TEXT, BYTES, BLOB, SECRET */
		mitogen_context context;
		mitogen_sender sender;
		const struct mitogen_value *items; /* LIST, MAP */
		const mitogen_writer *writer;      /* with type 0: what was built in it */
	} as;
} mitogen_value;

/* Where a value that is read goes. mitogen_read and its like make them; see generic.h. */
typedef enum mitogen_out_type { /* grows at its end: numbers are compiled into programs */
	MITOGEN_OUT_NONE,
	MITOGEN_OUT_BOOL,
	MITOGEN_OUT_INT,  /* a signed integer of .size bytes */
	MITOGEN_OUT_UINT, /* an unsigned one */
	MITOGEN_OUT_FLOAT,
	MITOGEN_OUT_DOUBLE,
	MITOGEN_OUT_STRING, /* const char **: text, or bytes without NUL; lent */
	MITOGEN_OUT_DUP,    /* char **: the same, copied; free() it */
	MITOGEN_OUT_BYTES,  /* mitogen_bytes *: text, bytes or blob; lent */
	MITOGEN_OUT_SECRET, /* mitogen_secret *: lent */
	MITOGEN_OUT_CONTEXT,
	MITOGEN_OUT_SENDER,
	MITOGEN_OUT_CURSOR,  /* mitogen_cursor *: any value, to be taken apart; lent */
	MITOGEN_OUT_MESSAGE, /* mitogen_message **: the whole; results only */
} mitogen_out_type;

typedef struct mitogen_out {
	mitogen_out_type type;
	uint32_t size; /* of what .to points to */
	void *to;
} mitogen_out;

/* A place in a message, which lends it. May be copied. */
typedef struct mitogen_cursor {
	mitogen_message *message;
	const uint8_t *at, *end;
	uint64_t left; /* items of the list or map that are not read yet */
	uint64_t reserved;
} mitogen_cursor;

/* ---- Programs ---- */

typedef enum mitogen_event {   /* what a message of a program or a channel says */
	MITOGEN_EVENT_NONE,    /* any other message */
	MITOGEN_EVENT_STARTED, /* its PID, int */
	MITOGEN_EVENT_STDOUT,  /* bytes */
	MITOGEN_EVENT_STDERR,  /* bytes */
	MITOGEN_EVENT_ROOM,    /* writing to stdin is possible again; no value */
	MITOGEN_EVENT_EXIT, /* the last: its exit status, int, -N if signal N killed it; or the failure */
	MITOGEN_EVENT_RESULT, /* the last of a channel: the function's result or failure */
	MITOGEN_EVENT_CLOSED, /* the last of a handler; reads as MITOGEN_ERR_CLOSED */
} mitogen_event;

/* ---- Functions of the program that the library calls ---- */

/* What mitogen_run and mitogen_defer call. Returns >= 0, or a negative code with *error set. */
typedef int mitogen_work(mitogen_router router, void *user, mitogen_error *error);

/* What a handler does with a message, on the broker thread: see mitogen_handler_new. */
typedef void mitogen_handler_function(mitogen_message *m, void *user);

/* May this context send there, on that one's authority (its own, unless it passes on what another one
 * asked for)? On the broker thread, before anything of the message is looked at; it must be quick, and
 * of the library it may call policies alone. */
typedef bool mitogen_policy(mitogen_router router, uint32_t source, uint32_t authority, void *user);

/* ---- Exported functions ---- */

/* Reads its arguments from m, acts, answers with mitogen_reply(). Returns 0 (without a reply the
 * result is nil) or a negative code with *error set; a negative code alone is a failure too.
 * Runs on the main thread of the process that was called, calls in order of arrival. */
typedef int mitogen_function(mitogen_message *m, mitogen_error *error);

typedef struct mitogen_export {
	size_t size;
	const char *name;
	mitogen_function *function;
	const int *types;               /* mitogen_type bits for each argument, then 0 */
	struct mitogen_export *next[2]; /* the registry's */
} mitogen_export;
