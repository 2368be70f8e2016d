/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the pairs of a map into canonical order: bytewise by their encoded keys. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* data holds so many items, keys and values in turn. CBOR_ERR_KEY for a key that is not text or
 * there twice, or has no value. Takes memory only where the order is wrong. */
int pairs_sort(uint8_t *data, size_t size, uint64_t items);
