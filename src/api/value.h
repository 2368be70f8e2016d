/* SPDX-License-Identifier: BSD-3-Clause */
/* Public values into a writer. */
#pragma once

#include <mitogen/types.h>
#include <stddef.h>

struct mitogen_writer;

/* Appends them; what cannot be written becomes the writer's error. */
void values_write(struct mitogen_writer *w, const mitogen_value *values, size_t count);
/* How many items that makes: a writer among them counts for what is in it. */
size_t values_count(const mitogen_value *values, size_t count);
/* Turns an error of the writer into one for its user. Returns the code. */
int values_fail(int writer_error, const char *what, mitogen_error *err);
