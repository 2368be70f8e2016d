"""mitogen run: input, output, exit status, environment of a program on one target."""

import fcntl
import hashlib
import os
import pty
import random
import socket
import subprocess

import pytest
from run_tools import FakeAgent, agent_path, wait_for_death

BINARY = random.Random(1).randbytes(10 * 1024 * 1024)


# ---- Input and output ----


def test_output_and_errors_stay_apart(run):
    result = run("run", "local", "--", "sh", "-c", "echo out; echo err >&2")
    assert (result.returncode, result.stdout, result.stderr) == (0, b"out\n", b"err\n")


def test_ten_mebibytes_through_cat_both_ways(run):
    result = run("run", "local", "--", "cat", input=BINARY)
    assert result.returncode == 0
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(BINARY).digest()
    assert result.stderr == b""


def test_ten_mebibytes_to_stdout_and_stderr_at_once(run):
    result = run("run", "local", "--", "sh", "-c", "tee /dev/stderr", input=BINARY)
    assert result.returncode == 0
    assert result.stdout == BINARY
    assert result.stderr == BINARY


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537])
def test_sizes_around_the_largest_frame(run, size):
    result = run("run", "local", "--", "cat", input=BINARY[:size])
    assert result.stdout == BINARY[:size]


def test_end_of_input_arrives_and_output_goes_on(run):
    assert run("run", "local", "--", "sort", input=b"b\nc\na\n").stdout == b"a\nb\nc\n"
    assert run("run", "local", "--", "wc", "-c", input=BINARY).stdout.strip() == b"10485760"


def test_output_comes_while_input_is_open(mitogen):
    command = [mitogen, "run", "local", "--", "cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, bufsize=0, **pipes) as process:
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait() == 0


def test_output_of_a_program_that_is_gone_is_complete(run):
    result = run("run", "local", "--", "head", "-c", "200000", "/dev/zero")
    assert len(result.stdout) == 200000


def test_input_from_a_file(run, tmp_path):
    path = tmp_path / "input"
    path.write_bytes(BINARY)
    with path.open("rb") as file:
        assert run("run", "local", "--", "cat", stdin=file).stdout == BINARY


def test_input_from_an_empty_device(run):
    result = run("run", "local", "--", "wc", "-c", stdin=subprocess.DEVNULL)
    assert result.stdout.strip() == b"0"


def test_input_from_a_terminal(mitogen):
    controller, terminal = pty.openpty()
    command = [mitogen, "run", "local", "--", "cat"]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE) as process:
        os.write(controller, b"typed\n\x04")
        assert process.stdout.read() == b"typed\n"
        assert process.wait() == 0
    os.close(terminal)
    os.close(controller)


def test_output_to_a_terminal(mitogen):
    controller, terminal = pty.openpty()
    command = [mitogen, "run", "local", "--", "echo", "shown"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=terminal) as process:
        assert os.read(controller, 100) == b"shown\r\n"
        assert process.wait() == 0
    os.close(terminal)
    os.close(controller)


def test_input_and_output_over_sockets(mitogen):
    ours, theirs = socket.socketpair()
    command = [mitogen, "run", "local", "--", "tr", "a-z", "A-Z"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs) as process:
        theirs.close()
        ours.sendall(b"socket")
        ours.shutdown(socket.SHUT_WR)
        with ours, ours.makefile("rb") as reader:
            assert reader.read() == b"SOCKET"
        assert process.wait() == 0


def through_shell(mitogen, script, **options):
    """Runs a script in which "$@" is the command."""
    command = ["bash", "-c", script, "bash", mitogen]
    options = {"stdin": subprocess.DEVNULL, **options}
    return subprocess.run(command, capture_output=True, timeout=60, **options)


def test_stdin_closed_at_start(mitogen):
    result = through_shell(mitogen, '"$@" run local -- sh -c "wc -c; echo done" <&-')
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.split() == [b"0", b"done"]


def test_stdout_closed_at_start(mitogen):
    result = through_shell(mitogen, '"$@" run local -- true </dev/null >&-')
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_output_to_a_closed_stdout_is_an_error(mitogen):
    result = through_shell(mitogen, '"$@" run local -- echo lost >&-')
    assert result.returncode == 1
    assert b"cannot write to standard output: Bad file descriptor" in result.stderr


def test_input_that_is_a_directory(mitogen):
    """The program sees an end; that it succeeds does not hide what was lost."""
    result = through_shell(mitogen, '"$@" run local -- wc -c </')
    assert (result.returncode, result.stdout.strip()) == (1, b"0")
    assert result.stderr == b"mitogen run: cannot read standard input: Is a directory\n"


def test_input_that_is_open_for_writing_only(mitogen, tmp_path):
    script = f'"$@" run local -- wc -c 0>{tmp_path}/written'
    result = through_shell(mitogen, script)
    assert (result.returncode, result.stdout.strip()) == (1, b"0")
    assert result.stderr == b"mitogen run: cannot read standard input: Bad file descriptor\n"


def test_input_that_cannot_be_read_and_a_program_that_fails(mitogen):
    assert through_shell(mitogen, '"$@" run local -- sh -c "cat; exit 5" </').returncode == 5
    assert through_shell(mitogen, '"$@" run local local -- cat </').returncode == 1


def test_input_that_cannot_be_read_and_nobody_wants(mitogen):
    result = through_shell(mitogen, '"$@" run -n local -- true </')
    assert (result.returncode, result.stderr) == (0, b"")


def test_everything_closed_at_start(mitogen):
    result = through_shell(mitogen, '"$@" run local -- sh -c "exit 5" <&- >&- 2>&-')
    assert result.returncode == 5


def test_full_device(mitogen):
    result = through_shell(mitogen, '"$@" run local -- yes >/dev/full')
    assert result.returncode == 1
    assert b"cannot write to standard output: No space left on device" in result.stderr


def test_reader_goes_away(mitogen):
    result = through_shell(mitogen, '"$@" run local -- yes | head -n 1; echo ${PIPESTATUS[0]}')
    assert result.stdout == b"y\n141\n"
    assert result.stderr == b""


def test_reader_of_stderr_goes_away(mitogen):
    script = '"$@" run local -- sh -c "yes >&2" 2>&1 >/dev/null | head -n 1; echo ${PIPESTATUS[0]}'
    assert through_shell(mitogen, script).stdout == b"y\n141\n"


def test_shared_descriptions_are_left_alone(mitogen):
    """Who shares our stdin and stdout does not find them non-blocking."""
    reader, writer = os.pipe()
    command = [mitogen, "run", "local", "--", "sh", "-c", "echo; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writer) as process:
        os.read(reader, 1)  # it is at work
        for fd in (process.stdin.fileno(), writer):
            assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK == 0
        process.stdin.close()
        process.wait()
    os.close(reader)
    os.close(writer)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_pipes_of_somebody_else(mitogen):
    """They cannot be opened again; reading and writing them works all the same."""
    command = [mitogen, "run", "local", "--", "cat"]
    if subprocess.run([mitogen, "--version"], user=65534, capture_output=True).returncode != 0:
        pytest.skip("nobody may not run the command here")
    result = subprocess.run(command, input=BINARY, capture_output=True, user=65534)
    assert result.returncode == 0
    assert result.stdout == BINARY


def test_no_stdin_leaves_input_alone(mitogen):
    script = 'printf "a\\nb\\n" | while read x; do "$@" run %s local -- cat; echo "($x)"; done'
    for option in ("-n", "--no-stdin"):
        assert through_shell(mitogen, script % option).stdout == b"(a)\n(b)\n"
    assert through_shell(mitogen, script % "").stdout == b"b\n(a)\n"


def test_background_process_holds_the_output(mitogen, tmp_path):
    """As with ssh: the run lasts until the output is closed, also when the program has ended."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo $$; (read x <{fifo}; echo late) & exit 3"
    command = [mitogen, "run", "-n", "local", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        wait_for_death(int(process.stdout.readline()), "the program")
        fifo.write_bytes(b"\n")
        assert process.stdout.read() == b"late\n"
        assert process.wait() == 3


# ---- How it ends ----


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_exit_status(run, status):
    result = run("run", "local", "--", "sh", "-c", f"exit {status}")
    assert (result.returncode, result.stderr) == (status, b"")


@pytest.mark.parametrize(("signal", "status"), [("TERM", 143), ("KILL", 137), ("SEGV", 139)])
def test_killed_by_a_signal(run, signal, status):
    assert run("run", "local", "--", "sh", "-c", f"kill -{signal} $$").returncode == status


def test_missing_program(run):
    result = run("run", "local", "--", "no-such-program")
    assert result.returncode == 127
    assert result.stderr == (
        b"mitogen run: local: no-such-program: cannot be run, looked for in PATH: "
        b"No such file or directory\n"
    )


def test_missing_program_with_blanks(run):
    """It was meant for a shell, most likely."""
    for program in ("no-such-program -l", "/no such/program"):
        result = run("run", "local", "--", program)
        assert result.returncode == 127
        reason, hint = result.stderr.decode().splitlines()
        assert reason.startswith(f"mitogen run: local: {program}: cannot be run")
        assert hint.startswith("mitogen run: ") and "sh -c" in hint


def test_no_hint_about_a_shell_where_there_was_one(run):
    result = run("run", "local", "--", "no-such-program", "a b")
    assert b"sh -c" not in result.stderr
    result = run("run", "--cwd", "/no such", "local", "--", "true")
    assert b"sh -c" not in result.stderr


def test_missing_path(run):
    result = run("run", "local", "--", "/no/such/program")
    assert result.returncode == 127
    assert result.stderr == (
        b"mitogen run: local: /no/such/program: cannot be run: No such file or directory\n"
    )


def test_file_that_is_not_executable(run, tmp_path):
    path = tmp_path / "data"
    path.write_text("echo no\n")
    result = run("run", "local", "--", str(path))
    assert result.returncode == 126
    assert b"data: cannot be run: Permission denied" in result.stderr


def test_directory_as_program(run):
    assert run("run", "local", "--", "/").returncode == 126


def test_interpreter_that_is_missing(run, tmp_path):
    path = tmp_path / "script"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    assert run("run", "local", "--", str(path)).returncode == 127


def test_script_without_an_interpreter_line(run, tmp_path):
    path = tmp_path / "script"
    path.write_text('echo "$0 $1"\n')
    path.chmod(0o755)
    result = run("run", "local", "--", str(path), "a b")
    assert result.stdout.decode() == f"{path} a b\n"


def test_arguments_that_are_too_long(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, 'ulimit -s 512; exec "$AGENT" "$@"')
    result = run("run", "local", "--", "true", *["x" * 100000] * 3, env=fake.environment)
    assert result.returncode == 126
    assert b"Argument list too long" in result.stderr


def test_missing_agent(mitogen, tmp_path):
    copy = tmp_path / "bin" / "mitogen"
    copy.parent.mkdir()
    copy.write_bytes(open(mitogen, "rb").read())
    copy.chmod(0o755)
    command = [str(copy), "run", "local", "--", "true"]
    environment = {**os.environ, "MITOGEN_IMAGE_PATH": "/a:/b"}
    result = subprocess.run(command, capture_output=True, env=environment)
    assert result.returncode == 4
    for place in ("/a/linux-", "/b/linux-", f"{tmp_path}/bin/agents/", "/../lib/mitogen/agents/"):
        assert place.encode() in result.stderr
    assert b"MITOGEN_IMAGE_PATH" in result.stderr


def test_environment_that_makes_no_sense(run, tmp_path):
    """Each is told once, with what it can be; it works all the same."""
    environment = {
        "MITOGEN_LOG_LEVEL": "loud",
        "MITOGEN_POLLER": "kqueue",
        "MITOGEN_IMAGE_PATH": f"{tmp_path}/missing",
    }
    result = run("run", "local/local", "--", "true", env={**os.environ, **environment})
    assert (result.returncode, result.stdout) == (0, b"")
    image, *warnings = result.stderr.decode().splitlines()
    assert image.startswith("mitogen run: MITOGEN_IMAGE_PATH has no agent: looked for ")
    assert f"{tmp_path}/missing/linux-" in image and "(No such file or directory); using /" in image
    assert sorted(warnings) == [
        "mitogen: warning: MITOGEN_LOG_LEVEL is 'loud'; it can be error, warning, info or debug; "
        "using warning",
        "mitogen: warning: MITOGEN_POLLER is 'kqueue'; it can be epoll or poll; using epoll",
    ]


def test_agent_that_is_not_executable(run, mitogen, tmp_path):
    (tmp_path / agent_path(mitogen).name).write_bytes(b"")
    environment = {**os.environ, "MITOGEN_IMAGE_PATH": str(tmp_path)}
    result = run("run", "local", "--", "true", env=environment)
    assert result.returncode == 0
    assert b"(Permission denied); using /" in result.stderr


def test_another_program_in_the_place_of_the_agent(run, mitogen, tmp_path):
    path = tmp_path / agent_path(mitogen).name
    path.symlink_to("/bin/true")
    environment = {**os.environ, "MITOGEN_IMAGE_PATH": str(tmp_path)}
    result = run("run", "local", "--", "true", env=environment)
    assert result.returncode == 4
    assert f"; is {path} the agent".encode() in result.stderr


def test_empty_name_of_a_program(run):
    result = run("run", "local", "--", "")
    assert result.returncode == 127
    assert result.stderr.startswith(b"mitogen run: local: '': cannot be run")


def test_agent_of_an_installation(mitogen, tmp_path):
    copy = tmp_path / "usr" / "bin" / "mitogen"
    agents = tmp_path / "usr" / "lib" / "mitogen" / "agents"
    copy.parent.mkdir(parents=True)
    agents.mkdir(parents=True)
    copy.write_bytes(open(mitogen, "rb").read())
    copy.chmod(0o755)
    (agents / agent_path(mitogen).name).symlink_to(agent_path(mitogen))
    result = subprocess.run([copy, "run", "local", "--", "echo", "moved"], capture_output=True)
    assert (result.returncode, result.stdout) == (0, b"moved\n")


def test_agent_that_ends_at_once(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, "echo broken >&2; exit 9")
    result = run("run", "local", "--", "true", env=fake.environment)
    assert result.returncode == 4
    assert result.stderr.count(b"\n") == 1
    assert b"local could not be started: its process exited with status 9" in result.stderr
    assert b"it printed: broken" in result.stderr


# ---- What the program gets ----


def test_environment(run, monkeypatch):
    monkeypatch.setenv("KEPT", "ours")
    monkeypatch.setenv("CHANGED", "ours")
    settings = ["--env", "CHANGED=theirs", "--env=NEW=a=b", "--env", "NEW=c d", "--env", "EMPTY="]
    script = 'echo "$KEPT,$CHANGED,$NEW,${EMPTY-unset}"'
    result = run("run", *settings, "local", "--", "sh", "-c", script)
    assert result.stdout == b"ours,theirs,c d,\n"


def test_environment_by_name(run, monkeypatch):
    monkeypatch.setenv("SET", "ours")
    monkeypatch.delenv("UNSET", raising=False)
    settings = ["--env", "UNSET=x", "--env", "UNSET", "--env", "SET=x", "--env", "SET"]
    result = run("run", *settings, "local", "--", "sh", "-c", 'echo "$SET,${UNSET-unset}"')
    assert result.stdout == b"ours,unset\n"


def test_path_of_the_environment_is_searched(run, tmp_path):
    program = tmp_path / "own-program"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    command = ["run", "--env", f"PATH={tmp_path}:/bin", "local", "--", "own-program"]
    assert run(*command).stdout == b"found\n"


def test_bytes_that_are_no_text(run):
    odd = b"\xff\xfe\x80 '\"$\n\\"
    result = run(
        *("run", "--env", b"ODD=" + odd, "local", "--", "sh", "-c"),
        *('printf "%s|%s|%s" "$ODD" "$OWN" "$1"', "sh", odd),
        env={**os.environb, b"OWN": odd},
    )
    assert result.stdout == b"|".join([odd, odd, odd])


def test_program_name_that_is_no_text(run):
    result = run("run", "local", "--", b"no\xffprogram\x1b[1m")
    assert result.returncode == 127
    name = b"no\\xffprogram\\x1b[1m"
    assert b"local: " + name + b": cannot be run, looked for" in result.stderr


def test_hundred_kilobytes_of_arguments(run):
    words = [f"argument-{number}" for number in range(6000)]
    result = run("run", "local", "--", "printf", "%s\n", *words)
    assert result.stdout.decode().split() == words
    one = "x" * 100000
    assert run("run", "local", "--", "printf", "%s", one).stdout.decode() == one


def test_empty_argument(run):
    result = run("run", "local", "--", "sh", "-c", 'echo "$#"', "sh", "", "--", "-v")
    assert result.stdout == b"3\n"


def test_directory(run, tmp_path):
    (tmp_path / "below").mkdir()
    options = {"cwd": tmp_path}
    assert run("run", "local", "--", "pwd", **options).stdout.decode() == f"{tmp_path}\n"
    result = run("run", "--cwd", "below", "local", "--", "pwd", **options)
    assert result.stdout.decode() == f"{tmp_path}/below\n"
    assert run("run", "--cwd=/", "local", "--", "pwd", **options).stdout == b"/\n"


def test_program_in_the_directory(run, tmp_path):
    """It is looked for where it will run, and not where the command or the agent does."""
    for name in ("here", "there"):
        program = tmp_path / name / "program"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(0o755)
    (tmp_path / "there/below").mkdir()
    (tmp_path / "there/below/other").symlink_to(tmp_path / "there/program")
    options = {"cwd": tmp_path / "here"}
    command = ["run", "--cwd", str(tmp_path / "there"), "local", "--"]
    assert run(*command, "./program", **options).stdout == b"there\n"
    assert run(*command, "below/other", **options).stdout == b"there\n"
    assert run(*command, "../here/program", **options).stdout == b"here\n"
    command[2] = "../there"
    assert run(*command, "./program", **options).stdout == b"there\n"
    assert run("run", "local", "--", "./program", **options).stdout == b"here\n"


def test_program_that_is_not_in_the_directory(run, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "below").mkdir()
    (tmp_path / "below/data").write_text("")
    command = ["run", "--cwd", "below", "local", "--"]
    result = run(*command, "./program", cwd=tmp_path)
    assert result.returncode == 127
    assert result.stderr == (
        b"mitogen run: local: ./program: cannot be run: No such file or directory\n"
    )
    result = run(*command, "./data", cwd=tmp_path)
    assert result.returncode == 126
    assert b"./data: cannot be run: Permission denied" in result.stderr


def test_missing_directory(run):
    result = run("run", "--cwd", b"/no/such\xff", "local", "--", "true")
    assert result.returncode == 126
    assert b"cannot change to the directory /no/such\\xff: No such file" in result.stderr


def test_signals_of_the_program_are_the_default_ones(mitogen):
    """nohup and our own ignored SIGPIPE do not reach it."""
    script = "trap '' HUP PIPE; exec \"$@\" run local -- grep -E '^Sig(Blk|Ign)' /proc/self/status"
    result = through_shell(mitogen, script)
    assert [int(line.split()[1], 16) for line in result.stdout.splitlines()] == [0, 0]


def test_descriptors_of_the_program(run):
    result = run("run", "local", "--", "sh", "-c", "exec ls /proc/$$/fd", input=b"")
    assert result.stdout.split() == [b"0", b"1", b"2", b"3"]  # the last is of ls itself


# ---- Time ----


def test_timeout(mitogen):
    command = [mitogen, "run", "--timeout", "0.2", "local", "--", "sh", "-c", "echo $$; sleep 1000"]
    result = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    assert result.returncode == 124
    assert result.stderr == b"mitogen run: timed out after 0.2 s\n"
    wait_for_death(int(result.stdout), "the program")


@pytest.mark.parametrize(("given", "said"), [("1", "1"), ("0.25", "0.25"), ("1.", "1")])
def test_how_a_timeout_is_told(run, mitogen, tmp_path, given, said):
    fake = FakeAgent(tmp_path, mitogen, "exec sleep 1000")
    result = run("run", "--timeout", given, "local", "--", "true", env=fake.environment)
    assert result.stderr.decode() == f"mitogen run: timed out after {said} s\n"


def test_timeout_lets_the_program_finish(run):
    script = "trap 'echo tidied; exit 0' TERM; sleep 1000 & wait"
    result = run("run", "--timeout=0.2", "local", "--", "sh", "-c", script)
    assert (result.returncode, result.stdout) == (124, b"tidied\n")


def test_timeout_of_a_program_that_ignores_it(run):
    script = "trap '' TERM; echo $$; exec sleep 1000"
    result = run("run", "--timeout=0.2", "local", "--", "sh", "-c", script)
    assert result.returncode == 124
    wait_for_death(int(result.stdout), "the program")


def test_timeout_while_connecting(run, mitogen, tmp_path):
    fake = FakeAgent(tmp_path, mitogen, "exec sleep 1000")
    result = run("run", "--timeout", "0.2", "local", "--", "true", env=fake.environment)
    assert result.returncode == 124
    assert b"timed out" in result.stderr


def test_timeout_while_nobody_reads(mitogen):
    command = [mitogen, "run", "--timeout", "0.2", "local", "--", "yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.wait() == 124


def test_timeout_that_is_not_reached(run):
    assert run("run", "--timeout", "1000", "local", "--", "sh", "-c", "exit 4").returncode == 4


# ---- The log ----


def test_verbose(run):
    quiet = run("run", "local", "--", "true").stderr
    debug = run("run", "-vv", "local", "--", "true").stderr
    assert quiet == b""
    assert b"mitogen: debug: local: connection starting -> booting" in debug
    assert run("run", "-v", "--verbose", "local", "--", "true").stderr.count(b"debug") > 0
    assert b"debug" not in run("run", "-v", "local", "--", "true").stderr
