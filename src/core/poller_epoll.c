/* SPDX-License-Identifier: BSD-3-Clause */
#ifdef __linux__
#include <errno.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/sys.h"
#include "core/poller.h"

#define BATCH 64

struct poller {
	int fd;
};

static struct poller *create(void)
{
	struct poller *poller = sys.calloc(1, sizeof(*poller));

	if (!poller)
		return NULL;
	poller->fd = fd_move_high(epoll_create1(EPOLL_CLOEXEC));
	if (poller->fd >= 0)
		return poller;
	sys.free(poller);
	return NULL;
}

static void destroy(struct poller *poller)
{
	if (!poller)
		return;
	fd_close(poller->fd);
	sys.free(poller);
}

static int update(struct poller *poller, struct source *source, unsigned before)
{
	struct epoll_event event = {.data.ptr = source};
	int operation = !before ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (!source->wanted) {
		epoll_ctl(poller->fd, EPOLL_CTL_DEL, source->fd, &event);
		return 0;
	}
	if (source->wanted & POLLER_READ)
		event.events |= EPOLLIN;
	if (source->wanted & POLLER_WRITE)
		event.events |= EPOLLOUT;
	return epoll_ctl(poller->fd, operation, source->fd, &event);
}

static int wait_ready(struct poller *poller, struct poller_ready *ready, int max, int timeout_ms)
{
	struct epoll_event events[BATCH];
	int count = epoll_wait(poller->fd, events, max < BATCH ? max : BATCH, timeout_ms);

	for (int i = 0; i < count; i++) {
		unsigned got = events[i].events;

		ready[i].source = events[i].data.ptr;
		ready[i].events = 0;
		if (got & (EPOLLIN | EPOLLHUP | EPOLLERR))
			ready[i].events |= POLLER_READ;
		if (got & (EPOLLOUT | EPOLLERR))
			ready[i].events |= POLLER_WRITE;
	}
	return count > 0 ? count : 0;
}

const struct poller_ops poller_epoll = {
	.name = "epoll",
	.create = create,
	.destroy = destroy,
	.update = update,
	.wait = wait_ready,
};
#endif
