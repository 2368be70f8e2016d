/* SPDX-License-Identifier: BSD-3-Clause */
/* Locks around a fork of the host program, as pthread_atfork knows it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

/* Takes the lock, so that no other thread is in the middle of something of which the copy would be left.
 * False: it was not to be had in time; who forks may hold it, or be in the way of who does. */
bool fork_lock(pthread_mutex_t *lock);
