/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process knows about itself and its system without asking anybody. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/fd.h"
#include "base/sys.h"
#include "builtin/builtin.h"
#include "core/dispatch.h"

/* Bytes of memory that are resident; -1 where the system does not say. */
static long long resident_size(void)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128], *end;
	long long pages;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = sys.read(fd, text, sizeof(text) - 1);
	fd_close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	strtoll(text, &end, 10); /* the size of its address space */
	pages = strtoll(end, &end, 10);
	return pages > 0 ? pages * sysconf(_SC_PAGESIZE) : -1;
}

static void write_fact(struct mitogen_writer *w, const char *name, const char *text)
{
	char escaped[256];

	writer_string(w, name);
	writer_string(w, escape_text(escaped, sizeof(escaped), text, strlen(text)));
}

void builtin_facts(struct router *router, struct mitogen_message *m)
{
	struct utsname system = {0};
	long long size = resident_size();
	struct mitogen_writer w;
	int ignored;

	uname(&system);
	message_writer_init(&w);
	writer_begin_map(&w);
	write_fact(&w, "system", system.sysname);
	write_fact(&w, "release", system.release);
	write_fact(&w, "machine", system.machine);
	write_fact(&w, "node", system.nodename);
	writer_string(&w, "pid");
	writer_int(&w, getpid());
	writer_string(&w, "uid");
	writer_uint(&w, geteuid());
	writer_string(&w, "rss");
	if (size < 0)
		writer_nil(&w);
	else
		writer_int(&w, size);
	writer_end(&w);
	dispatch_answer(router, m, message_from_writer(&w, &ignored));
	message_unref(m);
}
