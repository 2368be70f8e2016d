/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of order, along a chain of streams in which each forwards what it gets: any interleaving
 * of sources, ports and sizes, writes and reads of any length. MITOGEN_TEST_SEED repeats a run.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "base/sys.h"
#include "core/stream.h"
#include "core/verify.h"
#include "fixture.h"

#define HOPS     3u
#define SOURCES  4u
#define TARGETS  2u
#define PORTS    4u /* the even ones take bulk */
#define PAIRS    (SOURCES * TARGETS)
#define FLOWS    (PAIRS * PORTS)
#define MESSAGES 2000
#define BARRIERS 400u
#define BARRIER  9u /* the port that takes them */

struct hop {
	struct stream from, to; /* its two ends */
	/* what was queued for it so far: */
	uint32_t of_flow[FLOWS];
};

struct barrier {
	bool is_of[SOURCES]; /* it is behind what these had queued, which was: */
	uint32_t before[FLOWS];
	bool has_come;
};

static struct broker broker;
static struct hop hops[HOPS];
static struct barrier barriers[BARRIERS];
static unsigned barrier_count;
static uint32_t sent_of_flow[FLOWS], sent_of_pair[PAIRS];
static uint32_t came_of_flow[FLOWS], came_of_pair[PAIRS];
static unsigned sent, came;

static unsigned roll(unsigned sides)
{
	return (unsigned)rand() / 7 % sides;
}

static unsigned pair_of(const struct frame_header *header)
{
	return header->src_id * TARGETS + header->dst_id;
}

static unsigned flow_of(const struct frame_header *header)
{
	return pair_of(header) * PORTS + header->handle;
}

/* ---- Short reads and writes ---- */

static size_t shortened(size_t size)
{
	if (roll(3) > 0 || size == 0)
		return size;
	return 1 + roll((unsigned)(size < 40 ? size : roll(2) ? 40 : size));
}

static ssize_t short_send(int fd, const void *data, size_t size, int flags)
{
	return send(fd, data, shortened(size), flags);
}

static ssize_t short_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr shorter = *message;

	shorter.msg_iovlen = 1 + roll((unsigned)message->msg_iovlen);
	if (roll(2))
		return sendmsg(fd, &shorter, flags);
	return short_send(fd, message->msg_iov->iov_base, message->msg_iov->iov_len, flags);
}

static ssize_t short_writev(int fd, const struct iovec *iov, int count)
{
	if (roll(2))
		return writev(fd, iov, 1 + (int)roll((unsigned)count));
	return write(fd, iov->iov_base, shortened(iov->iov_len));
}

static ssize_t short_recv(int fd, void *data, size_t size, int flags)
{
	return recv(fd, data, shortened(size), flags);
}

static ssize_t short_read(int fd, void *data, size_t size)
{
	return read(fd, data, shortened(size));
}

/* ---- The model ---- */

static void check_barrier(struct barrier *barrier)
{
	assert_false(barrier->has_come);
	barrier->has_come = true;
	for (unsigned flow = 0; flow < FLOWS; flow++)
		if (barrier->is_of[flow / PORTS / TARGETS])
			assert_true(came_of_flow[flow] >= barrier->before[flow]);
}

/* Of one source, target and port all come, once, in order; so do normal ones of a source and target. */
static void check_frame(const struct mitogen_message *m)
{
	assert_int_equal(m->header.reply_to, came_of_flow[flow_of(&m->header)]++);
	if (!(m->header.flags & FRAME_BULK))
		assert_int_equal(m->header.auth_id, came_of_pair[pair_of(&m->header)]++);
	for (size_t i = 0; i < m->size; i += 977)
		assert_int_equal(m->payload[i], (uint8_t)(m->header.reply_to + i));
}

/* ---- The chain ---- */

static void put(struct hop *hop, struct mitogen_message *m)
{
	if (m->header.handle == BARRIER) {
		const struct barrier *barrier = &barriers[m->header.reply_to];
		struct id_blocks sources = {0};

		for (uint32_t i = 0; i < SOURCES; i++)
			if (barrier->is_of[i])
				assert_int_equal(id_blocks_add(&sources, i, 1), 0);
		stream_send_behind(&hop->from, m, sources.count < SOURCES ? &sources : NULL);
		id_blocks_clear(&sources);
		return;
	}
	hop->of_flow[flow_of(&m->header)]++;
	stream_send(&hop->from, m, roll(4) == 0);
}

static bool on_frame(struct stream *stream, struct mitogen_message *m)
{
	struct hop *hop = LIST_OWNER(stream, struct hop, to);

	if (hop < &hops[HOPS - 1]) {
		put(hop + 1, m);
		return true;
	}
	came++;
	if (m->header.handle == BARRIER)
		check_barrier(&barriers[m->header.reply_to]);
	else
		check_frame(m);
	message_unref(m);
	return true;
}

static void on_ended(struct stream *stream, const char *why)
{
	(void)stream;
	fail_msg("the stream ended: %s", why ? why : "-");
}

static const struct stream_events events = {.frame = on_frame, .ended = on_ended};

/* Every other one is a pair of pipes. */
static int setup(void **state)
{
	(void)state;
	assert_int_equal(broker_init(&broker), 0);
	for (unsigned i = 0; i < HOPS; i++) {
		int forth[2], back[2];

		stream_init(&hops[i].from, &broker, &events);
		stream_init(&hops[i].to, &broker, &events);
		if (i % 2) {
			assert_int_equal(fd_pipe(forth), 0);
			assert_int_equal(fd_pipe(back), 0);
			assert_int_equal(stream_open(&hops[i].from, back[0], forth[1]), 0);
			assert_int_equal(stream_open(&hops[i].to, forth[0], back[1]), 0);
		} else {
			assert_int_equal(fd_socketpair(forth), 0);
			assert_int_equal(stream_open(&hops[i].from, forth[0], forth[0]), 0);
			assert_int_equal(stream_open(&hops[i].to, forth[1], forth[1]), 0);
		}
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sys.send = send;
	sys.sendmsg = sendmsg;
	sys.writev = writev;
	sys.recv = recv;
	sys.read = read;
	for (unsigned i = 0; i < HOPS; i++) {
		stream_close(&hops[i].from);
		stream_close(&hops[i].to);
	}
	broker_clear(&broker);
	return 0;
}

/* ---- What is sent ---- */

/* A source joins the chain where it always does. */
static void send_random(void)
{
	static const unsigned sizes[] = {0, 20, 3000, 32768, FRAME_PAYLOAD_MAX};
	struct mitogen_message *m = message_new(roll(sizes[roll(5)] + 1));
	uint32_t port = roll(PORTS);

	assert_non_null(m);
	m->header = (struct frame_header){.kind = FRAME_RAW,
					  .flags = port % 2 ? 0 : FRAME_BULK,
					  .src_id = roll(SOURCES),
					  .dst_id = roll(TARGETS),
					  .handle = port};
	m->header.reply_to = sent_of_flow[flow_of(&m->header)]++;
	if (port % 2)
		m->header.auth_id = sent_of_pair[pair_of(&m->header)]++;
	for (size_t i = 0; i < m->size; i++)
		m->payload[i] = (uint8_t)(m->header.reply_to + i);
	sent++;
	put(&hops[m->header.src_id % HOPS], m);
}

static void send_random_barrier(void)
{
	struct barrier *barrier = &barriers[barrier_count];
	struct mitogen_message *m = message_new(10);
	struct hop *hop = &hops[roll(HOPS)];
	unsigned chosen = 1 + roll((1 << SOURCES) - 1);

	assert_non_null(m);
	memset(m->payload, 0, m->size);
	m->header = (struct frame_header){
		.kind = FRAME_RAW, .src_id = 99, .handle = BARRIER, .reply_to = barrier_count++};
	for (unsigned i = 0; i < SOURCES; i++)
		barrier->is_of[i] = chosen >> i & 1;
	memcpy(barrier->before, hop->of_flow, sizeof(barrier->before));
	sent++;
	put(hop, m);
}

static void along_a_chain_of_streams(void **state)
{
	const char *given = getenv("MITOGEN_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : random_u32();
	int size = 1; /* the kernel's least: something always waits */

	(void)state;
	print_message("# MITOGEN_TEST_SEED=%u\n", seed);
	srand(seed);
	setsockopt(hops[0].from.out.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	sys.send = short_send;
	sys.sendmsg = short_sendmsg;
	sys.writev = short_writev;
	sys.recv = short_recv;
	sys.read = short_read;
	while (sent < MESSAGES) {
		for (unsigned i = roll(100); i > 0; i--)
			send_random();
		for (unsigned i = roll(4); i > 0 && barrier_count < BARRIERS; i--)
			send_random_barrier();
		for (unsigned i = roll(30); i > 0; i--)
			pump_once(&broker, 0);
	}
	pump(&broker);
	assert_int_equal(came, sent);
	assert_memory_equal(came_of_flow, sent_of_flow, sizeof(came_of_flow));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(along_a_chain_of_streams, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
