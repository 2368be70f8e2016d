/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/memory.h"
#include "cli/number.h"
#include "cli/say.h"

#define DEFAULT_TIMEOUT_MS 60000
#define TIMEOUT_MAX        1000000

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
	complaint = number_seconds(value, TIMEOUT_MAX, &survey->timeout_ms);
	if (!complaint)
		return 0;
	say("--timeout '%s': %s", value, complaint);
	return EXIT_USAGE;
}

static void ask(struct survey *survey, struct answer *answer, const char *builtin)
{
	mitogen_context context = hop_connect(answer->hop, survey->session.router, &answer->error);

	answer->id = mitogen_context_id(context);
	if (mitogen_call_async(mitogen_within(context, (int)survey->timeout_ms), builtin,
			       survey->session.receiver, answer, &answer->error) == 0)
		survey->left++;
}

static void take(struct answer *answer, mitogen_message *m)
{
	mitogen_cursor value;

	if (mitogen_read(m, &answer->error, &value) == 0)
		answer->message = mitogen_message_ref(m);
}

static void ask_all(struct survey *survey, const char *builtin)
{
	struct hop *hop = survey->options.targets.hops;
	MITOGEN_AUTO(message, m);

	for (; hop; hop = hop->next) {
		struct answer *answer = &survey->answers[survey->count++];

		answer->hop = hop;
		ask(survey, answer, builtin);
	}
	for (; survey->left > 0 &&
	       mitogen_receiver_get(survey->session.receiver, &m, MITOGEN_FOREVER, NULL) == 1;
	     survey->left--)
		take(mitogen_message_tag(m), m);
}

int survey_ask(struct survey *ret, const char *builtin, const char *help, char **argv)
{
	int r;

	*ret = (struct survey){.timeout_ms = DEFAULT_TIMEOUT_MS};
	r = target_options_parse(&ret->options, specs, help, argv, take_option, ret);
	if (r == 0)
		r = session_open(&ret->session, ret->options.log_level, SESSION_SHUTDOWN_MS);
	if (r)
		return r;
	ret->answers = memory_calloc((size_t)ret->options.targets.hop_count, sizeof(*ret->answers));
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
			say("%s", answer->error.text);
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

	for (size_t i = 0; i < used; i++) {
		char c = ((const char *)text.data)[i];
		bool is_plain = c >= ' ' && c <= '~';

		out[i] = is_plain ? c : '?';
	}
	out[used] = '\0';
}

void survey_print_error(const mitogen_error *error)
{
	printf("\"error\": {\"code\": \"%s\", \"text\": ", mitogen_code_name(error->code));
	json_print_string(error->text);
	putchar('}');
}
