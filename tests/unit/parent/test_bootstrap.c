/* SPDX-License-Identifier: BSD-3-Clause */
/* What a first stage says to a router that has to ask its parent for the image. */
#include <string.h>

#include "parent/bootstrap.h"

#include "../module/images_fixture.h"

static struct stream stream;
static struct bootstrap bootstrap;
static mitogen_error error;

static void ended(struct stream *of, const char *why)
{
	(void)of;
	(void)why;
}

static const struct stream_events events = {.ended = ended};

static void failed(struct bootstrap *of, const mitogen_error *why)
{
	(void)of;
	fail_msg("%s", why->text);
}

static int setup(void **state)
{
	int r = images_setup(state);

	stream_init(&stream, &hop->router.broker, &events);
	bootstrap_init(&bootstrap, &hop->router, &stream, "title", NULL, failed);
	return r;
}

static int teardown(void **state)
{
	bootstrap_stop(&bootstrap);
	stream_close(&stream);
	return images_teardown(state);
}

static enum bootstrap_result hear(const char *line)
{
	return bootstrap_take(&bootstrap, line, strlen(line), &error);
}

static void say_hello(void)
{
	assert_int_equal(
		hear(foreign == platform_at(0) ? "MITO000 Linux x86_64" : "MITO000 Linux aarch64"),
		BOOTSTRAP_RUNS);
}

static void the_image_comes_from_the_parent(void **state)
{
	(void)state;
	say_hello();
	assert_int_equal(bootstrap.images, 0);
	tree_pump();
	assert_int_equal(bootstrap.images, 1);
	assert_int_equal(hear("MITO002 gzip no room"), BOOTSTRAP_GOES_ON);
	tree_pump();
	assert_int_equal(bootstrap.images, 2);
}

static void only_what_came_can_be_refused(void **state)
{
	(void)state;
	say_hello();
	assert_int_equal(hear("MITO002 gzip no room"), BOOTSTRAP_FAILED);
	assert_string_equal(error.text,
			    "the first stage has refused an image before there was one: no room");
	tree_pump();
	assert_int_equal(bootstrap.images, 1);
}

/* As if there were no first stage, but something that only looks like one. */
static void ready_without_an_image(void **state)
{
	(void)state;
	say_hello();
	assert_int_equal(hear("MITO001 1"), BOOTSTRAP_COMPLETE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_image_comes_from_the_parent),
		T(only_what_came_can_be_refused),
		T(ready_without_an_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
