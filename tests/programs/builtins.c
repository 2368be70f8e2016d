/* SPDX-License-Identifier: BSD-3-Clause */
/* What every process answers without functions of its own. */
#include <sys/utsname.h>

#include "scenario.h"

/* (): the facts of the process itself, asked for by its main thread. */
static int own_pid(mitogen_message *m, mitogen_error *error)
{
	MITOGEN_AUTO(message, facts);
	mitogen_cursor map;
	int64_t pid;
	int r = mitogen_call(mitogen_self(mitogen_message_router(m)), "mitogen.facts", &facts,
			     error);

	if (r == 0)
		r = mitogen_read(facts, error, &map);
	if (r == 0)
		r = mitogen_find(&map, "pid", error, &pid);
	return r < 0 ? r : mitogen_reply(m, error, pid == getpid());
}
MITOGEN_EXPORT(own_pid);

static int64_t number_of(const mitogen_cursor *facts, const char *key)
{
	int64_t number = -1;

	EXPECT(mitogen_find(facts, key, &err, &number) == 1);
	return number;
}

static void expect_text(const mitogen_cursor *facts, const char *key, const char *text)
{
	mitogen_bytes found;

	EXPECT(mitogen_find(facts, key, &err, &found) == 1);
	EXPECT(found.size == strlen(text) && memcmp(found.data, text, found.size) == 0);
}

static int64_t expect_facts(mitogen_context context)
{
	MITOGEN_AUTO(message, m);
	mitogen_cursor facts;
	struct utsname system;

	uname(&system);
	EXPECT_OK(mitogen_call(context, "mitogen.facts", &m, &err));
	EXPECT_OK(mitogen_read(m, &err, &facts));
	EXPECT(mitogen_cursor_count(&facts) == 7);
	expect_text(&facts, "system", system.sysname);
	expect_text(&facts, "release", system.release);
	expect_text(&facts, "machine", system.machine);
	expect_text(&facts, "node", system.nodename);
	EXPECT(number_of(&facts, "uid") == geteuid());
	EXPECT(number_of(&facts, "rss") >= 64 * 1024 && number_of(&facts, "rss") < 1 << 30);
	return number_of(&facts, "pid");
}

/* Of a child, a child of it, and of ourselves, who run no other calls. */
static void facts_of_all(void)
{
	mitogen_context child = new_child(router, &err), below = mitogen_local(child, &err);
	int64_t pid = expect_facts(child), pid_below = expect_facts(below);
	bool is_own = false;

	EXPECT(pid != getpid() && pid_below != getpid() && pid != pid_below);
	EXPECT(getpgid((pid_t)pid) == pid);
	EXPECT(expect_facts(mitogen_self(router)) == getpid());
	EXPECT_OK(mitogen_call(below, own_pid, &is_own, &err));
	EXPECT(is_own);
}

static void answers_and_mistakes(void)
{
	mitogen_context child = new_child(router, &err), self = mitogen_self(router);

	EXPECT_OK(mitogen_call(child, "mitogen.ping", NULL, &err));
	EXPECT_OK(mitogen_call(self, "mitogen.ping", NULL, &err));
	EXPECT_FAILURE(mitogen_call(child, "mitogen.gnip", NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "no builtin function \"gnip\"");
	EXPECT_FAILURE(mitogen_call(child, "mitogen.", NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "no builtin function \"\"");
	EXPECT_FAILURE(mitogen_call(child, "ping", NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "no function \"ping\"");
	EXPECT_FAILURE(mitogen_call(self, "mitogen.exec", NULL, &err), MITOGEN_ERR_UNKNOWN,
		       "no builtin function \"exec\"");
	EXPECT_FAILURE(mitogen_call(self, own_pid, NULL, &err), MITOGEN_ERR_DEADLOCK, "main");
	/* behind a function of its own main thread it would wait for ever */
	EXPECT_FAILURE(mitogen_call(mitogen_chain(self), "mitogen.ping", NULL, &err),
		       MITOGEN_ERR_DEADLOCK, "main");
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{"facts_of_all", facts_of_all},
		{"answers_and_mistakes", answers_and_mistakes},
		{0},
	};

	return scenario_main(scenarios, argc, argv);
}
