/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of gzip(1), which are sent as they are: nothing is compressed or decompressed here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool gzip_is(const uint8_t *data, size_t size);
/* Is it what gzip made of this content, as far as length and checksum tell? */
bool gzip_is_of(const uint8_t *data, size_t size, const uint8_t *content, size_t content_size);
