/* SPDX-License-Identifier: BSD-3-Clause */
/* Fixed handle numbers. docs/PROTOCOL.md says who may send to each, and what. */
#pragma once

enum handle_number {
	HANDLE_GET_MODULE = 100,
	HANDLE_CALL_FUNCTION = 101,
	HANDLE_FORWARD_LOG = 102,
	HANDLE_ADD_ROUTE = 103,
	HANDLE_DEL_ROUTE = 104,
	HANDLE_ALLOCATE_ID = 105,
	HANDLE_SHUTDOWN = 106,
	HANDLE_LOAD_MODULE = 107,
	HANDLE_FORWARD_MODULE = 108,
	HANDLE_DETACHING = 109,
	HANDLE_CALL_SERVICE = 110,
	HANDLE_CREDIT = 111,
	HANDLE_CONFIG = 112, /* the first message to a child */
	HANDLE_GRANT_ID = 113,
	HANDLE_JOIN = 114,           /* the first message of who joins */
	HANDLE_CALL_SECRET = 115,    /* as CALL_FUNCTION; whoever holds such a message wipes it */
	HANDLE_FIRST_FREE = 1000,    /* smaller ones are reserved; these are for programs */
	HANDLE_FIRST_RANDOM = 65536, /* random ones are not smaller */
};
