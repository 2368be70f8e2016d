/* SPDX-License-Identifier: BSD-3-Clause */
#include "builtin/exec_request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "core/dispatch.h"
#include "core/message.h"
#include "wire/cursor.h"
#include "wire/exec.h"

#define ARGUMENTS 7

static void free_strings(char **strings)
{
	for (char **string = strings; string && *string; string++)
		sys.free(*string);
	sys.free(strings);
}

void exec_request_clear(struct exec_request *request)
{
	free_strings(request->argv);
	free_strings(request->env);
	sys.free(request->path);
	sys.free(request->cwd);
	*request = (struct exec_request){0};
}

/* Bytes without NUL as a C string. 0, or a code. */
static int read_string(struct cursor *c, char **ret)
{
	const uint8_t *data;
	size_t size;

	if (cursor_string(c, CBOR_BYTES, &data, &size) < 0 || memchr(data, '\0', size))
		return MITOGEN_ERR_ARGUMENT;
	*ret = sys.malloc(size + 1);
	if (!*ret)
		return MITOGEN_ERR_MEMORY;
	memcpy(*ret, data, size);
	(*ret)[size] = '\0';
	return 0;
}

/* A list of bytes, as an array with room for `more` strings behind them. */
static int read_strings(struct cursor *c, size_t more, char ***ret, size_t *ret_count)
{
	uint64_t count;
	int r = 0;

	if (cursor_list(c, &count) < 0)
		return MITOGEN_ERR_ARGUMENT;
	*ret = sys.calloc((size_t)count + more + 1, sizeof(**ret));
	if (!*ret)
		return MITOGEN_ERR_MEMORY;
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = read_string(c, *ret + i);
	*ret_count = (size_t)count;
	return r;
}

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");

	return strncmp(a, b, length) == 0 && (b[length] == '=' || !b[length]);
}

static bool is_changed(char *const *changes, size_t count, const char *entry)
{
	for (size_t i = 0; i < count; i++)
		if (same_name(changes[i], entry))
			return true;
	return false;
}

/* base under the changes at the start of env, which has room for both: a name alone removes it, the
 * last one of a name counts. */
static int complete_env(char **env, size_t changes, char *const *base)
{
	size_t count = changes, kept = 0;

	for (; *base; base++) {
		if (is_changed(env, changes, *base))
			continue;
		env[count] = sys_strdup(*base);
		if (!env[count++])
			return MITOGEN_ERR_MEMORY;
	}
	for (size_t i = 0; i < count; i++) {
		bool overridden = i < changes && is_changed(env + i + 1, changes - i - 1, env[i]);

		if (strchr(env[i], '=') && !overridden)
			env[kept++] = env[i];
		else
			sys.free(env[i]);
	}
	env[kept] = NULL;
	return 0;
}

static size_t count_strings(char *const *strings)
{
	size_t count = 0;

	while (strings[count])
		count++;
	return count;
}

static int find_program(struct exec_request *request, mitogen_error *err)
{
	if (spawn_find(request->argv[0], environment_get(request->env, "PATH"), &request->path) ==
	    0)
		return 0;
	/* the caller says which program */
	return error_set_errno(err, "cannot be run%s",
			       strchr(request->argv[0], '/') ? "" : ", looked for in PATH");
}

static int read_rest(struct cursor *c, struct exec_request *ret)
{
	uint64_t flags, timeout_ms;
	uint32_t id;
	int r = 0;

	if (cursor_type(c) == CBOR_NIL)
		cursor_nil(c);
	else
		r = read_string(c, &ret->cwd);
	if (r < 0)
		return r;
	if (cursor_u64(c, &flags) < 0 || flags > EXEC_NO_STDIN || cursor_u64(c, &timeout_ms) < 0 ||
	    timeout_ms > INT32_MAX || cursor_sender(c, &ret->caller_id, &ret->stdout_handle) < 0 ||
	    cursor_sender(c, &id, &ret->stderr_handle) < 0 || id != ret->caller_id)
		return MITOGEN_ERR_ARGUMENT;
	ret->no_stdin = flags & EXEC_NO_STDIN;
	ret->timeout_ms = (int)timeout_ms;
	return 0;
}

int exec_request_read(const struct mitogen_message *m, char *const *environment,
		      struct exec_request *ret, mitogen_error *err)
{
	struct cursor c = dispatch_arguments(m);
	size_t argc = 0, changes = 0;
	uint64_t count = 0;
	int r = MITOGEN_ERR_ARGUMENT;

	*ret = (struct exec_request){0};
	if (cursor_list(&c, &count) == 0 && count == ARGUMENTS)
		r = read_strings(&c, 0, &ret->argv, &argc);
	if (r == 0)
		r = read_strings(&c, count_strings(environment), &ret->env, &changes);
	if (r == 0)
		r = complete_env(ret->env, changes, environment);
	if (r == 0)
		r = argc > 0 ? read_rest(&c, ret) : MITOGEN_ERR_ARGUMENT;
	if (r == 0 && ret->caller_id != m->header.src_id)
		r = MITOGEN_ERR_REFUSED; /* its output goes to who asked, and to nobody else */
	if (r == MITOGEN_ERR_MEMORY)
		return error_set_memory(err);
	if (r < 0)
		return error_set(err, r, "exec: the arguments are not as PROTOCOL.md has them");
	return find_program(ret, err);
}
