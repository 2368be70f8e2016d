/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of exported functions in a child: values, failures, time limits, many at once. */
#include <errno.h>
#include <pthread.h>

#include "scenario.h"

/* ---- Functions ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

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

static int refuse(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	return mitogen_fail(error, "KeyError", "no user \"%s\" here", "nobody");
}
MITOGEN_EXPORT(refuse);

static int open_missing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	errno = ENOENT;
	return mitogen_fail_errno(error, "cannot open %s", "/some/file");
}
MITOGEN_EXPORT(open_missing);

static int fail_silently(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return MITOGEN_ERR_TOO_BIG;
}
MITOGEN_EXPORT(fail_silently);

static int fail_after_reply(mitogen_message *m, mitogen_error *error)
{
	int r = mitogen_reply(m, error, 7);

	return r < 0 ? r : mitogen_fail(error, NULL, "too late");
}
MITOGEN_EXPORT(fail_after_reply);

static int reply_twice(mitogen_message *m, mitogen_error *error)
{
	int first = mitogen_reply(m, error, 1);

	return first < 0 ? first : mitogen_reply(m, error, 2) == MITOGEN_ERR_USAGE ? 0 : -1;
}
MITOGEN_EXPORT(reply_twice);

static int reply_nothing(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(reply_nothing);

static int reply_several(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, 1, "two", 3.5);
}
MITOGEN_EXPORT(reply_several);

static int reply_bytes(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(text, data);
	size_t size;
	int r = mitogen_read(m, error, &size);

	if (r < 0)
		return r;
	data = malloc(size);
	if (!data)
		return mitogen_fail_errno(error, "no memory");
	memset(data, 'x', size);
	return mitogen_reply(m, error, mitogen_bytes_of(data, size));
}
MITOGEN_EXPORT(reply_bytes, MITOGEN_INT);

static int count_bytes(mitogen_message *m, mitogen_error *error)
{
	mitogen_bytes bytes;
	int r = mitogen_read(m, error, &bytes);

	return r < 0 ? r : mitogen_reply(m, error, bytes.size);
}
MITOGEN_EXPORT(count_bytes, MITOGEN_BYTES);

/* With defaults for what is left out. */
static int scale(mitogen_message *m, mitogen_error *error)
{
	int number, factor;
	const char *unit;
	int r = mitogen_read(m, error, &number, &factor, &unit);
	char text[64];

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%d %s", number * (factor ? factor : 10), unit ? unit : "m");
	return mitogen_reply(m, error, text);
}
MITOGEN_EXPORT(scale, MITOGEN_INT, MITOGEN_INT | MITOGEN_NIL, MITOGEN_TEXT | MITOGEN_NIL);

static int sum_all(mitogen_message *m, mitogen_error *error)
{
	int values[8] = {0};
	int r = mitogen_read(m, error, &values[0], &values[1], &values[2], &values[3]);

	return r < 0 ? r : mitogen_reply(m, error, values[0] + values[1] + values[2] + values[3]);
}
MITOGEN_EXPORT(sum_all, MITOGEN_INT, MITOGEN_REST);

/* Says on a fifo that it runs, then waits at another. */
static int meet(mitogen_message *m, mitogen_error *error)
{
	const char *started, *go_on;
	int r = mitogen_read(m, error, &started, &go_on);

	if (r < 0)
		return r;
	meet_as_writer(started);
	meet_as_reader(go_on);
	return mitogen_reply(m, error, "met");
}
MITOGEN_EXPORT(meet, MITOGEN_TEXT, MITOGEN_TEXT);

static int not_exported(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, 0);
}

/* ---- Scenarios ---- */

static void by_pointer_and_name(void)
{
	mitogen_context child = mitogen_local(router, &err);
	char name[64];
	int sum = 0;

	EXPECT_OK(mitogen_call(child, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
	EXPECT_OK(mitogen_call(child, "add", &sum, &err, -1, INT64_C(-2)));
	EXPECT(sum == -3);
	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT(strcmp(mitogen_context_name(child, name, sizeof(name)), "local.1") == 0);
	EXPECT(err.code == 0);
}

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
	mitogen_context child = mitogen_local(router, &err), self = mitogen_self(router);
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
	mitogen_context child = mitogen_local(router, &err);
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
	mitogen_context child = mitogen_local(router, &err);
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

static void results(void)
{
	mitogen_context child = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	MITOGEN_AUTO(text, copy);
	int one = 9;
	double three;

	EXPECT_OK(mitogen_call(child, reply_several, &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &one, &copy, &three));
	EXPECT(one == 1 && strcmp(copy, "two") == 0 && three == 3.5);
	EXPECT_OK(mitogen_call(child, reply_nothing, &one, &err));
	EXPECT(one == 0);
	EXPECT_OK(mitogen_call(child, reply_twice, &one, &err));
	EXPECT(one == 1);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 1));
	one = 5;
	EXPECT_FAILURE(mitogen_call(child, reply_several, &one, &err), MITOGEN_ERR_TYPE, "a list");
	EXPECT(one == 5);
}

static void failures(void)
{
	mitogen_context child = mitogen_local(router, &err, .name = "db");
	int result = 5;

	EXPECT_FAILURE(mitogen_call(child, refuse, &result, &err), MITOGEN_ERR_CALL,
		       "db: refuse: no user \"nobody\" here");
	EXPECT(strcmp(err.type, "KeyError") == 0 && strcmp(err.where, "db: refuse") == 0);
	EXPECT(err.sys == 0 && result == 5);
	EXPECT_FAILURE(mitogen_call(child, open_missing, &result, &err), MITOGEN_ERR_CALL,
		       "cannot open /some/file: No such file or directory");
	EXPECT(strcmp(err.type, "ENOENT") == 0 && err.sys == ENOENT);
	EXPECT_FAILURE(mitogen_call(child, fail_silently, NULL, &err), MITOGEN_ERR_CALL,
		       "fail_silently");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	EXPECT_OK(mitogen_call(child, add, &result, &err, 1, 2));
	EXPECT(result == 3);
	EXPECT(mitogen_call(child, refuse, NULL, NULL) == MITOGEN_ERR_CALL);
}

static void failure_after_reply(void)
{
	mitogen_context child = mitogen_local(router, &err);
	int result;

	EXPECT_OK(mitogen_call(child, fail_after_reply, &result, &err));
	EXPECT(result == 7);
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

static void arguments(void)
{
	mitogen_context child = mitogen_local(router, &err);
	MITOGEN_AUTO(text, text);
	int sum = 5;

	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1), MITOGEN_ERR_ARGUMENT,
		       "argument 2 is missing");
	EXPECT(sum == 5);
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, 2, 3), MITOGEN_ERR_ARGUMENT,
		       "3 arguments");
	EXPECT_FAILURE(mitogen_call(child, add, &sum, &err, 1, "2"), MITOGEN_ERR_ARGUMENT,
		       "argument 2 is of another type");
	EXPECT(strcmp(err.where, "local.1: add") == 0);

	EXPECT_OK(mitogen_call(child, scale, &text, &err, 4));
	EXPECT(strcmp(text, "40 m") == 0);
	free(text);
	text = NULL;
	EXPECT_OK(mitogen_call(child, scale, &text, &err, 4, mitogen_nil(), "s"));
	EXPECT(strcmp(text, "40 s") == 0);
	EXPECT_OK(mitogen_call(child, sum_all, &sum, &err, 1, 2, 3));
	EXPECT(sum == 6);
	EXPECT_FAILURE(mitogen_call(child, echo, &sum, &err, "\xff"), MITOGEN_ERR_TYPE, "UTF-8");
}

static void unknown_functions(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_FAILURE(mitogen_call(child, not_exported, NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "MITOGEN_EXPORT");
	EXPECT_FAILURE(mitogen_call(child, "adn", NULL, &err), MITOGEN_ERR_UNKNOWN, "\"adn\"");
	EXPECT(strcmp(err.where, "local.1: adn") == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_self(router), add, NULL, &err, 1, 2),
		       MITOGEN_ERR_DEADLOCK, "itself");
}

/* Nobody waits for these; each failure shows in the log. */
static void without_reply(void)
{
	mitogen_context child = mitogen_local(router, &err);

	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT_OK(mitogen_call_no_reply(child, add, &err, 1, 2));
	EXPECT_OK(mitogen_call_no_reply(child, refuse, &err));
	EXPECT_OK(mitogen_call_no_reply(child, "adn", &err, 1, 2));
	EXPECT_OK(mitogen_call_no_reply(child, add, &err, "x", 2));
	EXPECT_OK(mitogen_context_shutdown(child, &err));
}

/* A call through a handle of none keeps the reason why it is none. */
static void first_error_stays(void)
{
	mitogen_context child = mitogen_local(router, &err, .name = "a/b");
	mitogen_context none = {0};
	mitogen_error first = err;
	mitogen_receiver receiver;

	EXPECT(child.ref == 0 && first.code == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_call(child, add, NULL, &err, 1, 2) == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_context_wait(child, &err) == MITOGEN_ERR_USAGE);
	receiver = mitogen_receiver_new(router, &err);
	EXPECT(mitogen_call_async(child, add, receiver, NULL, &err, 1, 2) == MITOGEN_ERR_USAGE);
	EXPECT(strcmp(err.text, first.text) == 0);
	err.code = 0;
	EXPECT_FAILURE(mitogen_call(none, add, NULL, &err, 1, 2), MITOGEN_ERR_USAGE, "none");
}

static void async_calls(void)
{
	mitogen_context child = mitogen_local(router, &err);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);
	static char seen[1000];
	int64_t sum;

	for (int i = 0; i < 1000; i++)
		EXPECT_OK(mitogen_call_async(child, add, receiver, &seen[i], &err, i, 1));
	for (int i = 0; i < 1000; i++) {
		char *tag;

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &sum));
		tag = mitogen_message_tag(m);
		EXPECT(tag - seen == i && sum == i + 1 && ++*tag == 1);
		EXPECT(mitogen_context_id(mitogen_message_from(m)) == mitogen_context_id(child));
	}
	EXPECT_OK(mitogen_call_async(child, refuse, receiver, seen, &err));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_FAILURE(mitogen_read(m, &err, &sum), MITOGEN_ERR_CALL, "local.1: refuse: no user");
	EXPECT(mitogen_message_tag(m) == seen);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
	mitogen_receiver_close(receiver);
	EXPECT_FAILURE(mitogen_receiver_get(receiver, &m, 0, &err), MITOGEN_ERR_CLOSED, "closed");
}

/* What comes too late for one caller is not taken for another's answer. */
static void time_limits(void)
{
	mitogen_context child = mitogen_local(router, &err), hurried = mitogen_within(child, 20);
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *started = make_fifo("started"), *go_on = make_fifo("go_on");
	MITOGEN_AUTO(message, m);
	int sum;

	EXPECT_OK(mitogen_context_wait(child, &err));
	EXPECT_OK(mitogen_call_async(child, meet, receiver, NULL, &err, started, go_on));
	meet_as_reader(started);
	EXPECT_FAILURE(mitogen_call(hurried, add, &sum, &err, 1, 2), MITOGEN_ERR_TIMEOUT,
		       "in time");
	EXPECT(strcmp(err.where, "local.1: add") == 0);
	EXPECT_FAILURE(mitogen_call(mitogen_within(child, 0), add, &sum, &err, 1, 2),
		       MITOGEN_ERR_TIMEOUT, "in time");
	EXPECT_OK(mitogen_call_async(hurried, add, receiver, &sum, &err, 3, 4));
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == &sum);
	EXPECT_FAILURE(mitogen_read(m, &err, &sum), MITOGEN_ERR_TIMEOUT, "local.1: add: ");
	meet_as_writer(go_on);
	EXPECT_OK(mitogen_call(child, add, &sum, &err, 5, 6));
	EXPECT(sum == 11);
	EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_tag(m) == NULL);
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

static void large_values(void)
{
	static char data[20 << 20];
	mitogen_context child = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	mitogen_bytes bytes;
	size_t count;

	EXPECT_OK(mitogen_call(child, count_bytes, &count, &err,
			       mitogen_bytes_of(data, sizeof(data))));
	EXPECT(count == sizeof(data));
	EXPECT_OK(mitogen_call(child, reply_bytes, &m, &err, sizeof(data)));
	EXPECT_OK(mitogen_read(m, &err, &bytes));
	memset(data, 'x', sizeof(data));
	EXPECT(bytes.size == sizeof(data) && memcmp(bytes.data, data, sizeof(data)) == 0);
}

/* Both ways; afterwards the stream is as good as before. */
static void too_large(void)
{
	static const char data[300000];
	mitogen_router small = mitogen_router_new(&err, .max_message = 200000);
	mitogen_context child = mitogen_local(small, &err);
	size_t count;

	EXPECT_FAILURE(mitogen_call(child, count_bytes, &count, &err,
				    mitogen_bytes_of(data, sizeof(data))),
		       MITOGEN_ERR_TOO_BIG, "200000");
	EXPECT_FAILURE(mitogen_call(child, reply_bytes, NULL, &err, sizeof(data)), MITOGEN_ERR_CALL,
		       "200000");
	EXPECT(strcmp(err.type, "MITOGEN_ERR_TOO_BIG") == 0);
	EXPECT_OK(mitogen_call(child, count_bytes, &count, &err, mitogen_bytes_of(data, 150000)));
	EXPECT(count == 150000);
	mitogen_router_close(small);
}

static mitogen_context crowd[3];

static void *call_often(void *argument)
{
	mitogen_error mine = {0};
	int number = *(int *)argument;

	for (int i = 0; i < 300; i++) {
		int64_t sum = 0;

		if (mitogen_call(crowd[i % 3], add, &sum, &mine, number, i) < 0 ||
		    sum != number + i)
			return argument;
	}
	return NULL;
}

static void many_threads(void)
{
	pthread_t threads[8];
	int numbers[8];

	for (int i = 0; i < 3; i++)
		crowd[i] = mitogen_local(router, &err);
	for (int i = 0; i < 8; i++) {
		numbers[i] = i * 1000;
		EXPECT(pthread_create(&threads[i], NULL, call_often, &numbers[i]) == 0);
	}
	for (int i = 0; i < 8; i++) {
		void *failed;

		EXPECT(pthread_join(threads[i], &failed) == 0 && !failed);
	}
}

/* Messages and what they lend stay valid; what needs the router is none. */
static void message_after_close(void)
{
	mitogen_router other = mitogen_router_new(&err);
	mitogen_context child = mitogen_local(other, &err), back;
	MITOGEN_AUTO(message, m);
	const char *text;

	EXPECT_OK(mitogen_call(child, echo, &m, &err, mitogen_list("kept", child)));
	mitogen_router_close(other);
	EXPECT_FAILURE(mitogen_read(m, &err, &text, &back), MITOGEN_ERR_CLOSED, "closed");
	EXPECT(mitogen_message_from(m).ref == 0);
	EXPECT(mitogen_message_router(m).ref == other.ref);
	EXPECT_FAILURE(mitogen_call(child, echo, &m, &err, 1), MITOGEN_ERR_CLOSED, "closed");
	err.code = 0;
	EXPECT_FAILURE((mitogen_local(other, &err), err.code), MITOGEN_ERR_CLOSED, "closed");
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"by_pointer_and_name", by_pointer_and_name},
		{"scalars", scalars},
		{"containers", containers},
		{"writers", writers},
		{"results", results},
		{"failures", failures},
		{"failure_after_reply", failure_after_reply},
		{"arguments", arguments},
		{"unknown_functions", unknown_functions},
		{"without_reply", without_reply},
		{"first_error_stays", first_error_stays},
		{"async_calls", async_calls},
		{"time_limits", time_limits},
		{"large_values", large_values},
		{"too_large", too_large},
		{"many_threads", many_threads},
		{"message_after_close", message_after_close},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
