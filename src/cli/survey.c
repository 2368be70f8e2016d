/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"

#define DEFAULT_TIMEOUT_MS 60000

enum {
	JSON = OPTION_OWN,
	TIMEOUT
};

static const struct option_spec specs[] = {
	OPTIONS_OF_ALL,
	[JSON] = {"json", 0, false},
	[TIMEOUT] = {"timeout", 0, true},
	{NULL, 0, false},
};

static int take_option(void *owner, int option, const char *value)
{
	struct survey *survey = owner;
	const char *complaint;

	if (option == JSON) {
		survey->is_json = true;
		return 0;
	}
	complaint = number_seconds(value, &survey->timeout_ms);
	if (!complaint)
		return 0;
	say("--timeout '%s': %s", value, complaint);
	return EXIT_USAGE;
}

/* The function's value, or failure, of each process that has not failed yet. */
static void ask_all(struct survey *survey, const char *function)
{
	MITOGEN_AUTO(message, m);
	int left = 0;

	for (int i = 0; i < survey->count; i++) {
		struct answer *answer = &survey->answers[i];
		mitogen_context context =
			mitogen_within(answer->hop->context, (int)survey->timeout_ms);

		if (answer->error.code == 0 &&
		    mitogen_call_async(context, function, survey->session.receiver, answer,
				       &answer->error) == 0)
			left++;
	}
	for (; left > 0 &&
	       mitogen_receiver_get(survey->session.receiver, &m, MITOGEN_FOREVER, NULL) == 1;
	     left--) {
		struct answer *answer = mitogen_message_tag(m);
		mitogen_cursor value;

		mitogen_message_unref(answer->message);
		answer->message = NULL;
		if (mitogen_read(m, &answer->error, &value) == 0)
			answer->message = mitogen_message_ref(m);
	}
}

static void note_failure(void *owner, struct hop *hop, const mitogen_error *err)
{
	struct survey *survey = owner;

	for (int i = 0; err && i < survey->count; i++)
		if (survey->answers[i].hop == hop)
			survey->answers[i].error = *err;
}

static void connect_all(struct survey *survey)
{
	for (struct hop *hop = survey->options.targets.hops; hop; hop = hop->next)
		survey->answers[survey->count++].hop = hop;
	connector_start(&survey->session.connector);
	connector_finish(&survey->session.connector);
	for (int i = 0; i < survey->count; i++)
		survey->answers[i].id = mitogen_context_id(survey->answers[i].hop->context);
}

int survey_ask(struct survey *ret, const char *builtin, const char *help, char **argv)
{
	int r;

	*ret = (struct survey){.timeout_ms = DEFAULT_TIMEOUT_MS};
	r = target_options_parse(&ret->options, specs, help, argv, take_option, ret);
	ret->session.connector = (struct connector){
		.timeout_ms = (int)ret->timeout_ms, .done = note_failure, .owner = ret};
	if (r == 0)
		r = session_open(&ret->session, &ret->options, SESSION_SHUTDOWN_MS);
	if (r)
		return r;
	ret->answers = memory_calloc((size_t)ret->options.targets.hop_count, sizeof(*ret->answers));
	connect_all(ret); /* nothing starts while they are asked */
	ask_all(ret, builtin);
	return 0;
}

int survey_complain(const struct survey *survey)
{
	int status = 0;

	fflush(stdout);
	for (int i = 0; i < survey->count; i++) {
		const struct answer *answer = &survey->answers[i];

		answer->hop->has_failed = answer->error.code < 0;
		if (!answer->hop->has_failed)
			continue;
		status = EXIT_TARGET;
		if (!answer->hop->via || !answer->hop->via->has_failed)
			say_error(answer->hop->path, &answer->error);
	}
	return status;
}

void survey_clear(struct survey *survey)
{
	for (int i = 0; i < survey->count; i++)
		mitogen_message_unref(survey->answers[i].message);
	session_close(&survey->session);
	targets_clear(&survey->options.targets);
	free(survey->answers);
}

void survey_copy_text(char *out, size_t size, mitogen_bytes text)
{
	size_t used = text.size < size - 1 ? text.size : size - 1;

	memcpy(out, text.data, used);
	for (size_t i = 0; i < used; i++)
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	out[used] = '\0';
}

void survey_print_error(const struct answer *answer)
{
	char *text = say_describe(answer->hop->path, &answer->error);

	printf("\"error\": {\"code\": \"%s\", \"text\": ", mitogen_code_name(answer->error.code));
	json_print_string(text);
	putchar('}');
	free(text);
}
