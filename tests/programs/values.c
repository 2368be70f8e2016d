/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of all types, there and back. */
#include "scenario.h"

/* ---- Functions ---- */

static void copy_value(mitogen_writer *w, mitogen_cursor *from);

static void copy_scalar(mitogen_writer *w, const mitogen_cursor *from)
{
	uint64_t large;
	int64_t integer;
	bool boolean;
	double real;
	mitogen_bytes bytes;
	mitogen_secret secret;
	mitogen_context context;
	mitogen_sender sender;

	switch (mitogen_cursor_type(from)) {
	case MITOGEN_BOOL:
		EXPECT_OK(mitogen_read(from, &err, &boolean));
		mitogen_write(w, boolean);
		break;
	case MITOGEN_INT:
		if (mitogen_read(from, &err, &integer) == 0) {
			mitogen_write(w, integer);
			break;
		}
		EXPECT_OK(mitogen_read(from, &err, &large));
		mitogen_write(w, large);
		break;
	case MITOGEN_DOUBLE:
		EXPECT_OK(mitogen_read(from, &err, &real));
		mitogen_write(w, real);
		break;
	case MITOGEN_TEXT:
		EXPECT_OK(mitogen_read(from, &err, &bytes));
		mitogen_write(w, mitogen_text(bytes.data, bytes.size));
		break;
	case MITOGEN_BYTES:
		EXPECT_OK(mitogen_read(from, &err, &bytes));
		mitogen_write(w, bytes);
		break;
	case MITOGEN_BLOB:
		EXPECT_OK(mitogen_read(from, &err, &bytes));
		mitogen_write(w, mitogen_blob(bytes.data, bytes.size));
		break;
	case MITOGEN_SECRET:
		EXPECT_OK(mitogen_read(from, &err, &secret));
		mitogen_write(w, secret);
		break;
	case MITOGEN_CONTEXT:
		EXPECT_OK(mitogen_read(from, &err, &context));
		mitogen_write(w, context);
		break;
	case MITOGEN_SENDER:
		EXPECT_OK(mitogen_read(from, &err, &sender));
		mitogen_write(w, sender);
		break;
	default:
		mitogen_write(w, mitogen_nil());
	}
}

static void copy_list(mitogen_writer *w, mitogen_cursor *from)
{
	mitogen_cursor item;

	mitogen_begin_list(w);
	while (mitogen_next(from, &err, &item) == 1)
		copy_value(w, &item);
	mitogen_end(w);
}

static void copy_map(mitogen_writer *w, mitogen_cursor *from)
{
	const char *key;
	mitogen_cursor item;

	mitogen_begin_map(w);
	while (mitogen_next(from, &err, &key, &item) == 1) {
		mitogen_write(w, key);
		copy_value(w, &item);
	}
	mitogen_end(w);
}

static void copy_value(mitogen_writer *w, mitogen_cursor *from)
{
	if (mitogen_cursor_type(from) == MITOGEN_LIST)
		copy_list(w, from);
	else if (mitogen_cursor_type(from) == MITOGEN_MAP)
		copy_map(w, from);
	else
		copy_scalar(w, from);
}

/* Takes a value apart and builds it again. */
static int echo(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(writer, w);
	mitogen_cursor value;
	int r = mitogen_read(m, error, &value);

	if (r < 0)
		return r;
	w = mitogen_writer_new();
	copy_value(w, &value);
	return mitogen_reply(m, error, w);
}
MITOGEN_EXPORT(echo, MITOGEN_ANY);

/* ---- Scenarios ---- */

#define EXPECT_ECHO(type, value, same)                                                             \
	do {                                                                                       \
		type back;                                                                         \
		MITOGEN_AUTO(message, m);                                                          \
		EXPECT_OK(mitogen_call(child, echo, &m, &err, value));                             \
		EXPECT_OK(mitogen_read(m, &err, &back));                                           \
		EXPECT(same);                                                                      \
	} while (0)

static void scalars(void)
{
	static const char zeros[5] = "a\0b\0";
	mitogen_context child = new_child(router, &err), self = mitogen_self(router);
	mitogen_sender port = {.router = router.ref, .context = 0, .handle = 4711};

	EXPECT_ECHO(bool, (bool)true, back);
	EXPECT_ECHO(bool, (bool)false, !back);
	EXPECT_ECHO(signed char, (signed char)-128, back == -128);
	EXPECT_ECHO(unsigned char, (unsigned char)255, back == 255);
	EXPECT_ECHO(short, (short)SHRT_MIN, back == SHRT_MIN);
	EXPECT_ECHO(unsigned short, (unsigned short)USHRT_MAX, back == USHRT_MAX);
	EXPECT_ECHO(int, INT_MIN, back == INT_MIN);
	EXPECT_ECHO(unsigned, UINT_MAX, back == UINT_MAX);
	EXPECT_ECHO(long, LONG_MIN, back == LONG_MIN);
	EXPECT_ECHO(unsigned long, ULONG_MAX, back == ULONG_MAX);
	EXPECT_ECHO(long long, LLONG_MIN, back == LLONG_MIN);
	EXPECT_ECHO(unsigned long long, ULLONG_MAX, back == ULLONG_MAX);
	EXPECT_ECHO(float, 0.1F, back == 0.1F);
	EXPECT_ECHO(double, 0.1, back == 0.1);
	EXPECT_ECHO(const char *, "gr\xc3\xbc\xc3\x9f", strcmp(back, "gr\xc3\xbc\xc3\x9f") == 0);
	EXPECT_ECHO(const char *, (char *)NULL, back == NULL);
	EXPECT_ECHO(const char *, mitogen_path("/\xff"), strcmp(back, "/\xff") == 0);
	EXPECT_ECHO(mitogen_bytes, mitogen_bytes_of(zeros, 5),
		    back.size == 5 && memcmp(back.data, zeros, 5) == 0);
	EXPECT_ECHO(mitogen_bytes, mitogen_blob("xy", 2), back.size == 2);
	EXPECT_ECHO(mitogen_secret, mitogen_secret_of("hush"),
		    back.size == 4 && strcmp(back.data, "hush") == 0);
	EXPECT_ECHO(mitogen_sender, port, memcmp(&back, &port, sizeof(port)) == 0);
	EXPECT_ECHO(mitogen_context, self, mitogen_context_id(back) == 0);
	EXPECT_ECHO(mitogen_context, child, mitogen_context_id(back) == mitogen_context_id(child));
	EXPECT_ECHO(mitogen_context, (mitogen_context){0}, back.ref == 0);
	EXPECT_ECHO(int, mitogen_nil(), back == 0);
}

static void containers(void)
{
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(writer, w);
	mitogen_cursor map, list, item;
	const char *key;
	int first, second, total = 0;

	w = mitogen_writer_new();
	mitogen_begin_list(w);
	mitogen_end(w);
	EXPECT_OK(mitogen_call(child, echo, &m, &err,
			       mitogen_map("b", mitogen_list(1, w, 2), "a", 7, "", true)));
	EXPECT_OK(mitogen_read(m, &err, &map));
	EXPECT(mitogen_cursor_type(&map) == MITOGEN_MAP && mitogen_cursor_count(&map) == 3);
	EXPECT(mitogen_find(&map, "a", &err, &first) == 1 && first == 7);
	EXPECT(mitogen_find(&map, "c", &err, &first) == 0);
	EXPECT(mitogen_find(&map, "b", &err, &list) == 1);
	EXPECT_OK(mitogen_read(&list, &err, &first, &item, &second));
	EXPECT(first == 1 && second == 2);
	EXPECT(mitogen_cursor_type(&item) == MITOGEN_LIST && mitogen_cursor_count(&item) == 0);
	EXPECT(mitogen_next(&item, &err, &first) == 0);

	EXPECT_OK(mitogen_call(child, echo, &m, &err, mitogen_map("one", 1, "two", 2)));
	EXPECT_OK(mitogen_read(m, &err, &map));
	while (mitogen_next(&map, &err, &key, &first) == 1)
		total += first * (int)strlen(key);
	EXPECT(total == 9);
}

/* What a loop of a writer builds, in a list of 1000 maps. */
static void writers(void)
{
	mitogen_context child = new_child(router, &err);
	MITOGEN_AUTO(writer, w);
	MITOGEN_AUTO(message, m);
	mitogen_cursor list, item;
	int number, next = 0;

	w = mitogen_writer_new();
	mitogen_begin_list(w);
	for (int i = 0; i < 1000; i++)
		mitogen_write(w, mitogen_map("number", i, "text", "some text"));
	mitogen_end(w);
	EXPECT_OK(mitogen_call(child, echo, &m, &err, w));
	EXPECT_OK(mitogen_read(m, &err, &list));
	for (; mitogen_next(&list, &err, &item) == 1; next++)
		EXPECT(mitogen_find(&item, "number", &err, &number) == 1 && number == next);
	EXPECT(next == 1000);
}

/* What cannot be written is the caller's mistake; nothing is sent. */
static void mistakes(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(writer, w);
	int back;

	EXPECT_FAILURE(mitogen_call(child, echo, &back, &err, "\xff"), MITOGEN_ERR_TYPE, "UTF-8");
	w = mitogen_writer_new();
	mitogen_begin_list(w);
	EXPECT_FAILURE(mitogen_call(child, echo, &back, &err, w), MITOGEN_ERR_TYPE, "echo: ");
	EXPECT_FAILURE(mitogen_call_async(child, echo, receiver, NULL, &err, w), MITOGEN_ERR_TYPE,
		       "echo: ");
	EXPECT_FAILURE(mitogen_call_no_reply(child, echo, &err, w), MITOGEN_ERR_TYPE, "echo: ");
	EXPECT_OK(mitogen_call(child, echo, &back, &err, 7));
	EXPECT(back == 7);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* Messages and what they lend stay valid; what needs the router is none. */
static void message_after_close(void)
{
	mitogen_router other = new_router(&err);
	mitogen_context child = new_child(other, &err), back;
	MITOGEN_AUTO(message, m);
	const char *text;

	EXPECT_OK(mitogen_call(child, echo, &m, &err, mitogen_list("kept", child)));
	mitogen_router_close(other);
	EXPECT_FAILURE(mitogen_read(m, &err, &text, &back), MITOGEN_ERR_CLOSED, "closed");
	EXPECT(mitogen_message_from(m).ref == 0);
	EXPECT(mitogen_message_router(m).ref == other.ref);
	EXPECT_FAILURE(mitogen_call(child, echo, &m, &err, 1), MITOGEN_ERR_CLOSED, "closed");
	err.code = 0;
	EXPECT_FAILURE((new_child(other, &err), err.code), MITOGEN_ERR_CLOSED, "closed");
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"scalars", scalars},
		{"containers", containers},
		{"writers", writers},
		{"mistakes", mistakes},
		{"message_after_close", message_after_close},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
