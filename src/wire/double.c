/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/double.h"

#include <string.h>

#define MANTISSA_BITS 52
#define EXPONENT_MAX  0x7ff /* infinities and NaNs */
#define BIAS          1023

#define HIDDEN (UINT64_C(1) << MANTISSA_BITS) /* the bit that normal numbers leave out */

const struct double_format double_half = {5, 10}, double_single = {8, 23};

uint64_t double_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

double double_of_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

bool double_is_nan(uint64_t bits)
{
	return (bits & ~(UINT64_C(1) << 63)) > (uint64_t)EXPONENT_MAX << MANTISSA_BITS;
}

bool double_narrow(uint64_t bits, const struct double_format *format, uint32_t *ret)
{
	int top = (1 << format->exponent_bits) - 1; /* of infinities */
	int exponent = (int)(bits >> MANTISSA_BITS & EXPONENT_MAX);
	int narrow = exponent - BIAS + (top >> 1);
	uint64_t mantissa = bits & (HIDDEN - 1);
	unsigned drop = MANTISSA_BITS - format->mantissa_bits;

	if (exponent == EXPONENT_MAX) {
		if (mantissa)
			return false;
		narrow = top;
	} else if (exponent == 0 && mantissa == 0) {
		narrow = 0;
	} else if (exponent == 0 || narrow >= top) {
		return false;
	} else if (narrow <= 0) { /* subnormal in the narrow format: no hidden bit there */
		mantissa |= HIDDEN;
		drop += (unsigned)(1 - narrow);
		if (drop > MANTISSA_BITS)
			return false;
		narrow = 0;
	}
	if (mantissa & ((UINT64_C(1) << drop) - 1))
		return false;
	*ret = (uint32_t)(bits >> 63) << (format->exponent_bits + format->mantissa_bits) |
	       (uint32_t)narrow << format->mantissa_bits | (uint32_t)(mantissa >> drop);
	return true;
}

uint64_t double_widen(uint32_t bits, const struct double_format *format)
{
	int top = (1 << format->exponent_bits) - 1;
	uint64_t sign = bits >> (format->exponent_bits + format->mantissa_bits) & 1;
	int exponent = (int)(bits >> format->mantissa_bits) & top;
	uint64_t mantissa = bits & ((UINT32_C(1) << format->mantissa_bits) - 1);

	mantissa <<= MANTISSA_BITS - format->mantissa_bits;
	if (exponent == top) {
		exponent = EXPONENT_MAX;
	} else if (exponent > 0) {
		exponent += BIAS - (top >> 1);
	} else if (mantissa) { /* subnormal there, normal here */
		exponent = BIAS - (top >> 1) + 1;
		for (; !(mantissa & HIDDEN); exponent--)
			mantissa <<= 1;
	}
	return sign << 63 | (uint64_t)exponent << MANTISSA_BITS | (mantissa & (HIDDEN - 1));
}
