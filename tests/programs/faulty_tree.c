/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts below contexts, in a library in which calls fail on purpose.
 *   all_works     nothing may fail
 *   some_works    anything may fail, but well
 * $MITOGEN_FAULTS is for the master alone, $FAULTS_FIRST for its child alone, $FAULTS_SECOND for the child
 * of that and what is below it.
 */
#include "faulty.h"

static void set_faults(const char *faults)
{
	if (faults)
		setenv("MITOGEN_FAULTS", faults, 1);
	else
		unsetenv("MITOGEN_FAULTS");
}

/* Starts a child here, and does not wait for it. */
static int start_child(mitogen_message *m, mitogen_error *error)
{
	mitogen_context child;

	set_faults(getenv("FAULTS_SECOND"));
	child = mitogen_local(mitogen_message_router(m), error);
	return child.ref ? mitogen_reply(m, error, child) : error->code;
}
MITOGEN_EXPORT(start_child);

static mitogen_receiver inbox; /* of a child, from one call to the next */

static int open_inbox(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender address;

	inbox = mitogen_receiver_new(mitogen_message_router(m), error);
	address = mitogen_receiver_sender(inbox, error);
	return address.handle ? mitogen_reply(m, error, address) : error->code;
}
MITOGEN_EXPORT(open_inbox);

static int greet(mitogen_message *m, mitogen_error *error)
{
	mitogen_sender to;
	int r = mitogen_read(m, error, &to);

	return r < 0 ? r : mitogen_send(to, error, "hello");
}
MITOGEN_EXPORT(greet, MITOGEN_SENDER);

static void call_once(mitogen_context context)
{
	int64_t sum = 0;

	if (works(mitogen_call(context, add, &sum, &err, 20, 22)))
		EXPECT(sum == 42);
}

/* Four contexts below one another, the second one started by the first, the others via it; and a fifth
 * one, to which the last one speaks. */
static void use_tree(mitogen_router one)
{
	mitogen_context line[4], other;
	mitogen_sender address;

	set_faults(getenv("FAULTS_FIRST"));
	line[0] = mitogen_local(one, &err);
	set_faults(NULL);
	if (!works(err.code))
		return;
	if (!works(mitogen_call(line[0], start_child, &line[1], &err)))
		return;
	line[2] = mitogen_local(line[1], &err);
	line[3] = mitogen_local(line[2], &err);
	other = mitogen_local(one, &err);
	if (!works(err.code))
		return;
	call_async(one, line[3]);
	call_once(line[2]);
	if (works(mitogen_call(other, open_inbox, &address, &err)))
		works(mitogen_call(line[3], greet, NULL, &err, address));
	if (works(mitogen_context_shutdown(line[2], &err))) {
		EXPECT(mitogen_call(line[3], add, NULL, &err, 1, 2) < 0 && *err.text);
		err = (mitogen_error){0};
	}
	call_once(line[1]);
	call_once(other);
}

static void use_router(void)
{
	mitogen_router one = mitogen_router_new(&err);

	set_faults(NULL);
	if (!works(err.code))
		return;
	use_tree(one);
	mitogen_router_close(one);
}

static void all_works(void)
{
	run(use_router);
}

static void some_works(void)
{
	may_fail = true;
	run(use_router);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"all_works", all_works},
		{"some_works", some_works},
		{NULL, NULL},
	};

	mitogen_init(argc, argv);
	return scenario_run(scenarios, argc, argv);
}
