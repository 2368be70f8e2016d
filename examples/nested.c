/* SPDX-License-Identifier: BSD-3-Clause */
/* Ten contexts, each the child of the one before: what each of them says of itself. */
#include <mitogen/mitogen.h>
#include <stdio.h>
#include <unistd.h>

#define DEPTH 10

static int whoami(mitogen_message *m, mitogen_error *error)
{
	mitogen_context self = mitogen_self(mitogen_message_router(m));
	char name[1024];

	return mitogen_reply(m, error, (int)getpid(), (int)getppid(),
			     mitogen_context_name(self, name, sizeof(name)));
}
MITOGEN_EXPORT(whoami);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context contexts[DEPTH], via = mitogen_self(router);
	MITOGEN_AUTO(message, m);

	for (int i = 0; i < DEPTH; i++)
		contexts[i] = via = mitogen_local(via, &err); /* does not wait for the one before */
	for (int i = 0; i < DEPTH; i++) {
		const char *name;
		int pid, parent;

		if (mitogen_call(contexts[i], whoami, &m, &err) < 0 ||
		    mitogen_read(m, &err, &pid, &parent, &name) < 0)
			break;
		printf("%d, child of %d, is %s\n", pid, parent, name);
	}
	return mitogen_finish(router, &err);
}
