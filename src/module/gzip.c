/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/gzip.h"

#define HEADER_SIZE  10
#define TRAILER_SIZE 8 /* checksum and length of the content, little-endian */

static uint32_t load(const uint8_t *data)
{
	return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
	       (uint32_t)data[3] << 24;
}

static uint32_t checksum(const uint8_t *data, size_t size)
{
	uint32_t by_byte[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		by_byte[i] = i;
		for (int bit = 0; bit < 8; bit++)
			by_byte[i] = by_byte[i] >> 1 ^ (by_byte[i] & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ by_byte[(crc ^ data[i]) & 0xff];
	return ~crc;
}

bool gzip_is(const uint8_t *data, size_t size)
{
	return size > HEADER_SIZE + TRAILER_SIZE && data[0] == 0x1f && data[1] == 0x8b &&
	       data[2] == 8;
}

bool gzip_is_of(const uint8_t *data, size_t size, const uint8_t *content, size_t content_size)
{
	const uint8_t *trailer;

	if (!gzip_is(data, size))
		return false;
	trailer = data + size - TRAILER_SIZE;
	return load(trailer + 4) == (uint32_t)content_size &&
	       load(trailer) == checksum(content, content_size);
}
