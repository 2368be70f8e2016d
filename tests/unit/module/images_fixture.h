/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree of routers, each of which can ask for images; the master has files of one foreign platform. */
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include "module/image.h"
#include "module/image_files.h"
#include "module/images.h"
#include "module/platform.h"
#include "wire/handles.h"

#include "../parent/tree.h"

SHARED struct node *hop, *below; /* master <- hop <- below */
SHARED const char *foreign; /* a platform that the master has files of; a program of FOREIGN_SIZE */
SHARED const char *absent;  /* one that nobody has */
SHARED char image_directory[64];

#define FOREIGN_SIZE 300000

/* Somebody who asks for an image. */
struct asker {
	struct image_request request;
	struct image *image;
	mitogen_error error;
	int count;
};

SHARED void asker_done(struct image_request *request, struct image *image,
		       const mitogen_error *error)
{
	struct asker *asker = LIST_OWNER(request, struct asker, request);

	asker->count++;
	asker->image = image;
	if (!image)
		asker->error = *error;
}

SHARED void ask(struct node *node, const char *platform, struct asker *asker)
{
	asker->request.done = asker_done;
	images_request(&node->router, platform, &asker->request);
}

/* Asks, and waits for the answer. */
SHARED struct image *fetch(struct node *node, const char *platform)
{
	struct asker asker = {0};

	ask(node, platform, &asker);
	tree_pump();
	assert_int_equal(asker.count, 1);
	if (!asker.image)
		fail_msg("%s", asker.error.text);
	return asker.image;
}

SHARED mitogen_error fail_to_fetch(struct node *node, const char *platform)
{
	struct asker asker = {0};

	ask(node, platform, &asker);
	tree_pump();
	assert_int_equal(asker.count, 1);
	assert_null(asker.image);
	return asker.error;
}

SHARED void foreign_path(char *out, size_t size)
{
	snprintf(out, size, "%s/%s", image_directory, foreign);
}

/* A program for it, as far as can be seen: the first bytes tell. */
SHARED void write_foreign(void)
{
	static uint8_t data[FOREIGN_SIZE] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	char path[128];
	FILE *file;

	for (size_t i = 64; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 7);
	data[18] = foreign == platform_at(0) ? 62 : 183; /* EM_X86_64, EM_AARCH64 */
	foreign_path(path, sizeof(path));
	file = fopen(path, "wbe");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, sizeof(data), file), sizeof(data));
	fclose(file);
}

SHARED struct node *images_add(struct node *parent, uint32_t id, uint32_t count, const char *name)
{
	struct node *node = tree_add(parent, id, count, name);

	assert_int_equal(images_open(&node->router, NULL), 0);
	return node;
}

SHARED int images_setup(void **state)
{
	tree_setup(state);
	foreign = platform_own() == platform_at(0) ? platform_at(1) : platform_at(0);
	absent = platform_own() == platform_at(3) ? platform_at(2) : platform_at(3);
	snprintf(image_directory, sizeof(image_directory), "/tmp/test-images-XXXXXX");
	if (!mkdtemp(image_directory))
		return -1;
	write_foreign();
	assert_int_equal(images_open(&master->router, image_files_new(NULL, image_directory)), 0);
	hop = images_add(master, 1, 1000, "hop");
	below = images_add(hop, 2, 100, "below");
	return 0;
}

SHARED int images_teardown(void **state)
{
	char path[128];

	for (size_t i = 0; i < node_count; i++)
		images_close(&nodes[i].router);
	foreign_path(path, sizeof(path));
	unlink(path);
	rmdir(image_directory);
	return tree_teardown(state);
}

SHARED uint64_t sent_to(const struct node *node)
{
	return node->below.stream.bytes_out;
}
