/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

#define JUMP_MAX_MS      100
#define OWN_WAKE_UP_SIZE 8

enum kind {
	MALLOC,
	READ_SHORT,
	WRITE_SHORT,
	NOT_NOW,
	INTERRUPTED,
	SOCKETPAIR,
	PIPE2,
	SOCKET,
	ACCEPT,
	PIDFD_OPEN,
	CLOCK,
	FORK,
	KINDS,
};

static const char *const names[KINDS] = {"malloc", "read_short", "write_short", "eagain",
					 "eintr",  "socketpair", "pipe2",       "socket",
					 "accept", "pidfd_open", "clock",       "fork"};

struct rule {
	uint64_t one_in;      /* 0: never by chance */
	uint64_t first, last; /* by number, from 1; 0: none */
};

static struct rule rules[KINDS];
static uint64_t seed;
static uint64_t calls[KINDS]; /* atomic */
static uint64_t jumped_ns;    /* atomic */
static struct sys original;

/* ---- Which calls ---- */

/* splitmix64: well mixed, whatever goes in. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Counts a call of this kind. 0: it works; otherwise a number that is as random as the choice. */
static uint64_t strike(enum kind kind)
{
	const struct rule *rule = &rules[kind];
	uint64_t number, chance;

	if (!rule->one_in && !rule->first)
		return 0;
	number = __atomic_add_fetch(&calls[kind], 1, __ATOMIC_RELAXED);
	chance = mix(mix(seed + (uint64_t)kind) + number);
	if ((rule->one_in && chance % rule->one_in == 0) ||
	    (rule->first && number >= rule->first && number <= rule->last))
		return mix(chance) | 1;
	return 0;
}

/* ---- Memory and the clock ---- */

static void *faulty_malloc(size_t size)
{
	if (!strike(MALLOC))
		return original.malloc(size);
	errno = ENOMEM;
	return NULL;
}

static void *faulty_calloc(size_t count, size_t size)
{
	if (!strike(MALLOC))
		return original.calloc(count, size);
	errno = ENOMEM;
	return NULL;
}

static void *faulty_realloc(void *p, size_t size)
{
	if (!strike(MALLOC))
		return original.realloc(p, size);
	errno = ENOMEM;
	return NULL;
}

static int faulty_clock_gettime(clockid_t clock, struct timespec *ret)
{
	uint64_t jump = strike(CLOCK), ns;

	if (jump)
		__atomic_add_fetch(&jumped_ns, (1 + jump % JUMP_MAX_MS) * 1000000,
				   __ATOMIC_RELAXED);
	if (original.clock_gettime(clock, ret) < 0)
		return -1;
	ns = (uint64_t)ret->tv_nsec + __atomic_load_n(&jumped_ns, __ATOMIC_RELAXED);
	ret->tv_sec += (time_t)(ns / 1000000000);
	ret->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

/* ---- Transfers ---- */

/* Does this transfer fail? Then errno says how. */
static bool transfer_fails(int fd, size_t size, bool never_blocks)
{
	if (size <= OWN_WAKE_UP_SIZE)
		return false;
	if (strike(INTERRUPTED)) {
		errno = EINTR;
		return true;
	}
	if (!never_blocks && !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return false;
	if (!strike(NOT_NOW))
		return false;
	errno = EAGAIN;
	return true;
}

/* How much of it is transferred. */
static size_t shortened(enum kind kind, size_t size)
{
	uint64_t chance = size > OWN_WAKE_UP_SIZE ? strike(kind) : 0;

	return chance ? 1 + (size_t)(chance % size) : size;
}

static ssize_t faulty_read(int fd, void *data, size_t size)
{
	if (transfer_fails(fd, size, false))
		return -1;
	return original.read(fd, data, shortened(READ_SHORT, size));
}

static ssize_t faulty_recv(int fd, void *data, size_t size, int flags)
{
	if (transfer_fails(fd, size, flags & MSG_DONTWAIT))
		return -1;
	return original.recv(fd, data, shortened(READ_SHORT, size), flags);
}

static ssize_t faulty_write(int fd, const void *data, size_t size)
{
	if (transfer_fails(fd, size, false))
		return -1;
	return original.write(fd, data, shortened(WRITE_SHORT, size));
}

static ssize_t faulty_send(int fd, const void *data, size_t size, int flags)
{
	if (transfer_fails(fd, size, flags & MSG_DONTWAIT))
		return -1;
	return original.send(fd, data, shortened(WRITE_SHORT, size), flags);
}

static size_t total(const struct iovec *iov, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += iov[i].iov_len;
	return size;
}

/* The piece in which the first size bytes end; *ret is what of it still belongs to them. */
static size_t last_piece(const struct iovec *iov, size_t size, size_t *ret)
{
	size_t i = 0;

	for (; size > iov[i].iov_len; i++)
		size -= iov[i].iov_len;
	*ret = size;
	return i;
}

/* The pieces before the last one are whole; of that one nothing, unless it is the first. */
static size_t shorten_pieces(const struct iovec *iov, size_t count, struct iovec *ret_first)
{
	size_t size = shortened(WRITE_SHORT, total(iov, count)), part;
	size_t last = last_piece(iov, size, &part);

	*ret_first = iov[0];
	if (last == 0)
		ret_first->iov_len = part;
	return last == 0 || part == iov[last].iov_len ? last + 1 : last;
}

static ssize_t faulty_writev(int fd, const struct iovec *iov, int count)
{
	struct iovec first;
	size_t pieces;

	if (transfer_fails(fd, total(iov, (size_t)count), false))
		return -1;
	pieces = shorten_pieces(iov, (size_t)count, &first);
	return pieces == 1 ? original.write(fd, first.iov_base, first.iov_len)
			   : original.writev(fd, iov, (int)pieces);
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr less = *message;
	struct iovec first;

	if (transfer_fails(fd, total(message->msg_iov, message->msg_iovlen), flags & MSG_DONTWAIT))
		return -1;
	less.msg_iovlen = shorten_pieces(message->msg_iov, message->msg_iovlen, &first);
	if (less.msg_iovlen == 1)
		less.msg_iov = &first;
	return original.sendmsg(fd, &less, flags);
}

/* ---- Other calls ---- */

static int faulty_socketpair(int domain, int type, int protocol, int ret[2])
{
	if (!strike(SOCKETPAIR))
		return original.socketpair(domain, type, protocol, ret);
	errno = EMFILE;
	return -1;
}

static int faulty_pipe2(int ret[2], int flags)
{
	if (!strike(PIPE2))
		return original.pipe2(ret, flags);
	errno = EMFILE;
	return -1;
}

static int faulty_socket(int domain, int type, int protocol)
{
	if (!strike(SOCKET))
		return original.socket(domain, type, protocol);
	errno = EMFILE;
	return -1;
}

static int faulty_accept4(int fd, struct sockaddr *ret, socklen_t *size, int flags)
{
	if (!strike(ACCEPT))
		return original.accept4(fd, ret, size, flags);
	errno = EMFILE;
	return -1;
}

static int faulty_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (!strike(INTERRUPTED))
		return original.poll(fds, count, timeout_ms);
	errno = EINTR;
	return -1;
}

static pid_t faulty_waitpid(pid_t pid, int *ret_status, int flags)
{
	if (!strike(INTERRUPTED))
		return original.waitpid(pid, ret_status, flags);
	errno = EINTR;
	return -1;
}

static pid_t faulty_fork(void)
{
	if (!strike(FORK))
		return original.fork();
	errno = EAGAIN;
	return -1;
}

static int faulty_pidfd_open(pid_t pid)
{
	if (!strike(PIDFD_OPEN))
		return original.pidfd_open(pid);
	errno = ENOSYS;
	return -1;
}

/* ---- Installing ---- */

static bool take_number(const char **at, uint64_t *ret)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

static int find_kind(const char *name, size_t length)
{
	for (int kind = 0; kind < KINDS; kind++)
		if (strlen(names[kind]) == length && memcmp(names[kind], name, length) == 0)
			return kind;
	return -1;
}

/* One item of the list, up to its comma or the end. */
static bool parse_item(const char **at, struct rule parsed[KINDS], uint64_t *ret_seed)
{
	size_t length = strcspn(*at, "=@,");
	int kind = find_kind(*at, length);
	bool is_seed = length == 4 && memcmp(*at, "seed", 4) == 0;
	char sign = (*at)[length];
	uint64_t number;

	if (!sign || sign == ',' || (kind < 0 && !is_seed))
		return false;
	*at += length + 1;
	if (!take_number(at, &number) || (is_seed && sign == '@') || (!is_seed && number == 0))
		return false;
	if (is_seed) {
		*ret_seed = number;
	} else if (sign == '=') {
		parsed[kind].one_in = number;
	} else {
		parsed[kind].first = parsed[kind].last = number;
		if (**at == '+') {
			parsed[kind].last = UINT64_MAX;
			++*at;
		}
	}
	return **at == ',' || **at == '\0';
}

static void replace_entries(void)
{
	sys.malloc = faulty_malloc;
	sys.calloc = faulty_calloc;
	sys.realloc = faulty_realloc;
	sys.clock_gettime = faulty_clock_gettime;
	sys.read = faulty_read;
	sys.write = faulty_write;
	sys.writev = faulty_writev;
	sys.recv = faulty_recv;
	sys.send = faulty_send;
	sys.sendmsg = faulty_sendmsg;
	sys.socketpair = faulty_socketpair;
	sys.pipe2 = faulty_pipe2;
	sys.socket = faulty_socket;
	sys.accept4 = faulty_accept4;
	sys.poll = faulty_poll;
	sys.fork = faulty_fork;
	sys.waitpid = faulty_waitpid;
	sys.pidfd_open = faulty_pidfd_open;
}

int faults_install(const char *specification)
{
	struct rule parsed[KINDS] = {0};
	uint64_t parsed_seed = 0;
	const char *at = specification ? specification : "";

	while (*at) {
		if (!parse_item(&at, parsed, &parsed_seed))
			return -1;
		at += *at == ',';
	}
	if (!original.malloc)
		original = sys;
	sys = original;
	memcpy(rules, parsed, sizeof(rules));
	memset(calls, 0, sizeof(calls));
	jumped_ns = 0;
	seed = parsed_seed;
	if (specification)
		replace_entries();
	return 0;
}

__attribute__((constructor)) static void install_from_environment(void)
{
	const char *specification = getenv("MITOGEN_FAULTS");

	if (!specification || faults_install(specification) == 0)
		return;
	fprintf(stderr, "MITOGEN_FAULTS is not understood: %s\n", specification);
	_exit(2);
}
