/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/sha256.h"

#include <string.h>

#include "wire/big_endian.h"

#define BLOCK 64

static const uint32_t constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned bits)
{
	return x >> bits | x << (32 - bits);
}

/* Words 16 to 63 are made of those before them, in a window of 16. */
static uint32_t next_word(uint32_t w[16], unsigned i)
{
	uint32_t before = w[(i + 1) & 15], late = w[(i + 14) & 15];
	uint32_t s0 = rotate(before, 7) ^ rotate(before, 18) ^ before >> 3;
	uint32_t s1 = rotate(late, 17) ^ rotate(late, 19) ^ late >> 10;

	return w[i & 15] += s0 + w[(i + 9) & 15] + s1;
}

/* The eight words stand in a ring, which turns by one with each step instead of being moved. */
#define AT(i) s[((i)-step) & 7]

static void add_block(uint32_t state[8], const uint8_t data[BLOCK])
{
	uint32_t w[16], s[8];

	for (unsigned i = 0; i < 16; i++)
		w[i] = big_endian_load32(data + 4 * (size_t)i);
	memcpy(s, state, sizeof(s));
#ifndef __OPTIMIZE_SIZE__ /* as the agent is */
#pragma GCC unroll 8
#endif
	for (unsigned step = 0; step < 64; step++) {
		uint32_t word = step < 16 ? w[step] : next_word(w, step), a = AT(0), e = AT(4);
		uint32_t choice = (e & AT(5)) ^ (~e & AT(6));
		uint32_t majority = (a & AT(1)) ^ (a & AT(2)) ^ (AT(1) & AT(2));
		uint32_t one = AT(7) + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice +
			       constants[step] + word;

		AT(3) += one;
		AT(7) = one + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
	}
	for (unsigned i = 0; i < 8; i++)
		state[i] += s[i];
}

/* What is left of less than a block, a one bit, and the length in bits, in one block or two. */
static void add_end(uint32_t state[8], const uint8_t *rest, size_t left, uint64_t size)
{
	uint8_t end[2 * BLOCK] = {0};
	size_t length = left < BLOCK - 8 ? BLOCK : 2 * BLOCK;

	memcpy(end, rest, left);
	end[left] = 0x80;
	big_endian_store32(end + length - 8, (uint32_t)(size >> 29));
	big_endian_store32(end + length - 4, (uint32_t)(size << 3));
	for (size_t at = 0; at < length; at += BLOCK)
		add_block(state, end + at);
}

void sha256(uint8_t out[SHA256_SIZE], const void *data, size_t size)
{
	uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	const uint8_t *at = data;
	size_t left = size;

	for (; left >= BLOCK; at += BLOCK, left -= BLOCK)
		add_block(state, at);
	add_end(state, left > 0 ? at : (const uint8_t *)"", left, size);
	for (size_t i = 0; i < 8; i++)
		big_endian_store32(out + 4 * i, state[i]);
}
