/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/images.h"

#include "../core/fixture.h"
#include "module/image.h"
#include "module/platform.h"

struct asked {
	struct image_request request;
	struct image *image;
	mitogen_error error;
	int count;
};

static void done(struct image_request *request, struct image *image, const mitogen_error *error)
{
	struct asked *asked = LIST_OWNER(request, struct asked, request);

	asked->count++;
	asked->image = image;
	if (!image)
		asked->error = *error;
}

static int setup(void **state)
{
	pair_setup(state);
	return images_open(&pair.master, NULL, "/nowhere") + images_open(&pair.child, NULL, NULL);
}

static int teardown(void **state)
{
	images_close(&pair.child);
	images_close(&pair.master);
	return pair_teardown(state);
}

static void ask(struct router *router, const char *platform, struct asked *asked)
{
	asked->request.done = done;
	images_request(router, platform, &asked->request);
}

static void our_own_is_shared_while_it_is_used(void **state)
{
	struct asked first = {0}, second = {0}, third = {0};

	(void)state;
	ask(&pair.child, platform_own(), &first);
	ask(&pair.child, platform_own(), &second);
	assert_int_equal(first.count, 1);
	assert_non_null(first.image);
	assert_ptr_equal(first.image, second.image);
	assert_true(image_is_intact(first.image));
	image_unref(first.image);
	image_unref(second.image);
	ask(&pair.child, platform_own(), &third);
	images_close(&pair.child);
	image_unref(third.image); /* it outlives the router's part */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(our_own_is_shared_while_it_is_used, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
