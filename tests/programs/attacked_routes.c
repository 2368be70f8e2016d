/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attacked_routes SCENARIO DIRECTORY IMAGE: children of that image, hostile_routes.c, lie about who there
 * is; this program and its other children take no harm.
 */
#include "tree.h"

static const char *hostile_image;

static mitogen_context start_hostile(void)
{
	return mitogen_local(router, &err, .image = hostile_image);
}

static int start_child(mitogen_message *m, mitogen_error *error)
{
	mitogen_context child = mitogen_local(mitogen_message_router(m), error);

	return child.ref ? mitogen_reply(m, error, child) : error->code;
}
MITOGEN_EXPORT(start_child);

/* Nobody but the liar is lost, and that because of this. */
static void expect_lost(mitogen_context hostile, const char *why)
{
	EXPECT(mitogen_call(hostile, "ping", NULL, &err) == MITOGEN_ERR_LOST);
	EXPECT_FAILURE(mitogen_call(hostile, "ping", NULL, &err), MITOGEN_ERR_LOST, why);
}

/* What the function says of each of these is the end of who says it. */
static void expect_foreign(const char *function, const char *why)
{
	mitogen_context other = mitogen_local(router, &err), below = mitogen_local(other, &err);

	expect_works(below);
	for (int i = 0; i < 6; i++) {
		mitogen_context hostile = start_hostile();
		const uint32_t ids[] = {0,
					mitogen_context_id(hostile),
					mitogen_context_id(other),
					mitogen_context_id(below),
					4000000,
					UINT32_MAX};

		/* the answer may come before the end */
		if (mitogen_call(hostile, function, NULL, &err, ids[i]) < 0)
			EXPECT(err.code == MITOGEN_ERR_LOST);
		expect_lost(hostile, why);
		expect_works(other);
		expect_works(below);
	}
}

static void announces_others(void)
{
	expect_foreign("announce", "it announced a context that is not its own");
}

static void reports_losses_of_others(void)
{
	expect_foreign("report_loss", "it reported the loss of a context that is not its own");
}

static void asks_for_ids_of_others(void)
{
	mitogen_context other = mitogen_local(router, &err);
	const uint32_t id = mitogen_context_id(other);
	const uint32_t asked[][2] = {
		{0, 1}, {id, 1}, {4000000, 1}, {id + 1000, 0}, {id + 1000, 1001}};

	for (size_t i = 0; i < 5; i++) {
		mitogen_context hostile = start_hostile();

		if (mitogen_call(hostile, "ask_for_ids", NULL, &err, asked[i][0], asked[i][1]) < 0)
			EXPECT(err.code == MITOGEN_ERR_LOST);
		expect_lost(hostile, "it asked for context IDs that are not its own to ask for");
		expect_works(other);
	}
}

/* There are more than one child gets. */
static void takes_all_ids(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err), below;
	uint32_t count;

	EXPECT_OK(mitogen_call(hostile, "take_all_ids", &count, &err));
	EXPECT(count == 1000000);
	below = mitogen_local(other, &err);
	EXPECT_OK(mitogen_call(below, start_child, NULL, &err)); /* which needs some */
	EXPECT_OK(mitogen_call(hostile, "ping", NULL, &err));
}

static void floods_with_requests(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(hostile, "flood_requests", NULL, &err));
	expect_lost(hostile, "it asks and does not read the answers");
	expect_works(other);
}

static void grants_ids(void)
{
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);

	EXPECT_OK(mitogen_call(hostile, "grant_ids", NULL, &err, 0, 5000000));
	EXPECT_OK(
		mitogen_call(hostile, "grant_ids", NULL, &err, mitogen_context_id(other), 5000000));
	EXPECT_FAILURE(mitogen_call(mitogen_context_by_id(router, 5000000), add, NULL, &err, 1, 2),
		       MITOGEN_ERR_LOST, "no route");
	expect_works(mitogen_local(other, &err));
	EXPECT_OK(mitogen_call(hostile, "ping", NULL, &err));
}

static void announces_odd_names(void)
{
	mitogen_context hostile = start_hostile(), odd;
	uint32_t id = mitogen_context_id(hostile) + 1;
	char name[256];

	EXPECT_OK(mitogen_call(hostile, "announce_as", NULL, &err, id,
			       "\033[2J../x\nmaster: \xe2\x80\xae"));
	odd = mitogen_context_by_id(router, id);
	mitogen_context_name(odd, name, sizeof(name));
	EXPECT(strcmp(name, "local.1/\\x1b[2J../x\\nmaster: \\xe2\\x80\\xae") == 0);
	EXPECT_OK(mitogen_call(hostile, "report_loss", NULL, &err, id));
	EXPECT_FAILURE(mitogen_call(odd, add, NULL, &err, 1, 2), MITOGEN_ERR_LOST,
		       "master: \\xe2\\x80\\xae: add: it has \\x1b[31mgone\\n");
}

/* What the first one is remembered for counts for the others, too. */
static void uses_ids_again(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_sender address = mitogen_receiver_sender(receiver, &err);
	mitogen_context hostile = start_hostile(), other = mitogen_local(router, &err);
	MITOGEN_AUTO(message, m);
	int values = 0, ends = 0;

	EXPECT_OK(mitogen_call(hostile, "use_id_again", NULL, &err, address, 3000));
	while (mitogen_receiver_get(receiver, &m, 0, &err) > 0) {
		uint32_t number;

		if (mitogen_read(m, &err, &number) == 0)
			values++;
		else
			ends++;
	}
	EXPECT(values >= 1 && ends >= 1 && ends <= values);
	for (int i = 0; i < 1100; i++) /* what is remembered of them is forgotten now */
		EXPECT(mitogen_local(router, &err, .image = "/nonexistent").ref != 0);
	EXPECT_OK(mitogen_call(hostile, "use_id_again", NULL, &err, address, 10));
	expect_works(other);
	mitogen_receiver_close(receiver);
}

static void speaks_for_nobody(void)
{
	mitogen_receiver receiver = mitogen_receiver_new(router, &err);
	mitogen_sender address = mitogen_receiver_sender(receiver, &err);
	mitogen_context hostile = start_hostile();
	MITOGEN_AUTO(message, m);

	EXPECT_OK(mitogen_call(hostile, "speak_unannounced", NULL, &err, address));
	EXPECT(mitogen_receiver_get(receiver, &m, 0, &err) == 0);
}

/* It is asked to start a context, and says nothing. */
static void starts_nothing(void)
{
	mitogen_context hostile = start_hostile(), below;

	EXPECT_OK(mitogen_context_wait(hostile, &err));
	below = mitogen_local(hostile, &err, .connect_timeout_ms = 20);
	EXPECT_FAILURE(mitogen_call(below, add, NULL, &err, 1, 2), MITOGEN_ERR_TIMEOUT,
		       "local.1/local.1 could not be started: ");
	EXPECT_OK(mitogen_call(hostile, "ping", NULL, &err));
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"announces_others", announces_others},
		{"reports_losses_of_others", reports_losses_of_others},
		{"asks_for_ids_of_others", asks_for_ids_of_others},
		{"takes_all_ids", takes_all_ids},
		{"floods_with_requests", floods_with_requests},
		{"grants_ids", grants_ids},
		{"announces_odd_names", announces_odd_names},
		{"uses_ids_again", uses_ids_again},
		{"speaks_for_nobody", speaks_for_nobody},
		{"starts_nothing", starts_nothing},
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
