/* SPDX-License-Identifier: BSD-3-Clause */
/* Monotonic time in milliseconds. */
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);
/* now + timeout_ms; CLOCK_NEVER for INT32_MAX, now for what is below 0. */
int64_t clock_deadline(int timeout_ms);
struct timespec clock_timespec(int64_t ms);
