/* SPDX-License-Identifier: BSD-3-Clause */
/* poll(2): everywhere. The array is made anew when what is watched has changed. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/sys.h"
#include "core/poller.h"

struct poller {
	struct list sources;
	size_t count, capacity;
	size_t turn;        /* of the array: whose comes first */
	struct pollfd *fds; /* one for each source, in the order of the list */
	struct source **owners;
	bool stale;
};

static struct poller *create(void)
{
	struct poller *poller = sys.calloc(1, sizeof(*poller));

	if (poller)
		list_init(&poller->sources);
	return poller;
}

static void destroy(struct poller *poller)
{
	if (!poller)
		return;
	sys.free(poller->fds);
	sys.free(poller->owners);
	sys.free(poller);
}

static int reserve(struct poller *poller)
{
	size_t capacity = poller->capacity ? poller->capacity * 2 : 16;
	struct pollfd *fds;
	struct source **owners;

	if (poller->count < poller->capacity)
		return 0;
	fds = sys.realloc(poller->fds, capacity * sizeof(*fds));
	if (!fds)
		return -1;
	poller->fds = fds;
	owners = sys.realloc(poller->owners, capacity * sizeof(struct source *));
	if (!owners)
		return -1;
	poller->owners = owners;
	poller->capacity = capacity;
	return 0;
}

static int update(struct poller *poller, struct source *source, unsigned before)
{
	if (!before) {
		if (reserve(poller) < 0) {
			errno = ENOMEM;
			return -1;
		}
		list_append(&poller->sources, &source->link);
		poller->count++;
	} else if (!source->wanted) {
		list_remove(&source->link);
		poller->count--;
	}
	poller->stale = true;
	return 0;
}

static void rebuild(struct poller *poller)
{
	size_t i = 0;

	LIST_FOR_EACH (node, &poller->sources) {
		struct source *source = LIST_OWNER(node, struct source, link);
		short events = 0;

		if (source->wanted & POLLER_READ)
			events |= POLLIN;
		if (source->wanted & POLLER_WRITE)
			events |= POLLOUT;
		poller->owners[i] = source;
		poller->fds[i++] = (struct pollfd){.fd = source->fd, .events = events};
	}
	poller->stale = false;
}

static int wait_ready(struct poller *poller, struct poller_ready *ready, int max, int timeout_ms)
{
	size_t last = 0;
	int count = 0;

	if (poller->stale)
		rebuild(poller);
	if (sys.poll(poller->fds, poller->count, timeout_ms) <= 0)
		return 0;
	/* goes on where the last round stopped: what is always ready keeps nobody else waiting */
	for (size_t i = 0; i < poller->count && count < max; i++) {
		size_t at = (poller->turn + i) % poller->count;
		short got = poller->fds[at].revents;

		if (!got)
			continue;
		last = at;
		ready[count].source = poller->owners[at];
		ready[count].events = 0;
		if (got & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
			ready[count].events |= POLLER_READ;
		if (got & (POLLOUT | POLLERR | POLLNVAL))
			ready[count].events |= POLLER_WRITE;
		count++;
	}
	poller->turn = last + 1;
	return count;
}

const struct poller_ops poller_poll = {
	.name = "poll",
	.create = create,
	.destroy = destroy,
	.update = update,
	.wait = wait_ready,
};
