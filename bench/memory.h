/* SPDX-License-Identifier: BSD-3-Clause */
/* What processes take: proportional set sizes in kB, shared pages divided among those who share them. */
#pragma once

#include "sampler.h"

/* Adds one sample for each child process of this one. */
void memory_add_children(struct series *series);
/* Of this process and all its children together. */
double memory_family_kb(void);
/* Raises the limit of descriptors to the hard one, which it returns. */
unsigned long memory_allow_descriptors(void);
