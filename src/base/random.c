/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static uint32_t pool[64]; /* at most 256 bytes are filled at once, without a partial result */
static size_t left;

uint32_t random_u32(void)
{
	uint32_t number;

	pthread_mutex_lock(&lock);
	if (left == 0) {
		if (getentropy(pool, sizeof(pool)) != 0)
			abort(); /* a kernel without randomness: guessable handles would be unsafe */
		left = sizeof(pool) / sizeof(pool[0]);
	}
	number = pool[--left];
	pthread_mutex_unlock(&lock);
	return number;
}

void random_forget(void)
{
	pthread_mutex_lock(&lock);
	left = 0;
	pthread_mutex_unlock(&lock);
}

void random_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void random_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}
