/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The credit that one sender has, as its receiver keeps it: how many bytes it may send ahead of those
 * that are used up. That grows when the sender waits for credit although all is used up at once, as on a
 * link with long delays, and shrinks when it is not needed. Pure; all bytes are counted from the first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_FIRST (256u * 1024)       /* what a sender may send without being told */
#define WINDOW_LAST  (8u * 1024 * 1024)  /* the most that is granted ahead */
#define WINDOW_LIMIT (16u * 1024 * 1024) /* the most that a sender believes */

struct window {
	uint64_t received, consumed, granted;
	uint32_t size;    /* how much is granted ahead of what is consumed */
	uint32_t limit;   /* to which that grows */
	uint64_t settled; /* when so much is received, it may be another size */
	int64_t came_ms;  /* when something came, or credit was given for what had come */
	int64_t tuned_ms; /* when the size was last looked at; 0: never */
	/* since then, times in which nothing came: */
	int64_t idle_ms, pause_ms; /* for want of credit; although there was some */
	unsigned waits, pauses;    /* how often */
};

void window_init(struct window *window);
/* Counts what came. waited: it had to wait for credit. False: all that was granted had come before it;
 * the last piece may reach beyond. */
bool window_receive(struct window *window, size_t size, bool waited, int64_t now_ms);
void window_consume(struct window *window, size_t size);
/* Is it time to tell the sender of more credit? */
bool window_is_due(const struct window *window);
/* The total to grant then, of a window that is tuned; becomes .granted if it can be sent. */
uint64_t window_next(struct window *window, int64_t now_ms);
