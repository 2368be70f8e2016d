/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages made of values, as if they had arrived. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mitogen/mitogen.h>

#include "api/value.h"
#include "core/message.h"

static inline mitogen_message *message_of_values(const mitogen_value *values, size_t count)
{
	struct mitogen_writer w;
	mitogen_message *m;
	int error = 0;

	message_writer_init(&w);
	values_write(&w, values, count);
	m = message_from_writer(&w, &error);
	assert_non_null(m);
	return m;
}

/* MESSAGE(value): one that holds it. */
#define MESSAGE(...) message_of_values(MITOGEN_VALUES(~, __VA_ARGS__))
