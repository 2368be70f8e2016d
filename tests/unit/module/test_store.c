/* SPDX-License-Identifier: BSD-3-Clause */
#include "module/store.h"

#include "../core/fixture.h"

#define LIMIT 100000

static struct store store;

static int setup(void **state)
{
	(void)state;
	logged[0] = '\0';
	log_set(LOG_WARNING, keep_log, NULL);
	store_init(&store, LIMIT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_clear(&store);
	log_set(LOG_WARNING, NULL, NULL);
	return 0;
}

static struct module_name name_of(const char *text)
{
	struct module_name name = {.kind = "data"};

	snprintf(name.name, sizeof(name.name), "%s", text);
	return name;
}

/* An answer with this content came, whose hash is right if told so. */
static struct blob *add(const char *text, const void *content, size_t size, bool right, int *ret)
{
	struct mitogen_message *m = message_of_bytes(content, size);
	uint8_t hash[SHA256_SIZE];
	struct module_answer answer = {
		.name = name_of(text),
		.hash = hash,
		.content = m->payload,
		.size = size,
	};
	struct blob *blob;

	sha256(hash, content, size);
	hash[0] ^= !right;
	blob = store_add(&store, &answer, m, ret);
	message_unref(m);
	return blob;
}

static struct blob *add_text(const char *text, const char *content)
{
	int code;
	struct blob *blob = add(text, content, strlen(content), true, &code);

	assert_non_null(blob);
	return blob;
}

static struct blob *find(const char *text)
{
	struct module_name name = name_of(text);

	return store_find(&store, &name);
}

static void holds(const char *text, const char *content)
{
	struct blob *blob = find(text);

	assert_non_null(blob);
	assert_int_equal(blob->size, strlen(content));
	assert_memory_equal(blob->data, content, blob->size);
	blob_unref(blob);
}

static void what_was_added_is_found(void **state)
{
	(void)state;
	assert_null(find("a"));
	blob_unref(add_text("a", "one"));
	blob_unref(add_text("b", "two"));
	holds("a", "one");
	holds("b", "two");
	assert_null(find("c"));
}

static void the_same_content_is_kept_once(void **state)
{
	struct blob *first = add_text("a", "content"), *second = add_text("b", "content");

	(void)state;
	assert_ptr_equal(first, second);
	assert_int_equal(store.size, 7);
	blob_unref(first);
	blob_unref(second);
	blob_unref(add_text("a", "else")); /* the other name goes on */
	holds("b", "content");
	assert_int_equal(store.size, 7 + 4);
}

static void a_wrong_hash_is_refused(void **state)
{
	int code;

	(void)state;
	assert_null(add("a", "content", 7, false, &code));
	assert_int_equal(code, MITOGEN_ERR_TYPE);
	assert_null(find("a"));
}

static void what_has_changed_is_not_given(void **state)
{
	struct blob *blob = add_text("a", "content");

	(void)state;
	blob->message->payload[3] ^= 1;
	assert_null(find("a"));
	assert_non_null(strstr(logged, "data a has changed in memory"));
	assert_int_equal(store.size, 0);
	blob_unref(blob);
	blob_unref(add_text("a", "content"));
	holds("a", "content");
}

static void the_least_recently_used_goes_first(void **state)
{
	size_t size = LIMIT / 2;
	char *content = calloc(1, LIMIT + 1);
	int code;

	(void)state;
	blob_unref(add("a", content, size, true, &code));
	blob_unref(add("b", content, size - 1, true, &code));
	blob_unref(find("a"));
	blob_unref(add("c", content, size - 2, true, &code));
	assert_null(find("b"));
	blob_unref(find("a"));
	assert_true(store.size <= LIMIT);
	/* too large for it: given out, not kept */
	blob_unref(add("d", content, LIMIT + 1, true, &code));
	assert_null(find("d"));
	free(content);
}

static void names_are_bounded(void **state)
{
	char text[16];

	(void)state;
	for (int i = 0; i < STORE_NAMES_MAX + 10; i++) {
		snprintf(text, sizeof(text), "%d", i);
		blob_unref(add_text(text, "same"));
	}
	assert_int_equal(store.name_count, STORE_NAMES_MAX);
	assert_int_equal(store.size, 4);
	assert_null(find("0"));
	holds("1030", "same");
}

static void who_uses_it_may_outlive_the_store(void **state)
{
	struct blob *blob = add_text("a", "content");

	(void)state;
	store_clear(&store);
	assert_memory_equal(blob->data, "content", 7);
	blob_unref(blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_added_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_content_is_kept_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_hash_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_changed_is_not_given, setup, teardown),
		cmocka_unit_test_setup_teardown(the_least_recently_used_goes_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(who_uses_it_may_outlive_the_store, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
