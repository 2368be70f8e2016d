/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a program for a caller: its stdin from a flow that the caller sends, its stdout and stderr
 * into two flows to the caller, signals from a control port. The call is answered when the program
 * has ended and both outputs are at their end. Broker thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "builtin/builtin.h"
#include "builtin/exec_request.h"
#include "core/context.h"
#include "core/dispatch.h"
#include "core/flow.h"
#include "core/process.h"
#include "wire/cursor.h"
#include "wire/exec.h"

#define CHUNK        (32u * 1024)
#define TERM_WAIT_MS 1000 /* between SIGTERM and SIGKILL, when nobody wants it any more */

struct output_pipe {
	struct source source; /* .fd is ours; -1: closed */
	struct outflow flow;
	struct job *job;
};

struct job {
	struct resident resident;
	struct router *router;
	struct mitogen_message *request;
	struct process process;
	struct output_pipe out, err;
	struct source stdin_pipe; /* .fd is ours; -1: closed */
	struct list stdin_data;   /* messages, the first one partly written */
	size_t stdin_written;     /* of the first one */
	bool stdin_ends;          /* behind what is queued */
	struct inflow stdin_flow;
	struct handle control;
	bool ports_are_open, is_late, is_closing;
	bool is_reaped; /* by somebody else: nobody knows its status */
	int status;
	struct timer timer;
	struct closing closing;
};

/* ---- The end ---- */

static void close_source(struct job *job, struct source *source)
{
	if (source->fd < 0)
		return;
	broker_unwatch(&job->router->broker, source);
	fd_close(TAKE_FD(source->fd));
}

static void drop_stdin(struct job *job)
{
	close_source(job, &job->stdin_pipe);
	message_unref_all(&job->stdin_data);
}

static void answer(struct job *job)
{
	struct mitogen_writer w;
	int status = job->status, ignored;
	mitogen_error error;

	if (job->is_reaped) {
		error_set(&error, MITOGEN_ERR_SYSTEM,
			  "the program has ended, nobody knows how: SIGCHLD is ignored there");
		error_set_where(&error, job->router->path, "exec");
		dispatch_answer_error(job->router, job->request, &error);
		return;
	}
	message_writer_init(&w);
	writer_list_head(&w, 4);
	writer_int(&w, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
	writer_uint(&w, job->out.flow.bytes);
	writer_uint(&w, job->err.flow.bytes);
	writer_bool(&w, job->is_late);
	dispatch_answer(job->router, job->request, message_from_writer(&w, &ignored));
}

static void destroy(struct closing *closing)
{
	struct job *job = LIST_OWNER(closing, struct job, closing);

	message_unref(job->request);
	router_remove_resident(job->router, &job->resident);
	sys.free(job);
}

static void close_job(struct job *job)
{
	timer_cancel(&job->timer);
	drop_stdin(job);
	close_source(job, &job->out.source);
	close_source(job, &job->err.source);
	outflow_close(&job->out.flow);
	outflow_close(&job->err.flow);
	if (job->ports_are_open) {
		inflow_close(job->router, &job->stdin_flow);
		handles_remove(job->router, &job->control);
		job->ports_are_open = false;
	}
	broker_close_later(&job->router->broker, &job->closing);
}

static void finish_if_over(struct job *job)
{
	bool is_unwanted = job->is_closing && !job->is_late;
	bool outputs_end = is_unwanted || (job->out.source.fd < 0 && job->err.source.fd < 0);

	if (job->process.pid > 0 || !outputs_end || list_is_linked(&job->closing.link))
		return;
	answer(job);
	close_job(job);
}

static void send_note(struct job *job, enum exec_note note)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, 1);
	writer_uint(&w, note);
	m = message_from_writer(&w, &ignored);
	if (m)
		outflow_send_note(job->router, &job->out.flow, m);
}

static void process_ended(struct process *process, int status)
{
	struct job *job = LIST_OWNER(process, struct job, process);

	job->status = status;
	job->is_reaped = status == -1;
	drop_stdin(job);
	if (job->out.source.fd >= 0 || job->err.source.fd >= 0)
		send_note(job, EXEC_NOTE_ENDED);
	finish_if_over(job);
}

static void end_output(struct output_pipe *pipe);

static void due(struct timer *timer)
{
	struct job *job = LIST_OWNER(timer, struct job, timer);

	if (job->is_closing) {
		process_signal(&job->process, SIGKILL, true);
		/* who has left the group may hold the outputs open for ever */
		end_output(&job->out);
		end_output(&job->err);
		return;
	}
	job->is_late = true;
	job->resident.close(&job->resident, false);
}

/* Nobody wants it any more: asks it to end, then makes it. What its group leaves behind goes too. */
static void end_job(struct resident *resident, bool urgent)
{
	struct job *job = LIST_OWNER(resident, struct job, resident);

	if (job->is_closing)
		return;
	(void)urgent;
	job->is_closing = true;
	job->process.kill_group = true;
	process_signal(&job->process, SIGTERM, true);
	process_signal(&job->process, SIGCONT, true);
	broker_set_timer(&job->router->broker, &job->timer, clock_deadline(TERM_WAIT_MS));
	finish_if_over(job);
}

static void dump_job(struct resident *resident, FILE *out)
{
	const struct job *job = LIST_OWNER(resident, struct job, resident);

	fprintf(out, " program of context %u: process %d%s, stdout %s, stderr %s, stdin %s\n",
		job->request->header.src_id, (int)job->process.pid,
		process_is_alive(&job->process) ? "" : " has ended",
		job->out.source.fd < 0 ? "ended" : "open",
		job->err.source.fd < 0 ? "ended" : "open",
		job->stdin_pipe.fd < 0 ? "closed" : "open");
}

/* ---- Its output ---- */

static void end_output(struct output_pipe *pipe)
{
	if (pipe->source.fd < 0)
		return;
	close_source(pipe->job, &pipe->source);
	outflow_end(pipe->job->router, &pipe->flow);
	finish_if_over(pipe->job);
}

static void watch_output(struct output_pipe *pipe, bool wanted)
{
	if (pipe->source.fd >= 0 &&
	    broker_want(&pipe->job->router->broker, &pipe->source, wanted ? POLLER_READ : 0) < 0)
		end_output(pipe);
}

static void output_ready(struct source *source, unsigned events)
{
	struct output_pipe *pipe = LIST_OWNER(source, struct output_pipe, source);
	size_t room = outflow_room(&pipe->flow);
	uint8_t data[CHUNK];
	struct mitogen_message *m;
	ssize_t n;

	(void)events;
	if (room == 0) {
		watch_output(pipe, false);
		return;
	}
	n = sys.read(source->fd, data, room < sizeof(data) ? room : sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_output(pipe);
		return;
	}
	m = message_new((size_t)n);
	if (!m) {
		log_write(LOG_ERROR, "out of memory: output of a program was lost");
		end_output(pipe);
		return;
	}
	memcpy(m->payload, data, (size_t)n);
	outflow_send(pipe->job->router, &pipe->flow, m, false);
}

static void output_room(struct outflow *flow)
{
	watch_output(LIST_OWNER(flow, struct output_pipe, flow), true);
}

static void open_output(struct job *job, struct output_pipe *pipe, int fd, uint32_t handle)
{
	pipe->job = job;
	pipe->source = (struct source){.fd = fd, .ready = output_ready};
	fd_set_nonblocking(fd);
	outflow_open(job->router, &pipe->flow, job->request->header.src_id, handle, output_room);
	watch_output(pipe, true);
}

/* ---- Its input ---- */

/* Writes what the pipe takes. */
static void write_stdin(struct job *job)
{
	while (!list_is_empty(&job->stdin_data)) {
		struct mitogen_message *m =
			LIST_OWNER(job->stdin_data.next, struct mitogen_message, link);
		ssize_t n = sys.write(job->stdin_pipe.fd, m->payload + job->stdin_written,
				      m->size - job->stdin_written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN &&
		    broker_want(&job->router->broker, &job->stdin_pipe, POLLER_WRITE) == 0)
			return;
		if (n < 0) { /* the program reads no more */
			drop_stdin(job);
			send_note(job, EXEC_NOTE_STDIN_CLOSED);
			return;
		}
		job->stdin_written += (size_t)n;
		if (job->stdin_written < m->size)
			continue;
		job->stdin_written = 0;
		inflow_consumed(job->router, &job->stdin_flow, m->size);
		list_remove(&m->link);
		message_unref(m);
	}
	if (job->stdin_ends)
		close_source(job, &job->stdin_pipe);
	else
		broker_want(&job->router->broker, &job->stdin_pipe, 0);
}

static void stdin_ready(struct source *source, unsigned events)
{
	(void)events;
	write_stdin(LIST_OWNER(source, struct job, stdin_pipe));
}

static void stdin_received(struct router *router, struct handle *handle, struct mitogen_message *m)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);
	struct job *job = LIST_OWNER(flow, struct job, stdin_flow);

	if (!inflow_received(router, flow, m) || job->stdin_pipe.fd < 0 || job->stdin_ends) {
		message_unref(m);
		return;
	}
	if (m->header.kind == FRAME_DEAD)
		job->stdin_ends = true;
	if (m->header.kind == FRAME_RAW && m->size > 0)
		list_append(&job->stdin_data, &m->link);
	else
		message_unref(m);
	write_stdin(job);
}

/* The caller is gone; its context's other port may come here too, which end_job takes. */
static void stdin_lost(struct router *router, struct handle *handle, const mitogen_error *why)
{
	struct inflow *flow = LIST_OWNER(handle, struct inflow, handle);

	(void)router;
	(void)why;
	end_job(&LIST_OWNER(flow, struct job, stdin_flow)->resident, false);
}

static const struct handle_ops stdin_ops = {
	.receive = stdin_received, .lost = stdin_lost, .is_one_frame = true};

/* ---- Signals ---- */

static void control_received(struct router *router, struct handle *handle,
			     struct mitogen_message *m)
{
	struct job *job = LIST_OWNER(handle, struct job, control);
	struct cursor c = {m->payload, m->payload + m->size};
	uint32_t number;

	(void)router;
	if (m->header.kind == FRAME_CBOR && cursor_u32(&c, &number) == 0 && number < NSIG)
		process_signal(&job->process, (int)number, true);
	message_unref(m);
}

static const struct handle_ops control_ops = {.receive = control_received, .is_one_frame = true};

/* ---- The beginning ---- */

struct pipes {
	int in[2], out[2], err[2]; /* reading end, writing end; -1 */
};

static void close_pipes(const struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		fd_close(pipes->in[i]);
		fd_close(pipes->out[i]);
		fd_close(pipes->err[i]);
	}
}

static int open_pipes(struct pipes *pipes, bool no_stdin)
{
	*pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (no_stdin) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (null < 0)
			return -1;
		pipes->in[0] = fd_dup_high(null);
		fd_close(null);
		if (pipes->in[0] < 0)
			return -1;
	} else if (fd_pipe(pipes->in) < 0) {
		return -1;
	}
	return fd_pipe(pipes->out) < 0 || fd_pipe(pipes->err) < 0 ? -1 : 0;
}

static pid_t start_program(const struct exec_request *request, const struct pipes *pipes,
			   mitogen_error *error)
{
	enum spawn_stage stage;
	struct spawn spawn = {.path = request->path,
			      .argv = request->argv,
			      .env = request->env,
			      .cwd = request->cwd,
			      .stdin_fd = pipes->in[0],
			      .stdout_fd = pipes->out[1],
			      .stderr_fd = pipes->err[1],
			      .dies_with_us = true,
			      .scripts = true};
	pid_t pid = spawn_start(&spawn, &stage);
	char name[256];

	if (pid < 0 && stage == SPAWN_CWD) {
		escape_text(name, sizeof(name), request->cwd, strlen(request->cwd));
		error_set_errno(error, "cannot change to the directory %s", name);
		error->code = MITOGEN_ERR_ARGUMENT; /* or a missing program would look the same */
	} else if (pid < 0) {
		error_set_errno(error, "cannot be run");
	}
	return pid;
}

static void send_started(struct job *job)
{
	struct mitogen_writer w;
	struct mitogen_message *m;
	int ignored;

	message_writer_init(&w);
	writer_list_head(&w, 4);
	writer_uint(&w, EXEC_NOTE_STARTED);
	writer_int(&w, job->process.pid);
	writer_uint(&w, job->stdin_flow.handle.by_number.key);
	writer_uint(&w, job->control.by_number.key);
	m = message_from_writer(&w, &ignored);
	if (m)
		outflow_send_note(job->router, &job->out.flow, m);
	else
		end_job(&job->resident, false);
}

/* Everything but the program. 0, or a code. */
static int open_ports(struct job *job, uint32_t caller_id)
{
	struct context *caller = context_of_id(job->router, caller_id);

	if (!caller || inflow_open(job->router, &job->stdin_flow, &stdin_ops, caller) < 0)
		return MITOGEN_ERR_MEMORY;
	if (handles_add(job->router, &job->control, 0, &control_ops, caller) < 0) {
		inflow_close(job->router, &job->stdin_flow);
		return MITOGEN_ERR_MEMORY;
	}
	job->ports_are_open = true;
	return 0;
}

/* Takes the parent's ends of the pipes. */
static void adopt(struct job *job, pid_t pid, struct pipes *pipes,
		  const struct exec_request *request)
{
	struct broker *broker = &job->router->broker;

	router_add_resident(job->router, &job->resident);
	process_watch(&job->process, broker, pid, process_ended);
	open_output(job, &job->out, TAKE_FD(pipes->out[0]), request->stdout_handle);
	open_output(job, &job->err, TAKE_FD(pipes->err[0]), request->stderr_handle);
	job->stdin_pipe = (struct source){.fd = TAKE_FD(pipes->in[1]), .ready = stdin_ready};
	if (job->stdin_pipe.fd >= 0)
		fd_set_nonblocking(job->stdin_pipe.fd);
	if (request->timeout_ms > 0)
		broker_set_timer(broker, &job->timer, clock_deadline(request->timeout_ms));
	send_started(job);
}

static struct job *new_job(struct router *router, struct mitogen_message *m)
{
	struct job *job = sys.calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->router = router;
	job->request = m;
	job->resident.close = end_job;
	job->resident.dump = dump_job;
	job->timer.due = due;
	job->closing.destroy = destroy;
	list_init(&job->stdin_data);
	return job;
}

void builtin_exec(struct router *router, struct mitogen_message *m)
{
	struct exec_request request;
	struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct job *job = new_job(router, m);
	mitogen_error error;
	pid_t pid = -1;
	int r = exec_request_read(m, router->environment, &request, &error);

	if (r == 0 && (!job || open_ports(job, request.caller_id) < 0))
		r = error_set_memory(&error);
	if (r == 0 && open_pipes(&pipes, request.no_stdin) < 0)
		r = error_set_errno(&error, "cannot make pipes for %s", request.path);
	if (r == 0) {
		pid = start_program(&request, &pipes, &error);
		r = pid < 0 ? error.code : 0;
	}
	if (r == 0) {
		adopt(job, pid, &pipes, &request);
	} else {
		error_set_where(&error, router->path, "exec");
		dispatch_answer_error(router, m, &error);
		if (job && job->ports_are_open) {
			inflow_close(router, &job->stdin_flow);
			handles_remove(router, &job->control);
		}
		sys.free(job);
		message_unref(m);
	}
	close_pipes(&pipes);
	exec_request_clear(&request);
}
