/* SPDX-License-Identifier: BSD-3-Clause */
/* Scatter and gather: contexts search for primes at the same time and send what they find. */
#include <mitogen/mitogen.h>
#include <stdio.h>

#define WORKERS 10
#define RANGE   1000

static int find_primes(mitogen_message *m, mitogen_error *error) /* replies with how many */
{
	mitogen_channel caller = mitogen_message_channel(m);
	int first, end, count = 0, r = mitogen_read(m, error, &first, &end);

	for (int n = first < 2 ? 2 : first; r >= 0 && n < end; n++) {
		int divisor = 2;

		while (divisor * divisor <= n && n % divisor)
			divisor++;
		if (divisor * divisor <= n)
			continue;
		r = mitogen_send(caller.tx, error, n);
		count++;
	}
	return r < 0 ? r : mitogen_reply(m, error, count);
}
MITOGEN_EXPORT(find_primes, MITOGEN_INT, MITOGEN_INT);

int main(int argc, char **argv)
{
	mitogen_error err = {0};
	mitogen_router router = mitogen_start(argc, argv, &err);
	mitogen_select all = mitogen_select_new(router, &err);
	MITOGEN_AUTO(message, m);
	int left = 0, largest = 0, count = 0, failed = 0, number;

	for (int i = 0; i < WORKERS; i++) {
		mitogen_context worker = mitogen_local(router, &err); /* does not wait */
		mitogen_channel found =
			mitogen_channel_open(worker, find_primes, &err, i * RANGE, (i + 1) * RANGE);

		if (mitogen_select_add(all, found.rx, &err) == 0)
			left++;
	}
	while (left > 0 && mitogen_select_get(all, &m, MITOGEN_FOREVER, &err) > 0) {
		bool is_result = mitogen_message_event(m) == MITOGEN_EVENT_RESULT;

		left -= is_result; /* one for each channel, whatever happens to it */
		if (mitogen_read(m, &err, &number) < 0) {
			fprintf(stderr, "%s\n", err.text);
			err.code = MITOGEN_OK; /* has been said */
			failed++;
		} else if (is_result) {
			count += number;
		} else if (number > largest) {
			largest = number;
		}
	}
	printf("%d primes below %d, the largest is %d\n", count, WORKERS * RANGE, largest);
	return mitogen_finish(router, &err) || failed || left;
}
