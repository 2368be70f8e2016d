/* SPDX-License-Identifier: BSD-3-Clause */
/* Release at the end of the scope, and handing over what would be released. */
#pragma once

#include "base/fd.h"
#include "base/sys.h"

static inline void cleanup_free(void *p)
{
	sys.free(*(void **)p);
}
static inline void cleanup_fd(const int *fd)
{
	fd_close(*fd);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_FD   __attribute__((cleanup(cleanup_fd)))

#define TAKE_PTR(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	__extension__({                                                                            \
		int fd_ = (fd);                                                                    \
		(fd) = -1;                                                                         \
		fd_;                                                                               \
	})
