/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doubles in the narrower formats of IEEE 754. By bits alone, so that the result does not depend on
 * the FPU, its rounding mode or what a compiler may assume. NaNs are not narrowed: they have one
 * encoding, DOUBLE_NAN.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DOUBLE_NAN 0x7e00u /* in 16 bits */

struct double_format {
	unsigned exponent_bits, mantissa_bits;
};

extern const struct double_format double_half, double_single;

uint64_t double_bits(double value);
double double_of_bits(uint64_t bits);
bool double_is_nan(uint64_t bits);

/* Bits of a double to bits of the format; false if its value is not there. */
bool double_narrow(uint64_t bits, const struct double_format *format, uint32_t *ret);
/* And back; NaNs stay NaNs. */
uint64_t double_widen(uint32_t bits, const struct double_format *format);
