/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls with a queue each way while they run. */
#include <pthread.h>
#include <signal.h>

#include "scenario.h"

#define WINDOW (256 * 1024) /* bytes that may be sent before they are read */
#define PIECE  (32 * 1024)

static char data[PIECE];

/* ---- What children do ---- */

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

/* Sends back what comes, doubled, until the caller sends no more; replies with how many there were. */
static int twice(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	int count = 0, number, r = 0;

	while (r >= 0 && mitogen_receiver_get(caller.rx, &got, MITOGEN_FOREVER, error) == 1 &&
	       mitogen_read(got, error, &number) == 0) {
		r = mitogen_send(caller.tx, error, 2 * number);
		count++;
	}
	if (r >= 0 && error->code == MITOGEN_ERR_CLOSED)
		r = mitogen_reply(m, error, count);
	return r;
}
MITOGEN_EXPORT(twice);

/* Sends so many numbers, then has that result; or fails. */
static int produce(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	int count, r;
	bool fails;

	r = mitogen_read(m, error, &count, &fails);
	for (int i = 0; r >= 0 && i < count; i++)
		r = mitogen_send(caller.tx, error, i);
	if (r >= 0 && fails)
		return mitogen_fail(error, "ProduceError", "it failed after all");
	return r < 0 ? r : mitogen_reply(m, error, "done");
}
MITOGEN_EXPORT(produce, MITOGEN_INT, MITOGEN_BOOL);

/* Until that fails; says which way on stdout. */
static int send_for_ever(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	int r = 0;

	while (r == 0)
		r = mitogen_send(caller.tx, error, mitogen_bytes_of(data, sizeof(data)));
	printf("send_for_ever: %s\n", mitogen_code_name(r));
	return r;
}
MITOGEN_EXPORT(send_for_ever);

static int receive_for_ever(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	int r = mitogen_send(caller.tx, error, "begun");

	while (r >= 0 && mitogen_receiver_get(caller.rx, &got, MITOGEN_FOREVER, error) > 0)
		r = mitogen_read(got, error);
	printf("receive_for_ever: %s\n", mitogen_code_name(r));
	return r;
}
MITOGEN_EXPORT(receive_for_ever);

/* Closes its end and goes on. */
static int close_first(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);
	int r = mitogen_send(caller.tx, error, 1);

	if (r < 0)
		return r;
	mitogen_channel_close(caller);
	if (mitogen_send(caller.tx, error, 2) != MITOGEN_ERR_CLOSED ||
	    mitogen_receiver_get(caller.rx, &got, 0, error) != MITOGEN_ERR_CLOSED)
		return mitogen_fail(error, NULL, "the channel is still open");
	return mitogen_reply(m, error, 3);
}
MITOGEN_EXPORT(close_first);

static int sleep_on_it(mitogen_message *m, mitogen_error *error)
{
	const char *fifo;
	int r = mitogen_read(m, error, &fifo);

	if (r >= 0)
		meet_as_writer(fifo);
	return r;
}
MITOGEN_EXPORT(sleep_on_it, MITOGEN_BYTES);

static int die(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, got);

	/* so that the caller can have sent something */
	if (mitogen_receiver_get(caller.rx, &got, MITOGEN_FOREVER, error) == 1)
		raise(SIGKILL);
	return mitogen_send(caller.tx, error, 1);
}
MITOGEN_EXPORT(die);

static int has_channel(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m);

	return mitogen_reply(m, error, caller.rx.ref != 0 && caller.tx.handle != 0);
}
MITOGEN_EXPORT(has_channel);

/* Calls below, and hands on what comes through a channel of its own. */
static int relay(mitogen_message *m, mitogen_error *error)
{
	mitogen_channel caller = mitogen_message_channel(m), below;
	MITOGEN_AUTO(message, got);
	mitogen_context inner = mitogen_local(mitogen_message_router(m), error);
	int count, number, r = mitogen_read(m, error, &count);

	below = mitogen_channel_open(inner, produce, error, count, false);
	while (r >= 0 && (r = mitogen_receiver_get(below.rx, &got, MITOGEN_FOREVER, error)) == 1 &&
	       mitogen_message_event(got) != MITOGEN_EVENT_RESULT &&
	       (r = mitogen_read(got, error, &number)) == 0)
		r = mitogen_send(caller.tx, error, number);
	mitogen_channel_close(below);
	return r;
}
MITOGEN_EXPORT(relay, MITOGEN_INT);

/* ---- What the scenarios share ---- */

/* The next number, or the result: false. */
static bool next(mitogen_channel channel, mitogen_message **m, int *ret)
{
	EXPECT(mitogen_receiver_get(channel.rx, m, MITOGEN_FOREVER, &err) == 1);
	if (mitogen_message_event(*m) == MITOGEN_EVENT_RESULT)
		return false;
	EXPECT(mitogen_message_event(*m) == MITOGEN_EVENT_NONE);
	EXPECT_OK(mitogen_read(*m, &err, ret));
	return true;
}

/* Nothing is behind the result. */
static void expect_end(mitogen_channel channel)
{
	MITOGEN_AUTO(message, m);

	EXPECT_FAILURE(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err),
		       MITOGEN_ERR_CLOSED, "");
	mitogen_channel_close(channel);
}

static mitogen_error last_failure;

/* One message, a failure; then the end. */
static void expect_one_failure(mitogen_channel channel, int code, const char *text)
{
	MITOGEN_AUTO(message, m);

	EXPECT(channel.rx.ref != 0);
	EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_event(m) == MITOGEN_EVENT_RESULT);
	EXPECT_FAILURE(mitogen_read(m, &err), code, text);
	last_failure = err;
	expect_end(channel);
}

/* ---- Scenarios ---- */

static void both_ways(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, twice, &err);
	MITOGEN_AUTO(message, m);
	int number, result;

	for (int i = 0; i < 1000; i++) {
		EXPECT_OK(mitogen_send(channel.tx, &err, i)); /* at once, before it has connected */
		if (i % 10 < 9)
			continue;
		for (int k = i - 9; k <= i; k++)
			EXPECT(next(channel, &m, &number) && number == 2 * k);
	}
	mitogen_sender_close(channel.tx); /* one way */
	EXPECT(!next(channel, &m, &number));
	EXPECT_OK(mitogen_read(m, &err, &result));
	EXPECT(result == 1000);
	expect_end(channel);
}

static void result_is_the_last(void)
{
	mitogen_context child = new_child(router, &err);
	const int counts[] = {0, 1, 5000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		mitogen_channel channel =
			mitogen_channel_open(child, produce, &err, counts[i], false);
		MITOGEN_AUTO(message, m);
		const char *text;
		int number, count = 0;

		while (next(channel, &m, &number))
			EXPECT(number == count++);
		EXPECT(count == counts[i]);
		EXPECT_OK(mitogen_read(m, &err, &text));
		EXPECT(strcmp(text, "done") == 0);
		expect_end(channel);
	}
}

/* It has no credit left when it replies. */
static void result_needs_no_credit(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, produce, &err, WINDOW / 64, false);
	int count = 0, number;

	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2)); /* runs behind it */
	for (;; count++) {
		MITOGEN_AUTO(message, m);

		if (!next(channel, &m, &number))
			break;
	}
	EXPECT(count == WINDOW / 64);
	expect_end(channel);
}

static void no_notice_of_it(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, add, &err, 20, 22);
	MITOGEN_AUTO(message, m);
	int64_t sum;
	bool has;

	EXPECT_OK(mitogen_send(channel.tx, &err, "this is not read"));
	EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT(mitogen_message_event(m) == MITOGEN_EVENT_RESULT);
	EXPECT_OK(mitogen_read(m, &err, &sum));
	EXPECT(sum == 42);
	while (mitogen_send(channel.tx, &err, "nobody is there") == 0)
		;
	EXPECT(err.code == MITOGEN_ERR_CLOSED);
	expect_end(channel);
	EXPECT_OK(mitogen_call(child, has_channel, &has, &err));
	EXPECT(!has);
	channel = mitogen_channel_open(child, has_channel, &err);
	EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &has));
	EXPECT(has);
	expect_end(channel);
}

static void failures(void)
{
	mitogen_context child = new_child(router, &err), lost = new_child(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, produce, &err, 3, true);
	MITOGEN_AUTO(message, m);
	int number;

	for (int i = 0; i < 3; i++)
		EXPECT(next(channel, &m, &number) && number == i);
	expect_one_failure(channel, MITOGEN_ERR_CALL, "local.1: produce: it failed after all");
	EXPECT(strcmp(last_failure.type, "ProduceError") == 0);
	EXPECT(strcmp(last_failure.where, "local.1: produce") == 0);
	expect_one_failure(mitogen_channel_open(child, "no_such", &err), MITOGEN_ERR_UNKNOWN,
			   "local.1: no_such: no function");
	expect_one_failure(mitogen_channel_open(child, produce, &err, "three"),
			   MITOGEN_ERR_ARGUMENT, "argument 1");
	channel = mitogen_channel_open(child, die, &err);
	EXPECT_OK(mitogen_send(channel.tx, &err, 1));
	expect_one_failure(channel, MITOGEN_ERR_LOST, "local.1: die: ");
	EXPECT(strstr(last_failure.text, "killed by SIGKILL"));
	expect_one_failure(mitogen_channel_open(child, add, &err, 1, 2), MITOGEN_ERR_LOST,
			   "local.1: add: the context was lost: its process was killed");
	lost = mitogen_local(router, &err, .image = "/nonexistent");
	expect_one_failure(mitogen_channel_open(lost, add, &err, 1, 2), MITOGEN_ERR_CONNECT,
			   "/nonexistent");
}

/* Refused by policy there: parents alone call. */
static int call_sibling(mitogen_message *m, mitogen_error *error)
{
	mitogen_context sibling;
	MITOGEN_AUTO(message, got);
	int r = mitogen_read(m, error, &sibling);
	mitogen_channel channel = mitogen_channel_open(sibling, add, error, 1, 2);

	if (r >= 0 && channel.rx.ref)
		r = mitogen_receiver_get(channel.rx, &got, MITOGEN_FOREVER, error);
	if (r > 0)
		r = mitogen_read(got, error);
	mitogen_channel_close(channel);
	return mitogen_reply(m, error, r);
}
MITOGEN_EXPORT(call_sibling, MITOGEN_CONTEXT);

static void refused(void)
{
	mitogen_context a = new_child(router, &err), b = new_child(router, &err);
	int code;

	EXPECT_OK(mitogen_call(a, call_sibling, &code, &err, b));
	EXPECT(code == MITOGEN_ERR_REFUSED);
}

static void function_is_closed_first(void)
{
	mitogen_channel channel = mitogen_channel_open(new_child(router, &err), close_first, &err);
	MITOGEN_AUTO(message, m);
	int number;

	EXPECT(next(channel, &m, &number) && number == 1);
	EXPECT(!next(channel, &m, &number));
	EXPECT_OK(mitogen_read(m, &err, &number));
	EXPECT(number == 3);
	expect_end(channel);
}

/* Who waits to send, or to receive, in the function. */
static void closing_wakes_the_function(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_channel channel = mitogen_channel_open(child, send_for_ever, &err);

	for (int i = 0; i < WINDOW / PIECE; i++) {
		MITOGEN_AUTO(message, m);

		EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	}
	mitogen_channel_close(channel);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2)); /* when it has ended */
	channel = mitogen_channel_open(child, receive_for_ever, &err);
	for (int i = 0; i < 1; i++) {
		MITOGEN_AUTO(message, m);

		EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	}
	mitogen_channel_close(channel);
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
	channel = mitogen_channel_open(child, receive_for_ever, &err);
	mitogen_channel_close(channel); /* at once */
	EXPECT_OK(mitogen_call(child, add, NULL, &err, 1, 2));
}

/* Who waits to send at the caller, when the function ends, and when it does not run at all. */
static void ending_wakes_the_caller(void)
{
	mitogen_context child = new_child(router, &err);
	const char *fifo = make_fifo("fifo");
	mitogen_channel channel =
		mitogen_channel_open(child, sleep_on_it, &err, mitogen_path(fifo));
	int r = 0;

	for (int i = 0; i < WINDOW / PIECE; i++)
		EXPECT_OK(mitogen_send(channel.tx, &err, mitogen_bytes_of(data, sizeof(data))));
	EXPECT_FAILURE(mitogen_send(mitogen_within(channel.tx, 0), &err, 1), MITOGEN_ERR_TIMEOUT,
		       "");
	meet_as_reader(fifo);
	EXPECT_FAILURE(mitogen_send(channel.tx, &err, 1), MITOGEN_ERR_CLOSED, "");
	mitogen_channel_close(channel);
	EXPECT_FAILURE(mitogen_send(channel.tx, &err, 1), MITOGEN_ERR_CLOSED, "");
	channel = mitogen_channel_open(child, "no_such", &err);
	while (r == 0)
		r = mitogen_send(channel.tx, &err, mitogen_bytes_of(data, sizeof(data)));
	EXPECT(r == MITOGEN_ERR_CLOSED);
	mitogen_channel_close(channel);
}

static void many_at_once(void)
{
	mitogen_context child = new_child(router, &err);
	mitogen_channel channels[200];
	int number;

	for (int i = 0; i < 200; i++) {
		channels[i] = mitogen_channel_open(child, produce, &err, i, false);
		EXPECT(channels[i].rx.ref != 0);
	}
	for (int i = 199; i >= 0; i--) {
		MITOGEN_AUTO(message, m);
		int count = 0;

		while (next(channels[i], &m, &number))
			EXPECT(number == count++);
		EXPECT(count == i);
		mitogen_channel_close(channels[i]);
	}
}

static void through_another(void)
{
	mitogen_channel channel = mitogen_channel_open(new_child(router, &err), relay, &err, 20000);
	MITOGEN_AUTO(message, m);
	int number, count = 0;

	while (next(channel, &m, &number))
		EXPECT(number == count++);
	EXPECT(count == 20000);
	EXPECT_OK(mitogen_read(m, &err));
	expect_end(channel);
}

static void *get_to_the_end(void *argument)
{
	mitogen_channel *channel = argument;
	MITOGEN_AUTO(message, m);
	mitogen_error mine = {0};
	int r;

	while ((r = mitogen_receiver_get(channel->rx, &m, MITOGEN_FOREVER, &mine)) == 1)
		;
	return r == MITOGEN_ERR_CLOSED ? argument : NULL;
}

/* C12: closing it wakes who waits for what the function sends. */
static void closing_wakes_threads(void)
{
	mitogen_context child = new_child(router, &err);
	const char *fifo = make_fifo("fifo");
	mitogen_channel channel =
		mitogen_channel_open(child, sleep_on_it, &err, mitogen_path(fifo));
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		EXPECT(pthread_create(&threads[i], NULL, get_to_the_end, &channel) == 0);
	mitogen_channel_close(channel);
	for (int i = 0; i < 3; i++) {
		void *well;

		pthread_join(threads[i], &well);
		EXPECT(well != NULL);
	}
	meet_as_reader(fifo);
}

static void in_a_chain(void)
{
	mitogen_context child = new_child(router, &err), chain = mitogen_chain(child);
	mitogen_channel channel;

	EXPECT_FAILURE(mitogen_call(chain, "no_such", NULL, &err), MITOGEN_ERR_UNKNOWN, "no_such");
	channel = mitogen_channel_open(chain, produce, &err, 1, false);
	expect_one_failure(channel, MITOGEN_ERR_UNKNOWN, "no_such");
	expect_one_failure(mitogen_channel_open(mitogen_chain(child), produce, &err, 0, true),
			   MITOGEN_ERR_CALL, "it failed after all");
}

/* KiB that this process has. */
static long memory(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	EXPECT(file && fscanf(file, "%*d %ld", &pages) == 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int get_memory(mitogen_message *m, mitogen_error *error)
{
	return mitogen_reply(m, error, memory());
}
MITOGEN_EXPORT(get_memory);

static void use_channels(mitogen_context child, int times)
{
	while (times-- > 0) {
		mitogen_channel channel = mitogen_channel_open(child, produce, &err, 3, times % 2);
		MITOGEN_AUTO(message, m);
		int number;

		EXPECT_OK(mitogen_send(channel.tx, &err, 1));
		while (next(channel, &m, &number))
			;
		mitogen_channel_close(channel);
	}
}

/* C22: after some, many more need no more memory, at neither end. */
static void many_after_another(void)
{
	mitogen_context child = mitogen_local(router, &err);
	long before, after, here;

	use_channels(child, 1000);
	here = memory();
	EXPECT_OK(mitogen_call(child, get_memory, &before, &err));
	use_channels(child, 10000);
	EXPECT_OK(mitogen_call(child, get_memory, &after, &err));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return; /* these keep what was freed */
#endif
	EXPECT(after - before <
	       1024); /* some comes and goes; 100 bytes of each would be too much */
	EXPECT(memory() - here < 1024);
}

static void mistakes(void)
{
	mitogen_channel none = {0};
	mitogen_context no_context = {0};

	EXPECT(mitogen_channel_open(no_context, add, &err, 1, 2).rx.ref == 0);
	EXPECT(err.code == MITOGEN_ERR_USAGE);
	EXPECT(mitogen_channel_open(mitogen_self(router), add, &err, 1, 2).rx.ref == 0);
	EXPECT(strstr(err.text, "add: a process has no channel to itself"));
	mitogen_channel_close(none);
	EXPECT(mitogen_message_channel(NULL).rx.ref == 0);
	EXPECT(mitogen_channel_open(new_child(router, &err), add, &err, mitogen_text("\xff", 1))
		       .rx.ref == 0);
	EXPECT(err.code == MITOGEN_ERR_TYPE);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"both_ways", both_ways},
		{"result_is_the_last", result_is_the_last},
		{"result_needs_no_credit", result_needs_no_credit},
		{"no_notice_of_it", no_notice_of_it},
		{"failures", failures},
		{"refused", refused},
		{"function_is_closed_first", function_is_closed_first},
		{"closing_wakes_the_function", closing_wakes_the_function},
		{"ending_wakes_the_caller", ending_wakes_the_caller},
		{"many_at_once", many_at_once},
		{"through_another", through_another},
		{"closing_wakes_threads", closing_wakes_threads},
		{"in_a_chain", in_a_chain},
		{"many_after_another", many_after_another},
		{"mistakes", mistakes},
		{NULL, NULL},
	};

	return scenario_main(scenarios, argc, argv);
}
