/* SPDX-License-Identifier: BSD-3-Clause */
#include <mitogen/mitogen.h>

#include "core/export.h"
#include "fixture.h"

static int first(mitogen_message *m, mitogen_error *error)
{
	(void)m;
	(void)error;
	return 0;
}
MITOGEN_EXPORT(first, MITOGEN_INT, MITOGEN_TEXT | MITOGEN_NIL);

static int second(mitogen_message *m, mitogen_error *error)
{
	(void)error;
	return m ? 0 : 1;
}
MITOGEN_EXPORT(second);

static int unknown(mitogen_message *m, mitogen_error *error)
{
	(void)error;
	return m ? 0 : 2;
}

static const mitogen_export *find(const char *name)
{
	return export_find(name, strlen(name));
}

static void found_by_name(void **state)
{
	const mitogen_export *entry = find("first");

	(void)state;
	assert_non_null(entry);
	assert_ptr_equal(entry->function, first);
	assert_int_equal(entry->types[0], MITOGEN_INT);
	assert_int_equal(entry->types[1], MITOGEN_TEXT | MITOGEN_NIL);
	assert_int_equal(entry->types[2], 0);
	assert_int_equal(find("second")->types[0], 0);
}

static void found_by_function(void **state)
{
	(void)state;
	assert_string_equal(export_of(second)->name, "second");
	assert_null(export_of(unknown));
	assert_null(export_of(NULL));
}

static void names_are_compared_whole(void **state)
{
	(void)state;
	assert_null(find("firs"));
	assert_null(find("first "));
	assert_null(find("unknown"));
	assert_null(find(""));
	assert_null(export_find(NULL, 0));
	assert_null(export_find("first\0x", 7));
	assert_non_null(export_find("firstly", 5));
}

static void many_entries(void **state)
{
	static mitogen_export entries[300];
	static char names[300][16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "f%d", i);
		entries[i] = (mitogen_export){.size = sizeof(mitogen_export),
					      .name = names[i],
					      .function = unknown,
					      .types = find("second")->types};
		mitogen_register(&entries[i]);
	}
	for (int i = 0; i < 300; i++)
		assert_ptr_equal(find(names[i]), &entries[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_by_name),
		cmocka_unit_test(found_by_function),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(many_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
