/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/method_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "wire/cursor.h"
#include "wire/writer.h"

struct all { /* one of each kind */
	MITOGEN_OPTIONS_OF_ALL;
	MITOGEN_OPTION_IMAGE;
	const char *user, *file, *password;
	const char *const *args;
	int port, pause_ms;
	bool loud;
	mitogen_switch alive;
	mitogen_host_keys keys;
};
METHOD_OPTIONS_CHECK(struct all);

static const char *const key_choices[] = {"enforce", "accept", "ignore", NULL};

#define AT(member) .offset = offsetof(struct all, member)
static const struct method_option table[] = {
	METHOD_OPTION_IMAGE(struct all),
	{.name = "user", .kind = OPTION_NAME, AT(user), .help = "who", .is_needed = true},
	{.name = "file", .kind = OPTION_TEXT, AT(file), .value = "FILE", .help = "a file"},
	{.name = "password", .kind = OPTION_SECRET, AT(password), .help = "what it asks for"},
	{.name = "args", .kind = OPTION_LIST, AT(args), .help = "more"},
	{.name = "port", .kind = OPTION_NUMBER, AT(port), .help = "its", .min = 1, .max = 65535},
	{.name = "pause", .kind = OPTION_SECONDS, AT(pause_ms), .help = "before it"},
	{.name = "loud", .kind = OPTION_FLAG, AT(loud), .help = "it shouts"},
	{.name = "alive", .kind = OPTION_SWITCH, AT(alive), .help = "look whether it lives"},
	{.name = "keys", .kind = OPTION_CHOICE, AT(keys), .choices = key_choices, .help = "keys"},
	{.name = NULL},
};

static mitogen_error err;
static struct all *options; /* owned */

static int setup(void **state)
{
	(void)state;
	err = (mitogen_error){0};
	options = method_options_new(sizeof(*options));
	return options ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	method_options_free(table, options);
	return 0;
}

static void set(const char *text)
{
	if (method_options_set(table, "test", options, text, &err) < 0)
		fail_msg("%s", err.text);
}

static void assert_refused(const char *text, const char *why)
{
	err = (mitogen_error){0};
	assert_int_equal(method_options_set(table, "test", options, text, &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, why);
}

static void assert_check(const char *why)
{
	err = (mitogen_error){0};
	assert_int_equal(method_options_check(table, "test", options, &err), MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, why);
}

static void fill(void)
{
	set("name=web");
	set("connect_timeout=2.5");
	set("fork_server");
	set("image=/bin/it");
	set("user=alice");
	set("file=-a file=b");
	set("password=p=w, d/");
	set("args=-o");
	set("args=");
	set("port=65535");
	set("pause=0.0001");
	set("loud=yes");
	set("alive=no");
	set("keys=ignore");
}

static void assert_own_filled(const struct all *all)
{
	assert_string_equal(all->image, "/bin/it");
	assert_string_equal(all->user, "alice");
	assert_string_equal(all->file, "-a file=b");
	assert_string_equal(all->password, "p=w, d/");
	assert_string_equal(all->args[0], "-o");
	assert_string_equal(all->args[1], "");
	assert_null(all->args[2]);
	assert_int_equal(all->port, 65535);
	assert_int_equal(all->pause_ms, 1);
	assert_true(all->loud);
	assert_int_equal(all->alive, MITOGEN_NO);
	assert_int_equal(all->keys, MITOGEN_HOST_KEYS_IGNORE);
}

static void assert_filled(const struct all *all)
{
	assert_int_equal(all->size, sizeof(*all));
	assert_string_equal(all->name, "web");
	assert_int_equal(all->connect_timeout_ms, 2500);
	assert_true(all->fork_server);
	assert_own_filled(all);
}

/* ---- Texts ---- */

static void each_kind_is_set_from_a_text(void **state)
{
	(void)state;
	fill();
	assert_filled(options);
	assert_int_equal(method_options_check(table, "test", options, &err), 0);
	assert_string_equal(method_options_text(table, options, "image"), "/bin/it");
	assert_null(method_options_text(table, options, "port"));
	assert_true(method_options_have_secret(table, options));
}

static void the_last_text_counts(void **state)
{
	(void)state;
	fill();
	set("user=bob");
	set("password=other");
	set("timeout=3");
	set("loud=no");
	set("keys=enforce");
	assert_string_equal(options->user, "bob");
	assert_string_equal(options->password, "other");
	assert_int_equal(options->connect_timeout_ms, 3000);
	assert_false(options->loud);
	assert_int_equal(options->keys, MITOGEN_HOST_KEYS_ENFORCE);
}

#define SECONDS "give 0.001 to 1000000 seconds, like 30 or 0.5"

static void what_is_accepted_is_said(void **state)
{
	static const char *const no_seconds[] = {"", ".", "1.2.3", "1e3", "-1", "1,5", " 1"};

	(void)state;
	assert_refused("colour=red", "test has no option 'colour'; it has image, user, file, "
				     "password, args, port, pause, loud, alive, keys, name, "
				     "connect_timeout, timeout, fork_server");
	assert_refused("user", "test: user has no value; write user=NAME");
	assert_refused("file", "test: file has no value; write file=FILE");
	assert_refused("user=", "test: user '': it is empty");
	assert_refused("user=-oX", "test: user '-oX': a name does not begin with '-', which tools "
				   "take for an option");
	assert_refused("user=a b",
		       "test: user 'a b': a name has no blanks and no control characters");
	assert_refused("user=a\n",
		       "test: user 'a\\n': a name has no blanks and no control characters");
	assert_refused("port=0", "test: port '0': give a whole number from 1 to 65535");
	assert_refused("port=65536", "test: port '65536': give a whole number from 1 to 65535");
	assert_refused("port=22x", "test: port '22x': give a whole number from 1 to 65535");
	assert_refused("port=", "test: port '': give a whole number from 1 to 65535");
	assert_refused("port=99999999999999999999",
		       "test: port '99999999999999999999': give a whole number from 1 to 65535");
	assert_refused("keys=maybe", "test: keys 'maybe': give one of enforce, accept, ignore");
	assert_refused("alive=", "test: alive '': give one of yes, no");
	assert_refused("loud=", "test: loud '': give one of no, yes");
	assert_refused("pause=0.0000", "test: pause '0.0000': " SECONDS);
	assert_refused("pause=1000000.001", "test: pause '1000000.001': " SECONDS);
	assert_refused("pause=99999999999999999999",
		       "test: pause '99999999999999999999': " SECONDS);
	for (size_t i = 0; i < sizeof(no_seconds) / sizeof(no_seconds[0]); i++) {
		char text[64], why[160];

		snprintf(text, sizeof(text), "pause=%s", no_seconds[i]);
		snprintf(why, sizeof(why),
			 "test: pause '%s': this is no number of seconds; " SECONDS, no_seconds[i]);
		assert_refused(text, why);
	}
}

static void a_bad_secret_is_not_quoted(void **state)
{
	(void)state;
	assert_refused("password=canary\x03",
		       "test: password: it has a control character, which a terminal takes for a "
		       "key");
	assert_refused("password=", "test: password: it is empty");
}

/* ---- Checks of structs that programs fill ---- */

static void a_struct_is_checked(void **state)
{
	struct all given = {.size = sizeof(given), .user = "alice"}, *empty = options;

	(void)state;
	assert_check("test: user: it is missing");
	options = &given;
	assert_int_equal(method_options_check(table, "test", &given, &err), 0);
	given.port = -1;
	assert_check("test: port '-1': give a whole number from 1 to 65535");
	given.port = 0;
	given.pause_ms = -5;
	assert_check("test: pause '-5': it is negative");
	given.pause_ms = 0;
	given.keys = (mitogen_host_keys)3;
	assert_check("test: keys '3': there is no such choice");
	given.keys = MITOGEN_HOST_KEYS_ENFORCE;
	given.user = "-x";
	assert_check("test: user '-x': a name does not begin with '-', which tools take for an "
		     "option");
	options = empty;
}

static void a_method_without_options_has_those_of_all(void **state)
{
	mitogen_fork_options *fork = method_options_new(sizeof(*fork));

	(void)state;
	assert_int_equal(method_options_set(NULL, "fork", fork, "name=x", &err), 0);
	assert_int_equal(method_options_set(NULL, "fork", fork, "image=x", &err),
			 MITOGEN_ERR_USAGE);
	assert_string_equal(err.text, "fork has no option 'image'; it has name, connect_timeout, "
				      "timeout, fork_server");
	assert_int_equal(method_options_check(NULL, "fork", fork, &err), 0);
	assert_false(method_options_have_secret(NULL, fork));
	assert_string_equal(fork->name, "x");
	method_options_free(NULL, fork);
}

/* ---- Memory ---- */

static void a_copy_is_deep(void **state)
{
	struct all *copy;

	(void)state;
	fill();
	copy = method_options_copy(table, sizeof(*options), options);
	assert_ptr_not_equal(copy->password, options->password);
	method_options_free(table, options);
	options = copy;
	assert_filled(copy);
}

static char freed[64]; /* what was in memory that was given back */
static size_t freed_size;
static const void *watched;

static void watching_free(void *p)
{
	if (p && p == watched)
		memcpy(freed, p, freed_size);
	free(p);
}

static void a_secret_is_wiped(void **state)
{
	static const char zeros[sizeof(freed)];

	(void)state;
	set("password=canary-of-the-test");
	watched = options->password;
	freed_size = strlen(options->password);
	sys.free = watching_free;
	set("password=canary-of-the-rest"); /* the former one, too */
	assert_memory_equal(freed, zeros, freed_size);
	memset(freed, 'x', sizeof(freed));
	watched = options->password;
	method_options_free(table, options);
	options = NULL;
	sys.free = free;
	assert_memory_equal(freed, zeros, freed_size);
}

static void secrets_alone_are_forgotten(void **state)
{
	(void)state;
	fill();
	watched = options->password;
	freed_size = strlen(options->password);
	sys.free = watching_free;
	method_options_forget(table, options);
	sys.free = free;
	assert_true(freed[0] == '\0' && memcmp(freed, freed + 1, freed_size - 1) == 0);
	assert_null(options->password);
	assert_string_equal(options->user, "alice");
	method_options_forget(table, NULL);
}

static int left; /* allocations that succeed */

static void *failing_malloc(size_t size)
{
	return left-- > 0 ? malloc(size) : NULL;
}

static void *failing_calloc(size_t count, size_t size)
{
	return left-- > 0 ? calloc(count, size) : NULL;
}

static void *failing_realloc(void *p, size_t size)
{
	return left-- > 0 ? realloc(p, size) : NULL;
}

static void a_copy_without_memory_is_none(void **state)
{
	struct all *copy = NULL;
	int count = 0;

	(void)state;
	fill();
	sys.malloc = failing_malloc;
	sys.calloc = failing_calloc;
	sys.realloc = failing_realloc;
	while (!copy) {
		left = count++;
		copy = method_options_copy(table, sizeof(*options), options);
	}
	sys.malloc = malloc;
	sys.calloc = calloc;
	sys.realloc = realloc;
	assert_true(count > 5);
	assert_filled(copy);
	method_options_free(table, copy);
}

/* ---- On the wire ---- */

static void start_read(struct mitogen_writer *w, struct cursor *ret)
{
	assert_int_equal(writer_finish(w), 0);
	assert_int_equal(cbor_check(w->data, w->size), 0);
	*ret = (struct cursor){w->data, w->data + w->size};
}

static void what_is_set_travels(void **state)
{
	struct all *there = method_options_new(sizeof(*there));
	struct mitogen_writer w = {0};
	struct cursor c;

	(void)state;
	fill();
	method_options_write(table, options, &w);
	start_read(&w, &c);
	assert_int_equal(method_options_read(table, "test", there, &c, &err), 0);
	assert_ptr_equal(c.at, c.end);
	assert_own_filled(there);
	assert_null(there->name); /* that travels elsewhere */
	method_options_free(table, there);
	writer_clear(&w);
}

static void nothing_is_an_empty_map(void **state)
{
	struct mitogen_writer w = {0};
	struct cursor c;

	(void)state;
	method_options_write(NULL, NULL, &w);
	method_options_write(table, options, &w);
	assert_int_equal(writer_finish(&w), 0);
	assert_memory_equal(w.data, "\xa0\xa0", 2);
	c = (struct cursor){w.data, w.data + 1};
	assert_int_equal(method_options_read(NULL, "test", options, &c, &err), 0);
	writer_clear(&w);
}

static void assert_unreadable(const char *key, void write(struct mitogen_writer *w),
			      const char *why)
{
	struct mitogen_writer w = {0};
	struct cursor c;

	writer_begin_map(&w);
	writer_string(&w, key);
	write(&w);
	writer_end(&w);
	start_read(&w, &c);
	assert_true(method_options_read(table, "test", options, &c, &err) < 0);
	assert_string_equal(err.text, why);
	writer_clear(&w);
}

static void write_number(struct mitogen_writer *w)
{
	writer_int(w, -1);
}

static void write_nul(struct mitogen_writer *w)
{
	writer_bytes(w, "a\0b", 3);
}

static void write_plain(struct mitogen_writer *w)
{
	writer_string(w, "canary");
}

static void what_does_not_fit_is_refused(void **state)
{
	struct cursor c = {(const uint8_t *)"\x01", (const uint8_t *)"\x01" + 1};

	(void)state;
	assert_unreadable("user", write_number, "connect: user is no such text");
	assert_unreadable("user", write_nul, "connect: user is no such text");
	assert_unreadable("password", write_plain, "connect: password is no such text");
	assert_unreadable("args", write_nul, "connect: args is no such list");
	assert_unreadable("port", write_number, "connect: port is no such number");
	assert_unreadable("loud", write_plain, "connect: loud is no such number");
	assert_unreadable(
		"new", write_plain,
		"test has no option 'new'; it has image, user, file, password, args, port, "
		"pause, loud, alive, keys, name, connect_timeout, timeout, fork_server");
	assert_true(method_options_read(table, "test", options, &c, &err) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_kind_is_set_from_a_text),
		TEST(the_last_text_counts),
		TEST(what_is_accepted_is_said),
		TEST(a_bad_secret_is_not_quoted),
		TEST(a_struct_is_checked),
		TEST(a_method_without_options_has_those_of_all),
		TEST(a_copy_is_deep),
		TEST(a_secret_is_wiped),
		TEST(secrets_alone_are_forgotten),
		TEST(a_copy_without_memory_is_none),
		TEST(what_is_set_travels),
		TEST(nothing_is_an_empty_map),
		TEST(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
