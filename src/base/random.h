/* SPDX-License-Identifier: BSD-3-Clause */
/* Unpredictable numbers from the kernel. Any thread. */
#pragma once

#include <stdint.h>

uint32_t random_u32(void);
/* Around a fork: nobody else holds the lock inside. */
void random_before_fork(void);
void random_after_fork(void);
/* Numbers made in advance are forgotten: a forked copy of the process has them, too. */
void random_forget(void);
