/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <mitogen/mitogen.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/error.h"

/* Made apart from error, of which type and args may be parts. */
int mitogen_fail(mitogen_error *error, const char *type, const char *format, ...)
{
	mitogen_error made;
	va_list args;

	va_start(args, format);
	error_vset(&made, MITOGEN_ERR_CALL, format, args);
	va_end(args);
	error_set_type(&made, type);
	if (error)
		*error = made;
	return MITOGEN_ERR_CALL;
}

int mitogen_fail_errno(mitogen_error *error, const char *format, ...)
{
	int number = errno;
	mitogen_error text;
	va_list args;

	va_start(args, format);
	error_vset(&text, MITOGEN_ERR_CALL, format, args);
	va_end(args);
	errno = number;
	error_set_errno(error, "%s", text.text);
	if (error)
		error->code = MITOGEN_ERR_CALL;
	return MITOGEN_ERR_CALL;
}

const char *mitogen_code_name(int code)
{
	return error_code_name(code);
}

void mitogen_auto_text(char **text)
{
	free(*text);
}
