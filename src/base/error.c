/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int error_vset(mitogen_error *err, int code, const char *format, va_list args)
{
	if (!err)
		return code;
	err->code = code;
	err->sys = 0;
	err->type[0] = err->where[0] = '\0';
	vsnprintf(err->text, sizeof(err->text), format, args);
	return code;
}

int error_set(mitogen_error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_vset(err, code, format, args);
	va_end(args);
	return code;
}

int error_set_errno(mitogen_error *err, const char *format, ...)
{
	int number = errno;
	va_list args;
	size_t used;

	va_start(args, format);
	error_vset(err, MITOGEN_ERR_SYSTEM, format, args);
	va_end(args);
	if (err) {
		used = strlen(err->text);
		snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(number));
		err->sys = number;
		error_set_type(err, error_errno_name(number));
	}
	return MITOGEN_ERR_SYSTEM;
}

int error_set_memory(mitogen_error *err)
{
	return error_set(err, MITOGEN_ERR_MEMORY, "out of memory");
}

int error_prefix(mitogen_error *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;
	int used;

	if (!err)
		return MITOGEN_OK;
	va_start(args, format);
	used = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(text)) {
		snprintf(text + used, sizeof(text) - (size_t)used, "%s", err->text);
		memcpy(err->text, text, sizeof(text));
	}
	return err->code;
}

void error_set_type(mitogen_error *err, const char *type)
{
	if (err)
		snprintf(err->type, sizeof(err->type), "%s", type ? type : "");
}

void error_set_where(mitogen_error *err, const char *path, const char *function)
{
	if (err)
		snprintf(err->where, sizeof(err->where), "%s%s%s", path ? path : "",
			 path && *path && function ? ": " : "", function ? function : "");
}

const char *error_errno_name(int number)
{
#define NAME(e)                                                                                    \
	case e:                                                                                    \
		return #e
	switch (number) {
		NAME(E2BIG);
		NAME(EACCES);
		NAME(EAGAIN);
		NAME(EBADF);
		NAME(EBUSY);
		NAME(ECHILD);
		NAME(ECONNREFUSED);
		NAME(ECONNRESET);
		NAME(EEXIST);
		NAME(EFAULT);
		NAME(EFBIG);
		NAME(EINTR);
		NAME(EINVAL);
		NAME(EIO);
		NAME(EISDIR);
		NAME(ELOOP);
		NAME(EMFILE);
		NAME(ENAMETOOLONG);
		NAME(ENFILE);
		NAME(ENODEV);
		NAME(ENOENT);
		NAME(ENOEXEC);
		NAME(ENOMEM);
		NAME(ENOSPC);
		NAME(ENOSYS);
		NAME(ENOTDIR);
		NAME(ENOTEMPTY);
		NAME(EPERM);
		NAME(EPIPE);
		NAME(EROFS);
		NAME(ESRCH);
		NAME(ETIMEDOUT);
		NAME(ETXTBSY);
		NAME(EXDEV);
	default:
		return "OSError";
	}
#undef NAME
}

const char *error_code_name(int code)
{
	static const char *const names[] = {
		"MITOGEN_OK",          "MITOGEN_ERR_USAGE",    "MITOGEN_ERR_MEMORY",
		"MITOGEN_ERR_SYSTEM",  "MITOGEN_ERR_CONNECT",  "MITOGEN_ERR_AUTH",
		"MITOGEN_ERR_LOST",    "MITOGEN_ERR_TIMEOUT",  "MITOGEN_ERR_CALL",
		"MITOGEN_ERR_UNKNOWN", "MITOGEN_ERR_ARGUMENT", "MITOGEN_ERR_REFUSED",
		"MITOGEN_ERR_TYPE",    "MITOGEN_ERR_CLOSED",   "MITOGEN_ERR_TOO_BIG",
		"MITOGEN_ERR_NO_IDS",  "MITOGEN_ERR_DEADLOCK", "MITOGEN_ERR_FORKED",
	};
	size_t number = (size_t) - (long)code;

	return number < sizeof(names) / sizeof(names[0]) ? names[number] : "";
}
