/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "module/sha256.h"

static const char *hex(const void *data, size_t size)
{
	static char out[2 * SHA256_SIZE + 1];
	uint8_t hash[SHA256_SIZE];

	sha256(hash, data, size);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	return out;
}

/* The examples of FIPS 180-4 and of NIST's page for them. */
static void examples_of_the_standard(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	char *million = malloc(1000000);

	(void)state;
	assert_string_equal(hex("abc", 3),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(hex(NULL, 0),
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(hex(two_blocks, strlen(two_blocks)),
			    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', 1000000);
	assert_string_equal(hex(million, 1000000),
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

/* Where the end goes from one block into the next; values of coreutils' sha256sum. */
static void lengths_around_a_block(void **state)
{
	char data[65];

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_string_equal(hex(data, 55),
			    "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
	assert_string_equal(hex(data, 56),
			    "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
	assert_string_equal(hex(data, 63),
			    "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
	assert_string_equal(hex(data, 64),
			    "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
	assert_string_equal(hex(data, 65),
			    "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_standard),
		cmocka_unit_test(lengths_around_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
