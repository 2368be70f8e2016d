/* SPDX-License-Identifier: BSD-3-Clause */
/* Big-endian integers in bytes of any alignment; compilers make one load or store of each. */
#pragma once

#include <stdint.h>

static inline uint16_t big_endian_load16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t big_endian_load32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static inline uint64_t big_endian_load64(const uint8_t *from)
{
	return (uint64_t)big_endian_load32(from) << 32 | big_endian_load32(from + 4);
}

static inline void big_endian_store16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static inline void big_endian_store32(uint8_t *to, uint32_t value)
{
	big_endian_store16(to, (uint16_t)(value >> 16));
	big_endian_store16(to + 2, (uint16_t)value);
}

static inline void big_endian_store64(uint8_t *to, uint64_t value)
{
	big_endian_store32(to, (uint32_t)(value >> 32));
	big_endian_store32(to + 4, (uint32_t)value);
}
