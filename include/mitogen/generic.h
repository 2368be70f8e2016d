/* SPDX-License-Identifier: BSD-3-Clause */
/* The macros of mitogen.h: C values and &variables become arrays of mitogen_value and mitogen_out. */
#pragma once

#include <mitogen/mitogen.h>

/* ---- Declarations ---- */

#define MITOGEN_EXPORT(...) MITOGEN_EXPORT_(MITOGEN_FIRST(__VA_ARGS__), __VA_ARGS__, 0)
#define MITOGEN_EXPORT_(fn, ...) MITOGEN_EXPORT_ENTRY(fn, MITOGEN_TAIL(__VA_ARGS__))
#define MITOGEN_EXPORT_ENTRY(fn, ...)                                                              \
	static const int mitogen_types_##fn[] = {__VA_ARGS__};                                     \
	static mitogen_export mitogen_export_##fn = {sizeof(mitogen_export), #fn, fn,              \
						     mitogen_types_##fn, {NULL, NULL}};            \
	__attribute__((__constructor__)) static void mitogen_register_##fn(void)                   \
	{                                                                                          \
		mitogen_register(&mitogen_export_##fn);                                            \
	}                                                                                          \
	_Static_assert(1, "")

#define MITOGEN_AUTO(kind, name) MITOGEN_AUTO_##kind name = NULL
#define MITOGEN_AUTO_message __attribute__((__cleanup__(mitogen_auto_message))) mitogen_message *
#define MITOGEN_AUTO_writer  __attribute__((__cleanup__(mitogen_auto_writer))) mitogen_writer *
#define MITOGEN_AUTO_text    __attribute__((__cleanup__(mitogen_auto_text))) char *
static inline void mitogen_auto_message(mitogen_message **m)
{
	mitogen_message_unref(*m);
}
static inline void mitogen_auto_writer(mitogen_writer **w)
{
	mitogen_writer_free(*w);
}

/* The first argument, which must be a mitogen_error * or NULL: a value in its place, where &err was
 * forgotten, does not compile. */
#define MITOGEN_ERR(...)	MITOGEN_ERR_(MITOGEN_FIRST(__VA_ARGS__))
#define MITOGEN_ERR_(e)	_Generic((e), mitogen_error *: (e), void *: (e))

/* ---- Keywords ---- */

#define MITOGEN_OPTIONS(type, ...)                                                                 \
	(&(const type){.size = sizeof(type), MITOGEN_TAIL(__VA_ARGS__)}), MITOGEN_ERR(__VA_ARGS__)

#define mitogen_start(argc, argv, ...)                                                             \
	mitogen_start_with((argc), (argv), MITOGEN_OPTIONS(mitogen_router_options, __VA_ARGS__))
#define mitogen_run(argc, argv, work, ...)                                                         \
	mitogen_run_with((argc), (argv), (work), MITOGEN_FIRST(__VA_ARGS__),                       \
			 &(const mitogen_router_options){.size = sizeof(mitogen_router_options),   \
							 MITOGEN_TAIL(__VA_ARGS__)})
#define mitogen_router_new(...)                                                                    \
	mitogen_router_new_with(MITOGEN_OPTIONS(mitogen_router_options, __VA_ARGS__))
#define mitogen_local(via, ...)                                                                    \
	mitogen_local_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_local_options, __VA_ARGS__))
#define mitogen_fork(via, ...)                                                                     \
	mitogen_fork_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_fork_options, __VA_ARGS__))
#define mitogen_ssh(via, ...)                                                                       \
	mitogen_ssh_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_ssh_options, __VA_ARGS__))
#define mitogen_sudo(via, ...)                                                                       \
	mitogen_sudo_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_sudo_options, __VA_ARGS__))
#define mitogen_su(via, ...)                                                                       \
	mitogen_su_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_su_options, __VA_ARGS__))
#define mitogen_doas(via, ...)                                                                       \
	mitogen_doas_with(MITOGEN_VIA(via), MITOGEN_OPTIONS(mitogen_doas_options, __VA_ARGS__))
#define mitogen_connect(via, method, options, err)                                                 \
	mitogen_connect_with(MITOGEN_VIA(via), (method), (options), (err))
#define mitogen_listen(router, ...)                                                                \
	mitogen_listen_with((router), MITOGEN_OPTIONS(mitogen_listen_options, __VA_ARGS__))
#define mitogen_join(path, ...)                                                                    \
	mitogen_join_with((path), MITOGEN_OPTIONS(mitogen_join_options, __VA_ARGS__))
#define mitogen_exec(context, argv, receiver, tag, ...)                                            \
	mitogen_exec_with((context), (argv), (receiver), (tag),                                    \
			  MITOGEN_OPTIONS(mitogen_exec_options, __VA_ARGS__))

#define mitogen_receiver_listen(receiver, ...)                                                     \
	mitogen_receiver_listen_with((receiver),                                                   \
				     MITOGEN_OPTIONS(mitogen_port_options, __VA_ARGS__))
#define mitogen_handler_new(router, function, ...)                                                 \
	mitogen_handler_new_with((router), (function),                                             \
				 MITOGEN_OPTIONS(mitogen_port_options, __VA_ARGS__))
#define mitogen_within(handle, timeout_ms)                                                         \
	_Generic((handle), mitogen_sender: mitogen_sender_within,                          \
		mitogen_context: mitogen_context_within)(                                          \
		(handle), (timeout_ms))

#define MITOGEN_VIA(via)                                                                           \
	_Generic((via), mitogen_router: mitogen_here, mitogen_context: mitogen_same)(via)
static inline mitogen_context mitogen_here(mitogen_router router)
{
	/* not mitogen_self, which could not say why it is none */
	return (mitogen_context){.router = router.ref, .ref = MITOGEN_HERE};
}
static inline mitogen_context mitogen_same(mitogen_context context)
{
	return context;
}

/* ---- Values ---- */

static inline mitogen_value mitogen_value_bool(bool x)
{
	return (mitogen_value){.type = MITOGEN_BOOL, .as.boolean = x};
}
static inline mitogen_value mitogen_value_int(long long x)
{
	return (mitogen_value){.type = MITOGEN_INT, .as.i = x};
}
static inline mitogen_value mitogen_value_uint(unsigned long long x)
{
	return (mitogen_value){.type = MITOGEN_INT, .is_unsigned = true, .as.u = x};
}
static inline mitogen_value mitogen_value_double(double x)
{
	return (mitogen_value){.type = MITOGEN_DOUBLE, .as.real = x};
}
static inline mitogen_value mitogen_value_bytes(mitogen_bytes x)
{
	return (mitogen_value){.type = MITOGEN_BYTES, .as.bytes = x};
}
static inline mitogen_value mitogen_value_secret(mitogen_secret x)
{
	return (mitogen_value){.type = MITOGEN_SECRET, .as.bytes = {x.data, x.size}};
}
static inline mitogen_value mitogen_value_context(mitogen_context x)
{
	return (mitogen_value){.type = MITOGEN_CONTEXT, .as.context = x};
}
static inline mitogen_value mitogen_value_sender(mitogen_sender x)
{
	return (mitogen_value){.type = MITOGEN_SENDER, .as.sender = x};
}
static inline mitogen_value mitogen_value_writer(const mitogen_writer *x)
{
	return (mitogen_value){.type = (mitogen_type)0, .as.writer = x};
}
static inline mitogen_value mitogen_value_same(mitogen_value x)
{
	return x;
}

#define MITOGEN_VALUE(x)                                                                           \
	_Generic((x),                                                                              \
		bool: mitogen_value_bool,                                                          \
		signed char: mitogen_value_int,                                                    \
		short: mitogen_value_int,                                                          \
		int: mitogen_value_int,                                                            \
		long: mitogen_value_int,                                                           \
		long long: mitogen_value_int,                                                      \
		unsigned char: mitogen_value_uint,                                                 \
		unsigned short: mitogen_value_uint,                                                \
		unsigned: mitogen_value_uint,                                                      \
		unsigned long: mitogen_value_uint,                                                 \
		unsigned long long: mitogen_value_uint,                                            \
		float: mitogen_value_double,                                                       \
		double: mitogen_value_double,                                                      \
		char *: mitogen_value_string,                                                      \
		const char *: mitogen_value_string,                                                \
		mitogen_bytes: mitogen_value_bytes,                                                \
		mitogen_secret: mitogen_value_secret,                                              \
		mitogen_context: mitogen_value_context,                                            \
		mitogen_sender: mitogen_value_sender,                                              \
		mitogen_writer *: mitogen_value_writer,                                            \
		const mitogen_writer *: mitogen_value_writer,                                      \
		mitogen_value: mitogen_value_same)(x)

/* An array never empty, so that "no values" is valid C: the pointer goes past its first item. */
#define MITOGEN_VALUES(...)                                                                        \
	((const mitogen_value[]){{.type = MITOGEN_NIL} MITOGEN_EACH(MITOGEN_VALUE, __VA_ARGS__)} + \
	 1),                                                                                       \
		MITOGEN_COUNT(__VA_ARGS__)
#define MITOGEN_ITEMS(bit, ...)                                                                    \
	((mitogen_value){.type = (bit),                                                            \
			 .count = MITOGEN_COUNT(~, __VA_ARGS__),                                   \
			 .as.items = (const mitogen_value[]){                                      \
				 {.type = MITOGEN_NIL} MITOGEN_EACH(MITOGEN_VALUE, ~, __VA_ARGS__)} + 1})
#define mitogen_list(...) MITOGEN_ITEMS(MITOGEN_LIST, __VA_ARGS__)
#define mitogen_map(...)  MITOGEN_ITEMS(MITOGEN_MAP, __VA_ARGS__)

/* ---- Calls ---- */

#define MITOGEN_TARGET(fn)                                                                         \
	_Generic((fn), char *: NULL, const char *: NULL, default: (fn)),                           \
		_Generic((fn), char *: (fn), const char *: (fn), default: NULL)

#define mitogen_call(context, fn, ret, ...)                                                        \
	mitogen_call_with((context), MITOGEN_TARGET(fn), MITOGEN_RESULT(ret),                      \
			  MITOGEN_ERR(__VA_ARGS__), MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_call_async(context, fn, receiver, tag, ...)                                        \
	mitogen_call_async_with((context), MITOGEN_TARGET(fn), (receiver), (tag),                  \
				MITOGEN_ERR(__VA_ARGS__), MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_call_no_reply(context, fn, ...)                                                    \
	mitogen_call_no_reply_with((context), MITOGEN_TARGET(fn), MITOGEN_ERR(__VA_ARGS__),      \
				   MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_channel_open(context, fn, ...)                                                     \
	mitogen_channel_open_with((context), MITOGEN_TARGET(fn), MITOGEN_ERR(__VA_ARGS__),         \
				  MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_reply(m, ...)                                                                      \
	mitogen_reply_with((m), MITOGEN_ERR(__VA_ARGS__), MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_send(to, ...)                                                                      \
	mitogen_send_with((to), MITOGEN_ERR(__VA_ARGS__), MITOGEN_VALUES(__VA_ARGS__))
#define mitogen_write(w, ...) mitogen_write_with((w), MITOGEN_VALUES(~, __VA_ARGS__))

/* ---- Reading ---- */

#define MITOGEN_OUT_OWNED                                                                          \
	bool *: MITOGEN_OUT_BOOL,                                                                  \
	signed char *: MITOGEN_OUT_INT,                                                            \
	short *: MITOGEN_OUT_INT,                                                                  \
	int *: MITOGEN_OUT_INT,                                                                    \
	long *: MITOGEN_OUT_INT,                                                                   \
	long long *: MITOGEN_OUT_INT,                                                              \
	unsigned char *: MITOGEN_OUT_UINT,                                                         \
	unsigned short *: MITOGEN_OUT_UINT,                                                        \
	unsigned *: MITOGEN_OUT_UINT,                                                              \
	unsigned long *: MITOGEN_OUT_UINT,                                                         \
	unsigned long long *: MITOGEN_OUT_UINT,                                                    \
	float *: MITOGEN_OUT_FLOAT,                                                                \
	double *: MITOGEN_OUT_DOUBLE,                                                              \
	char **: MITOGEN_OUT_DUP,                                                                  \
	mitogen_context *: MITOGEN_OUT_CONTEXT,                                                    \
	mitogen_sender *: MITOGEN_OUT_SENDER
#define MITOGEN_OUT(p)                                                                             \
	{                                                                                          \
		_Generic((p), MITOGEN_OUT_OWNED,                                                   \
			const char **: MITOGEN_OUT_STRING,                                         \
			mitogen_bytes *: MITOGEN_OUT_BYTES,                                        \
			mitogen_secret *: MITOGEN_OUT_SECRET,                                      \
			mitogen_cursor *: MITOGEN_OUT_CURSOR),                                     \
			sizeof(*(p)), (p)                                                          \
	}
#define MITOGEN_RESULT(p)                                                                          \
	((mitogen_out){_Generic((p), MITOGEN_OUT_OWNED,                                            \
			mitogen_message **: MITOGEN_OUT_MESSAGE,                                   \
			void *: MITOGEN_OUT_NONE),                                                 \
		       sizeof(*_Generic((p), void *: (char *)NULL, default: (p))), (p)})
#define MITOGEN_OUTS(...)                                                                          \
	((const mitogen_out[]){{MITOGEN_OUT_NONE, 0, NULL} MITOGEN_EACH(MITOGEN_OUT, __VA_ARGS__)} + \
	 1),                                                                                       \
		MITOGEN_COUNT(__VA_ARGS__)

#define mitogen_read(from, ...)                                                                    \
	_Generic((from), mitogen_message *: mitogen_read_with,                                     \
		default: mitogen_read_cursor_with)((from), MITOGEN_ERR(__VA_ARGS__),             \
						   MITOGEN_OUTS(__VA_ARGS__))
#define mitogen_next(cursor, ...)                                                                  \
	mitogen_next_with((cursor), MITOGEN_ERR(__VA_ARGS__), MITOGEN_OUTS(__VA_ARGS__))
#define mitogen_find(cursor, key, err, p)                                                          \
	mitogen_find_with((cursor), (key), (err), (mitogen_out)MITOGEN_OUT(p))

/* ---- Machinery: MITOGEN_EACH(F, err, a, b) is `, F(a), F(b)`; COUNT(err, a, b) is 2. ---- */

#define MITOGEN_FIRST(...)	 MITOGEN_FIRST_(__VA_ARGS__, )
#define MITOGEN_FIRST_(a, ...)	 a
#define MITOGEN_TAIL(...)	 MITOGEN_TAIL_(__VA_ARGS__, )
#define MITOGEN_TAIL_(a, ...)	 __VA_ARGS__
#define MITOGEN_JOIN(a, b)	 MITOGEN_JOIN_(a, b)
#define MITOGEN_JOIN_(a, b)	 a##b
#define MITOGEN_EACH(F, ...)	 MITOGEN_JOIN(MITOGEN_EACH_, MITOGEN_COUNT(__VA_ARGS__))(F, __VA_ARGS__)
#define MITOGEN_COUNT(...)                                                                         \
	MITOGEN_COUNT_(__VA_ARGS__, AT_MOST_16_VALUES, AT_MOST_16_VALUES, AT_MOST_16_VALUES,       \
		       AT_MOST_16_VALUES, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, )
#define MITOGEN_COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, count, ...) \
	count
#define MITOGEN_EACH_0(F, _)
#define MITOGEN_EACH_1(F, _, x)	      , F(x)
#define MITOGEN_EACH_2(F, _, x, ...)  , F(x) MITOGEN_EACH_1(F, _, __VA_ARGS__)
#define MITOGEN_EACH_3(F, _, x, ...)  , F(x) MITOGEN_EACH_2(F, _, __VA_ARGS__)
#define MITOGEN_EACH_4(F, _, x, ...)  , F(x) MITOGEN_EACH_3(F, _, __VA_ARGS__)
#define MITOGEN_EACH_5(F, _, x, ...)  , F(x) MITOGEN_EACH_4(F, _, __VA_ARGS__)
#define MITOGEN_EACH_6(F, _, x, ...)  , F(x) MITOGEN_EACH_5(F, _, __VA_ARGS__)
#define MITOGEN_EACH_7(F, _, x, ...)  , F(x) MITOGEN_EACH_6(F, _, __VA_ARGS__)
#define MITOGEN_EACH_8(F, _, x, ...)  , F(x) MITOGEN_EACH_7(F, _, __VA_ARGS__)
#define MITOGEN_EACH_9(F, _, x, ...)  , F(x) MITOGEN_EACH_8(F, _, __VA_ARGS__)
#define MITOGEN_EACH_10(F, _, x, ...) , F(x) MITOGEN_EACH_9(F, _, __VA_ARGS__)
#define MITOGEN_EACH_11(F, _, x, ...) , F(x) MITOGEN_EACH_10(F, _, __VA_ARGS__)
#define MITOGEN_EACH_12(F, _, x, ...) , F(x) MITOGEN_EACH_11(F, _, __VA_ARGS__)
#define MITOGEN_EACH_13(F, _, x, ...) , F(x) MITOGEN_EACH_12(F, _, __VA_ARGS__)
#define MITOGEN_EACH_14(F, _, x, ...) , F(x) MITOGEN_EACH_13(F, _, __VA_ARGS__)
#define MITOGEN_EACH_15(F, _, x, ...) , F(x) MITOGEN_EACH_14(F, _, __VA_ARGS__)
#define MITOGEN_EACH_16(F, _, x, ...) , F(x) MITOGEN_EACH_15(F, _, __VA_ARGS__)
