/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms.h"

#include <string.h>

#include "base/sys.h"
#include "core/router.h"
#include "module/platform.h"
#include "module/sha256.h"
#include "parent/connection.h"
#include "parent/method_options.h"
#include "parent/platforms_table.h"
#include "wire/big_endian.h"
#include "wire/writer.h"

/* Who it is that a tool is told to go to, whatever the tool. */
static void write_names(const struct method_option *option, const void *own,
			struct mitogen_writer *w)
{
	for (; option && option->name && own; option++) {
		const char *text;
		int port;

		if (option->kind == OPTION_NAME) {
			memcpy(&text, (const char *)own + option->offset, sizeof(text));
			if (text)
				writer_bytes(w, text, strlen(text));
			else
				writer_nil(w);
		} else if (strcmp(option->name, "port") == 0) {
			memcpy(&port, (const char *)own + option->offset, sizeof(port));
			writer_int(w, port);
		}
	}
}

uint64_t platforms_target(uint64_t via, const struct connect_method *method, const void *own)
{
	uint8_t hash[SHA256_SIZE];
	struct mitogen_writer w;

	if (!method->has_first_stage || method->is_same_machine)
		return via;
	writer_init(&w, 0, 0);
	writer_begin_list(&w);
	writer_uint(&w, via);
	writer_string(&w, method->name);
	write_names(method->options, own, &w);
	writer_end(&w);
	if (writer_finish(&w) == 0)
		sha256(hash, w.data, w.size);
	else
		memset(hash, 0,
		       sizeof(hash)); /* no memory: another target is remembered, at worst */
	writer_clear(&w);
	return big_endian_load64(hash);
}

const char *platforms_recall(const struct router *router, uint64_t target)
{
	return router->platforms && target ? platforms_get(router->platforms, target) : NULL;
}

void platforms_remember(struct router *router, uint64_t target, const char *name, size_t size)
{
	const char *platform = platform_named(name, size);

	if (!platform || !target)
		return;
	if (!router->platforms) {
		router->platforms = sys.malloc(sizeof(*router->platforms));
		if (!router->platforms)
			return;
		platforms_init(router->platforms);
	}
	platforms_set(router->platforms, target, platform, true);
}

void platforms_clear(struct router *router)
{
	if (router->platforms)
		platforms_drop(router->platforms);
	sys.free(router->platforms);
	router->platforms = NULL;
}
