/* SPDX-License-Identifier: BSD-3-Clause */
/* tail FILE: follows a file that a child reads, over a channel, until it is interrupted. */
#include <mitogen/mitogen.h>
#include <stdio.h>

static int tail(mitogen_message *m, mitogen_error *error) /* runs in the child */
{
	mitogen_channel caller = mitogen_message_channel(m);
	MITOGEN_AUTO(message, unused);
	const char *path;
	char buffer[4096];
	size_t n;
	FILE *f;
	int r = mitogen_read(m, error, &path);

	if (r < 0)
		return r;
	f = fopen(path, "re");
	if (!f)
		return mitogen_fail_errno(error, "cannot open %s", path);
	do {
		clearerr(f); /* the end of the file is not the last word */
		while (r >= 0 && (n = fread(buffer, 1, sizeof(buffer), f)) > 0)
			r = mitogen_send(caller.tx, error, mitogen_bytes_of(buffer, n));
		/* a sleep that ends at once when the caller closes the channel */
	} while (r >= 0 && mitogen_receiver_get(caller.rx, &unused, 250, error) == 0);
	fclose(f);
	return r;
}
MITOGEN_EXPORT(tail, MITOGEN_BYTES);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_context child = mitogen_local(router, &err);
	mitogen_channel lines = mitogen_channel_open(child, tail, &err, mitogen_path(argv[1]));
	MITOGEN_AUTO(message, m);
	mitogen_bytes chunk;

	while (mitogen_receiver_get(lines.rx, &m, MITOGEN_FOREVER, &err) > 0 &&
	       mitogen_read(m, &err, &chunk) == 0 &&
	       fwrite(chunk.data, 1, chunk.size, stdout) == chunk.size)
		fflush(stdout);
	mitogen_channel_close(lines);
	return mitogen_finish(router, &err);
}
