/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attacked SCENARIO DIRECTORY IMAGE: children of that image, hostile.c, do what they must not do; this
 * program and its other children take no harm.
 */
#include "scenario.h"

/* KiB that this process may come to need: little, or what a child may have it keep. */
#define LITTLE (32L * 1024)
#define MUCH   (128L * 1024)

static const char *hostile_image;

static int add(mitogen_message *m, mitogen_error *error)
{
	int64_t a, b;
	int r = mitogen_read(m, error, &a, &b);

	return r < 0 ? r : mitogen_reply(m, error, a + b);
}
MITOGEN_EXPORT(add, MITOGEN_INT, MITOGEN_INT);

/* ---- What they share ---- */

static mitogen_context start_hostile(void)
{
	return mitogen_local(router, &err, .image = hostile_image);
}

static void expect_call(mitogen_context child)
{
	int64_t sum = 0;

	EXPECT_OK(mitogen_call(child, add, &sum, &err, 20, 22));
	EXPECT(sum == 42);
}

/* cat, with input: it needs all that hostile programs try to break. */
static void expect_program(mitogen_context child)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	const char *const argv[] = {"cat", NULL};
	MITOGEN_AUTO(message, m);
	mitogen_process process = mitogen_exec(child, argv, receiver, NULL, &err);
	mitogen_event event = MITOGEN_EVENT_NONE;
	size_t size = 0;
	int status;

	EXPECT(mitogen_process_write(process, "input", 5, &err) == 5);
	EXPECT_OK(mitogen_process_close_stdin(process, &err));
	while (event != MITOGEN_EVENT_EXIT) {
		mitogen_bytes bytes = {0};

		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		event = mitogen_message_event(m);
		if (event == MITOGEN_EVENT_STDOUT)
			EXPECT_OK(mitogen_read(m, &err, &bytes));
		size += bytes.size;
	}
	EXPECT_OK(mitogen_read(m, &err, &status));
	EXPECT(status == 0 && size == 5);
	mitogen_receiver_close(receiver);
}

static void expect_memory_below(long limit)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long peak = -1;

	EXPECT(file != NULL);
	while (peak < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = strtol(line + 6, NULL, 10);
	fclose(file);
	EXPECT(peak > 0);
#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed */
	(void)limit;
#else
	if (peak > limit)
		fprintf(stderr, "%ld KiB were needed\n", peak);
	EXPECT(peak <= limit);
#endif
}

struct run {
	mitogen_process process;
	mitogen_receiver receiver;
	int started;           /* events */
	char out[64];          /* what it printed */
	mitogen_message *exit; /* the last one */
};

static struct run start_program(mitogen_context hostile, const char *name)
{
	const char *const argv[] = {name, NULL};
	struct run run = {.receiver = mitogen_receiver_new(router, &err)};

	run.process = mitogen_exec(hostile, argv, run.receiver, NULL, &err);
	EXPECT(run.process.ref != 0);
	return run;
}

/* Up to the event of its exit, behind which there is nothing. */
static void take_events(struct run *run)
{
	mitogen_event event = MITOGEN_EVENT_NONE;

	while (event != MITOGEN_EVENT_EXIT) {
		mitogen_bytes bytes = {0};
		size_t used = strlen(run->out);

		EXPECT(mitogen_receiver_get(run->receiver, &run->exit, MITOGEN_FOREVER, &err) == 1);
		event = mitogen_message_event(run->exit);
		run->started += event == MITOGEN_EVENT_STARTED;
		if (event != MITOGEN_EVENT_STDOUT)
			continue;
		EXPECT_OK(mitogen_read(run->exit, &err, &bytes));
		snprintf(run->out + used, sizeof(run->out) - used, "%.*s", (int)bytes.size,
			 (const char *)bytes.data);
	}
}

static void end_run(struct run *run)
{
	MITOGEN_AUTO(message, none);

	EXPECT(mitogen_receiver_get(run->receiver, &none, 0, &err) == 0);
	mitogen_message_unref(run->exit);
	mitogen_receiver_close(run->receiver);
}

/* ---- Programs ---- */

static void starts_twice(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	struct run run = start_program(hostile, "start-twice");
	mitogen_process process = run.process;

	take_events(&run);
	EXPECT(run.started <= 1);
	end_run(&run);
	/* behind the answer, all that it sent has come */
	if (mitogen_call(hostile, "ping", NULL, &err) < 0)
		EXPECT(err.code == MITOGEN_ERR_LOST);
	EXPECT(mitogen_process_write(process, "x", 1, &err) == MITOGEN_ERR_CLOSED);
	expect_program(other);
	expect_call(other);
}

static void expect_order(const char *name, const char *out)
{
	struct run run = start_program(start_hostile(), name);
	int status = 4711;

	take_events(&run);
	EXPECT_OK(mitogen_read(run.exit, &err, &status));
	EXPECT(run.started == 1 && status == 0 && strcmp(run.out, out) == 0);
	end_run(&run);
}

static void answers_first(void)
{
	expect_order("answer-first", "");
	expect_order("answer-before-output", "some\n");
}

/* The end is a failure of its kind, and comes. */
static void expect_failed_exit(const char *name, int code, const char *text)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	struct run run = start_program(hostile, name);
	int status = 4711;

	take_events(&run);
	EXPECT_FAILURE(mitogen_read(run.exit, &err, &status), code, text);
	EXPECT(status == 4711);
	EXPECT(strcmp(run.out, "some\n") == 0 || !*run.out);
	end_run(&run);
	expect_program(other);
}

static void dies_before_output(void)
{
	expect_failed_exit("die-before-output", MITOGEN_ERR_LOST, "killed by SIGKILL");
}

static void sends_less_than_promised(void)
{
	expect_failed_exit("send-less-than-promised", MITOGEN_ERR_LOST, "output");
}

static void sends_more_than_promised(void)
{
	expect_failed_exit("send-more-than-promised", MITOGEN_ERR_LOST, "output");
}

/* What the rest is worth is not said; it ends. */
static void writes_after_the_end(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	struct run run = start_program(hostile, "write-after-the-end");

	take_events(&run);
	end_run(&run);
	expect_program(other);
}

/* One child knows the ports of another one's program, and sends there what would end it. */
static void sends_to_ports_of_another(void)
{
	mitogen_context victim = start_hostile(), hostile = start_hostile();
	struct run run = start_program(victim, "keep-running");
	MITOGEN_AUTO(message, m);
	uint32_t out, errors, answer;
	int status = 4711;

	EXPECT_OK(mitogen_call(victim, "get_ports", &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &out, &errors, &answer));
	EXPECT_OK(mitogen_call(hostile, "send_to_ports", NULL, &err, out, errors, answer));
	EXPECT_OK(mitogen_call(victim, "finish", NULL, &err));
	take_events(&run);
	EXPECT_OK(mitogen_read(run.exit, &err, &status));
	EXPECT(status == 0 && strcmp(run.out, "mine\n") == 0);
	end_run(&run);
}

/* ---- Values ---- */

/* What is not below it, a child cannot pass to us as if it were. */
static void names_other_contexts(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err), got = {0};
	uint32_t ids[] = {mitogen_context_id(other), 123456, UINT32_MAX - 1};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		EXPECT_FAILURE(mitogen_call(hostile, "name_context", &got, &err, ids[i]),
			       MITOGEN_ERR_REFUSED, "");
		EXPECT(got.ref == 0);
	}
	EXPECT_OK(mitogen_call(hostile, "name_context", &got, &err, mitogen_context_id(hostile)));
	EXPECT(mitogen_context_id(got) == mitogen_context_id(hostile));
	expect_call(other);
}

static void names_other_ports(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	mitogen_sender got = {0};
	uint32_t ids[] = {mitogen_context_id(other), 123456, UINT32_MAX - 1};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		EXPECT_FAILURE(mitogen_call(hostile, "name_port", &got, &err, ids[i], 4711),
			       MITOGEN_ERR_REFUSED, "");
		EXPECT(got.handle == 0);
	}
	EXPECT_OK(
		mitogen_call(hostile, "name_port", &got, &err, mitogen_context_id(hostile), 4711));
	EXPECT(got.context == mitogen_context_id(hostile) && got.handle == 4711);
}

/* ---- Floods ---- */

/* Calls to another child, from when this is called to when the hostile one is lost. */
static void call_until_lost(mitogen_context hostile, mitogen_context other)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call_async(hostile, "ping", receiver, NULL, &err));
	do
		expect_call(other);
	while (mitogen_receiver_get(receiver, &m, 0, &err) == 0);
	EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_LOST, "");
	expect_call(other);
}

static void leaves_flooders(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	expect_call(other);
	EXPECT_OK(mitogen_call(hostile, "leave_flooders", NULL, &err));
	call_until_lost(hostile, other);
	expect_memory_below(MUCH);
}

/* A child that sends without end, and does not read what it asks for: its own loss. */
static void floods(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	expect_call(other);
	EXPECT_OK(mitogen_call(hostile, "flood_for_ever", NULL, &err));
	for (int i = 0; i < 20000; i++)
		expect_call(other);
	expect_memory_below(MUCH);
}

/* Goes on as a child, and ends as one. */
static void detaches_itself(void)
{
	mitogen_context hostile = start_hostile();

	EXPECT_OK(mitogen_call(hostile, "detach_itself", NULL, &err));
	EXPECT_OK(mitogen_call(hostile, "detach_itself", NULL, &err));
}

/* It costs us log lines, up to a number, and no more. */
static void floods_the_log(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	expect_call(other);
	EXPECT_OK(mitogen_call(hostile, "log_for_ever", NULL, &err));
	for (int i = 0; i < 20000; i++)
		expect_call(other);
	expect_memory_below(LITTLE);
}

/* It may speak of its own contexts alone. */
static void lies_to_the_log(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(hostile, "log_lies", NULL, &err, mitogen_context_id(other), 0,
			       123456, UINT32_MAX));
	EXPECT_OK(mitogen_call(hostile, "ping", NULL, &err));
}

static void begins_many_messages(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	if (mitogen_call(hostile, "begin_messages", NULL, &err) < 0)
		EXPECT(err.code == MITOGEN_ERR_LOST);
	expect_call(other);
	expect_memory_below(LITTLE);
}

static void lower_max_message(void)
{
	mitogen_router_close(router);
	router = mitogen_router_new(&err, .max_message = 1 << 20, .shutdown_ms = 200);
}

/* What came of a reply is no burden when nobody waits for the rest any more. */
static void never_ends_replies(void)
{
	mitogen_receiver receiver;
	mitogen_context hostile;

	lower_max_message();
	hostile = start_hostile();
	receiver = mitogen_receiver_new(router, &err);
	for (int i = 0; i < 3; i++) {
		MITOGEN_AUTO(message, m);

		EXPECT_OK(mitogen_call_async(mitogen_within(hostile, 200), "begin_reply", receiver,
					     NULL, &err));
		EXPECT_OK(mitogen_call(hostile, "ping", NULL, &err));
		EXPECT(mitogen_receiver_get(receiver, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_FAILURE(mitogen_read(m, &err), MITOGEN_ERR_TIMEOUT, "");
	}
	EXPECT_OK(mitogen_call(hostile, "reply_large_list", NULL, &err));
}

static void replies_too_much(void)
{
	mitogen_context hostile, other;

	lower_max_message();
	hostile = start_hostile();
	other = mitogen_local(router, &err);
	EXPECT_FAILURE(mitogen_call(hostile, "reply_too_much", NULL, &err), MITOGEN_ERR_TOO_BIG,
		       "longer than a message may be");
	expect_call(other);
	expect_memory_below(LITTLE);
}

/* ---- Receivers ---- */

/* What comes from there: how many values, and how many failures, the last of which is in err. */
static void take_values(mitogen_receiver receiver, int *ret_values, int *ret_failures)
{
	*ret_values = *ret_failures = 0;
	for (;;) {
		MITOGEN_AUTO(message, m);
		mitogen_bytes bytes;

		if (mitogen_receiver_get(receiver, &m, 0, &err) != 1)
			return;
		if (mitogen_read(m, &err, &bytes) < 0)
			(*ret_failures)++;
		else
			(*ret_values)++;
	}
}

/* Calls a function that sends to a receiver of ours until it has, or is lost over it. */
static mitogen_receiver send_to_receiver(mitogen_context hostile, const char *function)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_sender sender = mitogen_receiver_sender(receiver, &err);

	if (mitogen_call(hostile, function, NULL, &err, sender.handle) < 0)
		EXPECT(err.code == MITOGEN_ERR_LOST);
	return receiver;
}

static void overfills_a_receiver(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	mitogen_receiver receiver = send_to_receiver(hostile, "overfill");
	int values, failures;

	EXPECT(mitogen_call(hostile, "ping", NULL, &err) == MITOGEN_ERR_LOST);
	take_values(receiver, &values, &failures);
	EXPECT(values == 8 && failures == 1 && err.code == MITOGEN_ERR_LOST);
	EXPECT(strstr(err.text, "it sent more than it was granted"));
	expect_call(other);
	expect_memory_below(LITTLE);
}

static void sends_from_all_its_ids(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	mitogen_receiver receiver = send_to_receiver(hostile, "send_from_all");
	int values, failures;

	take_values(receiver, &values, &failures);
	EXPECT(values > 1000 && values < 1200); /* 64 MiB */
	expect_call(other);
	expect_memory_below(MUCH);
}

static void ends_again_and_again(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	mitogen_receiver receiver = send_to_receiver(hostile, "send_ends");
	int values, failures;

	EXPECT(mitogen_channel_open(hostile, "answer_twice", &err).rx.ref == 0);
	EXPECT(err.code == MITOGEN_ERR_REFUSED);
	EXPECT(strstr(err.text, "answer_twice: too many contexts there send at the same time"));
	take_values(receiver, &values, &failures);
	EXPECT(values == 0 && failures >= 16384 && failures < 100000);
	expect_call(other);
	expect_memory_below(MUCH);
}

static void sends_long_ends(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	mitogen_receiver receiver = send_to_receiver(hostile, "send_long_ends");
	int values, failures;

	expect_call(other);
	expect_memory_below(MUCH);
	take_values(receiver, &values, &failures);
	EXPECT(values == 0 && failures == 4096);
}

/* So many numbers, the last of them as the result, and nothing else. */
static void expect_channel(const char *function, int count)
{
	mitogen_channel channel = mitogen_channel_open(start_hostile(), function, &err);
	MITOGEN_AUTO(message, m);

	for (int i = 1; i <= count; i++) {
		int number;

		EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
		EXPECT_OK(mitogen_read(m, &err, &number));
		EXPECT(mitogen_message_event(m) ==
		       (i < count ? MITOGEN_EVENT_NONE : MITOGEN_EVENT_RESULT));
	}
	EXPECT_FAILURE(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err),
		       MITOGEN_ERR_CLOSED, "");
	mitogen_channel_close(channel);
}

static void answers_a_channel_twice(void)
{
	expect_channel("answer_twice", 2);
	expect_channel("go_on_behind_the_end", 2);
}

/* What another one sends to a channel does not come from its callee. */
static void sends_to_a_channel_of_another(void)
{
	mitogen_context victim = start_hostile(), hostile = start_hostile();
	mitogen_channel channel = mitogen_channel_open(victim, "keep_channel", &err);
	MITOGEN_AUTO(message, m);
	int number;

	EXPECT_OK(mitogen_call(victim, "ping", NULL, &err));
	EXPECT_OK(mitogen_call(hostile, "send_to_ports", NULL, &err, channel.tx.handle));
	EXPECT_OK(mitogen_call(victim, "answer_kept", NULL, &err));
	EXPECT(mitogen_receiver_get(channel.rx, &m, MITOGEN_FOREVER, &err) == 1);
	EXPECT_OK(mitogen_read(m, &err, &number));
	EXPECT(number == 1 && mitogen_message_event(m) == MITOGEN_EVENT_RESULT);
	mitogen_channel_close(channel);
}

/* ---- Streams ---- */

static void stops_reading(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(hostile, "stop_reading", NULL, &err));
	for (int i = 0; i < 3; i++)
		EXPECT_FAILURE(mitogen_call(hostile, "ping", NULL, &err), MITOGEN_ERR_LOST, "");
	expect_call(other);
	EXPECT_OK(mitogen_context_shutdown(hostile, &err));
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"starts_twice", starts_twice},
		{"answers_first", answers_first},
		{"dies_before_output", dies_before_output},
		{"sends_less_than_promised", sends_less_than_promised},
		{"sends_more_than_promised", sends_more_than_promised},
		{"writes_after_the_end", writes_after_the_end},
		{"sends_to_ports_of_another", sends_to_ports_of_another},
		{"names_other_contexts", names_other_contexts},
		{"names_other_ports", names_other_ports},
		{"leaves_flooders", leaves_flooders},
		{"floods", floods},
		{"detaches_itself", detaches_itself},
		{"floods_the_log", floods_the_log},
		{"lies_to_the_log", lies_to_the_log},
		{"begins_many_messages", begins_many_messages},
		{"replies_too_much", replies_too_much},
		{"never_ends_replies", never_ends_replies},
		{"stops_reading", stops_reading},
		{"overfills_a_receiver", overfills_a_receiver},
		{"sends_from_all_its_ids", sends_from_all_its_ids},
		{"ends_again_and_again", ends_again_and_again},
		{"sends_long_ends", sends_long_ends},
		{"answers_a_channel_twice", answers_a_channel_twice},
		{"sends_to_a_channel_of_another", sends_to_a_channel_of_another},
		{NULL, NULL},
	};
	int status;

	router = mitogen_start(argc, argv, &err, .shutdown_ms = 200);
	EXPECT(router.ref != 0);
	hostile_image = argc > 3 ? argv[3] : NULL;
	status = scenario_run(scenarios, argc, argv);
	mitogen_router_close(router);
	return status;
}
