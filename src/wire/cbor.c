/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/cbor.h"

const char *cbor_error_text(int error)
{
	switch ((enum cbor_error)error) {
	case CBOR_ERR_MEMORY:
		return "out of memory";
	case CBOR_ERR_UTF8:
		return "text is not valid UTF-8";
	case CBOR_ERR_NESTING:
		return "lists or maps are nested too deep or not balanced";
	case CBOR_ERR_KEY:
		return "a map needs text keys, each once and with a value";
	case CBOR_ERR_TOO_BIG:
		return "value too big";
	case CBOR_ERR_TRUNCATED:
		return "value cut short";
	case CBOR_ERR_MALFORMED:
		return "not in the canonical CBOR that is spoken here";
	case CBOR_ERR_TRAILING:
		return "bytes behind the value";
	case CBOR_ERR_TYPE:
		return "value of another type or out of range";
	case CBOR_ERR_NAME:
		return "it names a context that is not below its sender";
	}
	return error == 0 ? "no error" : "unknown CBOR error";
}
