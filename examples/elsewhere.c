/* SPDX-License-Identifier: BSD-3-Clause */
/* Another machine and another user there: elsewhere hostname=web1 [username=alice] [port=2222] ... */
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <unistd.h>

static int who(mitogen_message *m, mitogen_error *error) /* runs in each of them */
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	return mitogen_reply(m, error, mitogen_list((int)geteuid(), host));
}
MITOGEN_EXPORT(who);

static int show(mitogen_context context, mitogen_error *err)
{
	char name[256];
	mitogen_message *m = NULL;
	const char *host;
	int uid, r = mitogen_call(context, who, &m, err);

	if (r >= 0)
		r = mitogen_read(m, err, &uid, &host);
	if (r >= 0)
		printf("%s: user %d on %s\n", mitogen_context_name(context, name, sizeof(name)),
		       uid, host);
	mitogen_message_unref(m);
	return r;
}

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	const char *const *options =
		(const char *const *)argv + 1; /* texts, as a user gives them */
	mitogen_context host = mitogen_connect(router, "ssh", options, &err);
	mitogen_context root =
		mitogen_sudo(host, &err, .username = "root", .connect_timeout_ms = 10000);

	if (show(host, &err) >= 0)
		show(root, &err);
	return mitogen_finish(router, &err);
}
