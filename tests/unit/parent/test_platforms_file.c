/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/platforms_file.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/fixture.h"
#include "base/sys.h"
#include "parent/platforms.h"

static char caches[64];

static int setup(void **state)
{
	strcpy(caches, "/tmp/test-platforms-XXXXXX");
	if (!mkdtemp(caches) || setenv("XDG_CACHE_HOME", caches, 1) < 0)
		return -1;
	return pair_setup(state);
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a fixed text
}

static int teardown(void **state)
{
	platforms_clear(&pair.master);
	run("rm -rf \"$XDG_CACHE_HOME\"");
	return pair_teardown(state);
}

static void remember(uint64_t target, const char *name)
{
	platforms_remember(&pair.master, target, name, strlen(name));
}

/* Another run begins. */
static void load(void)
{
	platforms_clear(&pair.master);
	platforms_file_load(&pair.master);
}

static void knows(uint64_t target, const char *name)
{
	assert_non_null(platforms_recall(&pair.master, target));
	assert_string_equal(platforms_recall(&pair.master, target), name);
}

static void path_of(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/mitogen%s%s", caches, *name ? "/" : "", name);
}

static mode_t mode_of(const char *name)
{
	char path[128];
	struct stat st;

	path_of(name, path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void write_file(const char *text)
{
	char path[128];
	FILE *file;

	path_of("", path, sizeof(path));
	assert_int_equal(mkdir(path, 0700), 0);
	path_of("platforms", path, sizeof(path));
	file = fopen(path, "wbe");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* But for the file itself. */
static void nothing_else_is_left(void)
{
	char path[128];
	DIR *directory;
	const struct dirent *entry;

	path_of("", path, sizeof(path));
	directory = opendir(path);
	while (directory && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			assert_string_equal(entry->d_name, "platforms");
	if (directory)
		closedir(directory);
}

static void the_next_run_knows_it(void **state)
{
	(void)state;
	load();
	assert_null(platforms_recall(&pair.master, 5));
	remember(5, "linux-aarch64");
	platforms_file_save(&pair.master);
	assert_int_equal(mode_of(""), 0700);
	assert_int_equal(mode_of("platforms"), 0600);
	load();
	knows(5, "linux-aarch64");
	remember(5, "linux-x86_64");
	remember(6, "linux-riscv64");
	platforms_file_save(&pair.master);
	load();
	knows(5, "linux-x86_64");
	knows(6, "linux-riscv64");
	nothing_else_is_left();
}

static void nothing_is_written_without_news(void **state)
{
	char path[128];

	(void)state;
	load();
	platforms_file_save(&pair.master);
	path_of("", path, sizeof(path));
	assert_int_equal(access(path, F_OK), -1);
}

static void what_others_have_learned_stays(void **state)
{
	(void)state;
	load();
	remember(5, "linux-aarch64");
	write_file("0000000000000007 linux-armv7\n0000000000000005 linux-x86_64\n");
	platforms_file_save(&pair.master);
	load();
	knows(5, "linux-aarch64");
	knows(7, "linux-armv7");
}

static void a_home_without_caches_gets_them(void **state)
{
	char path[128];
	struct stat st;

	(void)state;
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", caches, 1);
	load();
	remember(5, "linux-aarch64");
	platforms_file_save(&pair.master);
	setenv("XDG_CACHE_HOME", caches, 1);
	snprintf(path, sizeof(path), "%s/.cache", caches);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/.cache/mitogen/platforms", caches);
	assert_int_equal(access(path, F_OK), 0);
}

/* As with sudo, which keeps $HOME. */
static void somebody_elses_home_gets_nothing(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(caches, 1, 1), 0);
	load();
	remember(5, "linux-aarch64");
	platforms_file_save(&pair.master);
	assert_int_equal(rmdir(caches), 0); /* it is empty */
}

static void who_has_no_home_goes_without(void **state)
{
	(void)state;
	setenv("XDG_CACHE_HOME", "relative", 1);
	setenv("HOME", "", 1);
	load();
	remember(5, "linux-aarch64");
	platforms_file_save(&pair.master);
	assert_int_equal(access("relative", F_OK), -1);
	load();
	assert_null(platforms_recall(&pair.master, 5));
	setenv("XDG_CACHE_HOME", caches, 1);
}

static void what_others_could_write_is_not_believed(void **state)
{
	char path[128];

	(void)state;
	write_file("0000000000000005 linux-x86_64\n");
	path_of("platforms", path, sizeof(path));
	assert_int_equal(chmod(path, 0666), 0);
	load();
	assert_null(platforms_recall(&pair.master, 5));
	assert_int_equal(chmod(path, 0600), 0);
	load();
	knows(5, "linux-x86_64");
	path_of("", path, sizeof(path));
	assert_int_equal(chmod(path, 0777), 0);
	load();
	assert_null(platforms_recall(&pair.master, 5));
}

static void rubbish_does_no_harm(void **state)
{
	(void)state;
	run("mkdir \"$XDG_CACHE_HOME/mitogen\" && head -c 3M /dev/urandom "
	    ">\"$XDG_CACHE_HOME/mitogen/platforms\"");
	load();
	remember(5, "linux-aarch64");
	platforms_file_save(&pair.master);
	load();
	knows(5, "linux-aarch64");
	run("cd \"$XDG_CACHE_HOME/mitogen\" && rm platforms && ln -s /etc/passwd platforms");
	load();
	remember(6, "linux-aarch64");
	platforms_file_save(&pair.master);
	load();
	knows(6, "linux-aarch64"); /* in the link's place; what it pointed to is as it was */
	run("grep -q '^root:' /etc/passwd");
	run("cd \"$XDG_CACHE_HOME/mitogen\" && rm platforms && mkfifo platforms");
	load();
	assert_null(platforms_recall(&pair.master, 6));
	run("cd \"$XDG_CACHE_HOME/mitogen\" && rm platforms && mkdir -m 700 platforms");
	remember(7, "linux-aarch64");
	platforms_file_save(&pair.master);
	nothing_else_is_left();
}

/* Half of it is written. */
static ssize_t half(int fd, const void *data, size_t size)
{
	return write(fd, data, size / 2);
}

static void no_room(void **state)
{
	(void)state;
	write_file("0000000000000005 linux-x86_64\n");
	load();
	remember(6, "linux-aarch64");
	sys.write = half;
	platforms_file_save(&pair.master);
	sys.write = write;
	nothing_else_is_left();
	load();
	knows(5, "linux-x86_64");
	assert_null(platforms_recall(&pair.master, 6));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_next_run_knows_it),
		TEST(nothing_is_written_without_news),
		TEST(what_others_have_learned_stays),
		TEST(a_home_without_caches_gets_them),
		TEST(somebody_elses_home_gets_nothing),
		TEST(who_has_no_home_goes_without),
		TEST(what_others_could_write_is_not_believed),
		TEST(rubbish_does_no_harm),
		TEST(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
