/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256, as FIPS 180-4 has it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

void sha256(uint8_t out[SHA256_SIZE], const void *data, size_t size);
