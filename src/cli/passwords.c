/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/memory.h"
#include "cli/say.h"

#define LINE_SIZE 4096 /* a terminal takes no longer line */

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* ---- The terminal ---- */

static volatile sig_atomic_t signal_seen; /* while the terminal does not echo */

static void note_signal(int number)
{
	signal_seen = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* Reads a line. False: end of file, a signal, an error. */
static bool read_line(int fd, char line[LINE_SIZE])
{
	size_t size = 0;
	char c = '\0';

	while (!signal_seen && read(fd, &c, 1) == 1 && c != '\n')
		if (size < LINE_SIZE - 1)
			line[size++] = c;
	line[size] = '\0';
	return c == '\n';
}

/* Asks, without an echo. False: as read_line. Signals come when the terminal is itself again. */
static bool ask_once(int fd, const char *prompt, char line[LINE_SIZE])
{
	struct sigaction action = {.sa_handler = note_signal}, before[SIGNALS];
	struct termios usual, quiet;
	bool has_line = false;

	signal_seen = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &action, &before[i]);
	if (tcgetattr(fd, &usual) == 0) {
		quiet = usual;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		quiet.c_lflag |= ECHONL;
		if (tcsetattr(fd, TCSAFLUSH, &quiet) == 0 &&
		    write(fd, prompt, strlen(prompt)) == (ssize_t)strlen(prompt))
			has_line = read_line(fd, line);
		while (tcsetattr(fd, TCSAFLUSH, &usual) < 0 && errno == EINTR && !signal_seen)
			;
	}
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	if (signal_seen)
		kill(getpid(), signal_seen);
	return has_line;
}

/* The answer, or NULL, having said why there is none. */
static char *ask(const char *prompt)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	char line[LINE_SIZE], *answer = NULL;
	bool has_line;

	if (fd < 0) {
		say("cannot ask for a password: there is no terminal; give --password-file");
		return NULL;
	}
	do /* again, after it was stopped and goes on */
		has_line = ask_once(fd, prompt, line);
	while (!has_line && signal_seen);
	close(fd);
	if (has_line)
		answer = memory_format("%s", line);
	else
		say("no password was given");
	explicit_bzero(line, sizeof(line));
	return answer;
}

/* ---- The file ---- */

static int complain(const char *path, const char *what)
{
	say("--password-file '%s': %s", path, what);
	return EXIT_USAGE;
}

/* Ends it before its newline, which may have a carriage return before it. The next one, or NULL. */
static char *end_line(char *line)
{
	char *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return end + 1;
}

/* Up to size - 1 bytes of what it holds; it may be a pipe. -1, errno. */
static ssize_t read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, out + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close(fd);
	out[used] = '\0';
	return n < 0 ? -1 : (ssize_t)used;
}

/* The first line is for hosts, the second for other users there; if there is none, the first one is for
 * both. */
static int read_passwords(struct passwords *ret, const char *path)
{
	char text[2 * LINE_SIZE], *second;
	ssize_t size;
	int r = 0;

	if (strcmp(path, "-") == 0)
		return complain(path, "for standard input, give /dev/stdin");
	size = read_file(path, text, sizeof(text));
	if (size < 0) {
		r = complain(path, strerror(errno));
	} else if (size == 0 || text[0] == '\0' || strlen(text) != (size_t)size) {
		r = complain(path, size == 0 ? "it is empty" : "it is no text");
	} else {
		second = end_line(text);
		if (second)
			end_line(second);
		ret->become_line = second && *second ? 2 : 1;
		ret->login_line = 1;
		/* an empty one before another says that hosts want none */
		ret->login = *text || ret->become_line == 1 ? memory_format("%s", text) : NULL;
		ret->become = memory_format("%s", ret->become_line == 2 ? second : text);
	}
	explicit_bzero(text, sizeof(text));
	return r;
}

/* ---- Who gets them ---- */

static bool is_needed(const struct targets *targets, enum hop_password kind)
{
	for (const struct hop *hop = targets->hops; hop; hop = hop->next)
		if (hop_password(hop) == kind)
			return true;
	return false;
}

static int ask_all(struct passwords *ret, const struct password_options *options,
		   const struct targets *targets)
{
	bool has_login = options->ask_login && is_needed(targets, HOP_PASSWORD_LOGIN);
	char *answer;

	if (has_login) {
		wipe(ret->login);
		ret->login_line = 0;
		ret->login = ask("SSH password: ");
		if (!ret->login)
			return EXIT_USAGE;
	}
	if (!options->ask_become || !is_needed(targets, HOP_PASSWORD_BECOME))
		return 0;
	answer = ask(has_login ? "Become password (empty: the SSH password): "
			       : "Become password: ");
	if (!answer)
		return EXIT_USAGE;
	wipe(ret->become);
	ret->become_line = 0;
	ret->become = answer;
	if (has_login && !*answer) {
		free(answer);
		ret->become = memory_format("%s", ret->login);
	}
	return 0;
}

/* The library knows what a tool can be told. line: of the file; 0: it was asked for. */
static int check(const struct hop *hop, const char *file, int line)
{
	char *text = memory_format("password=%s", hop->password);
	size_t prefix = strlen(hop->method) + strlen(": ");
	mitogen_error err = {0};
	int r = mitogen_option_check(hop->method, text, &err);

	wipe(text);
	if (r < 0 && line > 0)
		say("--password-file '%s', line %d: %s", file, line, err.text + prefix);
	else if (r < 0)
		say("%s", err.text);
	return r < 0 ? EXIT_USAGE : 0;
}

int passwords_get(struct passwords *ret, const struct password_options *options,
		  const struct targets *targets)
{
	int r = 0;

	*ret = (struct passwords){0};
	if (options->file)
		r = read_passwords(ret, options->file);
	if (r == 0)
		r = ask_all(ret, options, targets);
	for (struct hop *hop = targets->hops; r == 0 && hop; hop = hop->next) {
		enum hop_password kind = hop_password(hop);

		if (kind != HOP_PASSWORD_NONE)
			hop->password = kind == HOP_PASSWORD_LOGIN ? ret->login : ret->become;
		if (hop->password)
			r = check(hop, options->file,
				  kind == HOP_PASSWORD_LOGIN ? ret->login_line : ret->become_line);
	}
	return r;
}

void passwords_clear(struct passwords *passwords)
{
	wipe(passwords->login);
	wipe(passwords->become);
	*passwords = (struct passwords){0};
}
