/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message: header and payload in one allocation, into which writers build directly. Refcounted;
 * it is in one queue at a time. Immutable once sent or delivered, but for what its reader keeps.
 */
#pragma once

#include <mitogen/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "wire/frame.h"
#include "wire/writer.h"

#define MESSAGE_SIZE_MAX (128u << 20) /* bytes of payload, unless a router says otherwise */

struct message_string;
struct neighbour;
struct router;

struct mitogen_message {
	struct list link;
	unsigned references;           /* atomic */
	struct frame_header header;    /* .length is set when frames are cut */
	size_t size;                   /* of the payload */
	size_t capacity;               /* for it, when it has grown; otherwise 0 */
	struct mitogen_message *whole; /* whose payload this is a piece of, or NULL */
	size_t slice;                  /* where in it */

	struct neighbour *charged; /* for its size, while it is incomplete; or NULL */
	bool is_relayed;           /* counted in core/relay.h */
	bool is_secret;            /* the payload is wiped before its memory is given back */

	/* for whom it was delivered */
	uint32_t router_ref; /* the number of its public handle; it may be gone */
	void *tag;
	mitogen_event event;
	uint32_t process_ref; /* of an event: the number of the public handle */
	uint32_t source_ref;  /* of a value that was sent: core/inbox.h */
	uint32_t
		receiver_ref; /* the number of the receiver that it came to; of a call, its channel's */
	/* The user, who got it from a receiver, has no reference any more; router lock held. NULL:
	 * nobody wants to know. */
	void (*released)(struct router *router, const struct mitogen_message *m);
	mitogen_error *failure;         /* what it reports, instead of a value */
	const mitogen_export *function; /* a call's */
	size_t arguments;               /* a call's: offset of its argument list in the payload */
	uint32_t chain;   /* a call's: the number of the chain that it belongs to, or 0 */
	bool has_channel; /* a call's: what is sent and the answer go to the same port, in order */
	bool replied;
	struct message_string *strings; /* NUL-terminated copies lent to the reader */

	uint8_t frame[FRAME_HEADER_SIZE]; /* the encoded header stands before the payload */
	uint8_t payload[];
};

#define MESSAGE_HEADROOM offsetof(struct mitogen_message, payload)

/* With an uninitialised payload of size bytes. NULL: no memory. */
struct mitogen_message *message_new(size_t size);
/* A writer for a message's payload. message_from_writer takes its buffer over and clears it: the
 * message, or NULL with *ret_error a code of enum cbor_error. */
void message_writer_init(struct mitogen_writer *w);
struct mitogen_message *message_from_writer(struct mitogen_writer *w, int *ret_error);
/* Text that somebody made of anything, or that was cut inside a character: escaped unless it is UTF-8.
 * What is longer than the text of an error is cut. */
void message_write_text(struct mitogen_writer *w, const char *text);
/* A piece of m's payload with m's header; holds a reference. NULL: no memory. */
struct mitogen_message *message_slice(struct mitogen_message *m, size_t offset, size_t size);
/* first with more behind it, which has its flags; takes both over. NULL: no memory, nothing was done. */
struct mitogen_message *message_join(struct mitogen_message *first, struct mitogen_message *more);
/* Overwrites the payload of a secret one, which is done anyway when its last reference is dropped. */
void message_wipe(struct mitogen_message *m);
/* A FRAME_DEAD message that says why. NULL: no memory. */
struct mitogen_message *message_new_dead(int code, const char *text);
/* A CallError as a message. NULL: no memory. */
struct mitogen_message *message_new_call_error(const mitogen_error *error);

struct mitogen_message *message_ref(struct mitogen_message *m);
void message_unref(struct mitogen_message *m); /* takes NULL */
void message_unref_all(struct list *messages); /* empties the queue */
/* message_unref for a reference of the user's, or instead of handing it to him: calls m->released if
 * it was the last one. Router lock held. */
void message_release(struct router *router, struct mitogen_message *m);

/* Makes m report a failure; without memory for the text, that. Takes a copy. */
void message_set_failure(struct mitogen_message *m, const mitogen_error *failure);
/* What it reports, or NULL. */
const mitogen_error *message_failure(const struct mitogen_message *m);
/* A copy with a NUL behind it, lent as long as the message lives. NULL: no memory. */
const char *message_lend_string(struct mitogen_message *m, const void *data, size_t size,
				bool secret);
/* Sets err from the text of a dead message or of a CallError; escaped, since it came from
 * elsewhere. */
void message_decode_failure(const struct mitogen_message *m, mitogen_error *err);
bool message_is_call_error(const struct mitogen_message *m);
