/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of the builtin exec; docs/PROTOCOL.md has its messages. */
#pragma once

enum exec_note { /* the first item of the lists that travel between the bytes of stdout */
	EXEC_NOTE_STARTED = 1, /* then PID, stdin handle, control handle */
	EXEC_NOTE_STDIN_CLOSED = 2,
	EXEC_NOTE_ENDED = 3, /* but its outputs are still open */
};

#define EXEC_NO_STDIN 1u /* a flag of the request */
