"""mitogen run: signals, and processes that are killed."""

import array
import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import termios

import pytest
from conftest import child_pids
from run_tools import (
    PATIENCE,
    FakeAgent,
    agents_of,
    drain,
    is_running,
    wait_for_death,
    wait_until,
    wait_until_blocked,
)


@pytest.fixture
def start(mitogen):
    """start(*arguments): a running command, ended after the test, with pipes in place of stdio."""
    commands = []

    def start_mitogen(*arguments, **options):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = subprocess.Popen([mitogen, *arguments], bufsize=0, **{**pipes, **options})
        commands.append(command)
        return command

    yield start_mitogen
    for command in commands:
        command.kill()
        for file in (command.stdin, command.stdout, command.stderr):
            file.close()
        command.wait()


def shell(script):
    return "run", "local", "--", "sh", "-c", script


@pytest.mark.parametrize("name", ["INT", "HUP", "TERM"])
def test_signal_kills_the_program(start, name):
    command = start(*shell("echo ready; exec sleep 1000"))
    command.stdout.readline()
    command.send_signal(signal.Signals[f"SIG{name}"])
    assert command.wait() == 128 + signal.Signals[f"SIG{name}"]


def test_program_that_handles_the_signal(start):
    command = start(*shell("trap 'echo tidy; exit 7' INT; echo ready; while :; do read x; done"))
    command.stdout.readline()
    command.send_signal(signal.SIGINT)
    assert command.stdout.readline() == b"tidy\n"
    assert command.wait() == 7


def test_signals_as_often_as_they_come(start):
    script = "n=0; trap 'n=$((n+1)); echo $n' HUP; echo 0; while [ $n -lt 5 ]; do read x; done; :"
    command = start(*shell(script))
    for number in range(5):
        assert command.stdout.readline() == b"%d\n" % number
        command.send_signal(signal.SIGHUP)
    assert command.stdout.readline() == b"5\n"
    command.stdin.close()
    assert command.wait() == 0


def test_signal_reaches_the_process_group(start):
    # it speaks for itself: the fork of a shell that has a trap loses what comes before its exec
    background = "sh -c 'echo $$; exec sleep 1000' &"
    command = start(*shell(f'trap "wait; exit 9" TERM; {background} wait'))
    below = int(command.stdout.readline())
    command.terminate()
    assert command.wait() == 9
    wait_for_death(below, "the process in the background")


def test_signal_before_the_program_has_started(start, mitogen, tmp_path):
    os.mkfifo(tmp_path / "started")
    fake = FakeAgent(tmp_path, mitogen, 'echo >"$HERE/started"; exec "$AGENT" "$@"')
    command = start(*shell("sleep 1000"), env=fake.environment)
    (tmp_path / "started").read_bytes()
    command.terminate()
    assert command.wait() == 143


@pytest.fixture
def silent():
    """Accepts, and says nothing; a target that leads to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"a@127.0.0.1:{server.getsockname()[1]}"


def is_given_up(server, command, status):
    """The whole run, from a connection on, ends well before a time-out of connecting does that."""
    connection, _ = server.accept()
    with connection:
        command.send_signal(signal.SIGINT)
        assert command.wait(timeout=PATIENCE) == status
        while connection.recv(4096):
            pass


@pytest.mark.parametrize("before", ["", "local/", "local/local/"])
def test_signal_while_connecting(start, silent, before):
    server, target = silent
    command = start("run", f"{before}{target},connect_timeout=1000", "--", "id")
    is_given_up(server, command, 130)
    assert command.stderr.read() == b""


def test_signal_while_all_targets_are_connecting(start, silent):
    server, target = silent
    names = [f"{target},connect_timeout=1000,name=t{i}" for i in range(5)]
    command = start("run", "--connect-limit=1", *names, "--", "id")
    is_given_up(server, command, 130)
    assert command.stderr.read() == (
        b"mitogen run: t0: given up while connecting\n"
        b"mitogen run: 4 targets were never tried, t1 and others\n"
    )


def test_signal_while_some_targets_are_connecting(start, silent):
    server, target = silent
    targets = ["local", f"{target},connect_timeout=1000,name=silent"]
    script = "trap 'echo tidy; exit 0' INT; echo ready; while :; do read x; done"
    command = start("run", *targets, "--", "sh", "-c", script)
    assert command.stdout.readline() == b"local: ready\n"
    is_given_up(server, command, 1)
    assert command.stdout.read() == b"local: tidy\n"
    assert command.stderr.read() == b"mitogen run: silent: given up while connecting\n"


def test_time_out_while_connecting(start, silent):
    server, target = silent
    command = start("run", "--timeout=0.001", f"{target},connect_timeout=1000", "--", "id")
    assert command.wait() == 124
    assert command.stderr.read() == b"mitogen run: timed out after 0.001 s\n"


def has_pending_signal(pid):
    with open(f"/proc/{pid}/status") as file:
        return any(int(bits, 16) for bits in re.findall(r"(?:SigPnd|ShdPnd):\s*(\w+)", file.read()))


def test_signal_to_all_targets(start):
    script = "echo $$; exec sleep 1000"
    command = start("run", "local", "local", "local", "--", "sh", "-c", script)
    pids = [int(command.stdout.readline().split()[1]) for _ in range(3)]
    command.terminate()
    assert command.wait() == 1
    assert command.stderr.read().count(b"killed by signal 15") == 3
    for pid in pids:
        wait_for_death(pid, "a program")


def test_ignored_signal_stays_ignored(start):
    command = start(
        *shell("echo ready; read x; echo $x"),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    command.stdout.readline()
    command.send_signal(signal.SIGHUP)
    command.stdin.write(b"alive\n")
    assert command.stdout.readline() == b"alive\n"
    assert command.wait() == 0


def test_signal_while_nobody_reads(start):
    command = start(*shell("echo $$; exec yes"))
    program = int(command.stdout.readline())
    wait_until_blocked(program)
    command.send_signal(signal.SIGTERM)
    assert command.wait() == 143
    wait_for_death(program, "the program")


def test_signal_when_only_the_background_is_left(start):
    """The run ends; who only holds its output is left alone."""
    command = start(*shell("sleep 1000 & echo $$ $!; exit 3"))
    program, background = map(int, command.stdout.readline().split())
    wait_for_death(program, "the program")
    command.send_signal(signal.SIGINT)
    assert command.wait() == 130
    assert is_running(background)
    os.kill(background, signal.SIGKILL)


def test_third_signal_when_a_target_does_not_answer(start):
    """The agent in the middle is stopped; the first two signals are for the program."""
    command = start("run", "local/local/local", "--", "sh", "-c", "echo $$; exec sleep 1000")
    program = int(command.stdout.readline())
    (first,) = agents_of(command)
    (middle,) = child_pids(first)
    os.kill(middle, signal.SIGSTOP)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGINT):
        command.send_signal(number)
        wait_until(lambda: not has_pending_signal(command.pid), "the signal in the command")
    assert command.wait() == 130
    error = b"mitogen run: local/local/local does not answer; giving up\n"
    assert command.stderr.read() == error
    with contextlib.suppress(ProcessLookupError):
        os.kill(middle, signal.SIGCONT)  # it sees only now that it is over
    wait_for_death(middle, "the agent that was stopped")
    wait_for_death(program, "the program")


def test_third_signal_with_several_targets(start):
    command = start("run", "local", "local", "--", "sh", "-c", "trap '' TERM; echo $$; exec sleep 1000")
    programs = [int(command.stdout.readline().split()[1]) for _ in range(2)]
    for _ in range(3):
        command.terminate()
        wait_until(lambda: not has_pending_signal(command.pid), "the signal in the command")
    assert command.wait() == 143
    assert command.stderr.read() == b"mitogen run: a target does not answer; giving up\n"
    for program in programs:
        wait_for_death(program, "a program")


def test_killed_command_takes_everything_down(start):
    command = start(*shell("echo $$; exec sleep 1000"))
    program = int(command.stdout.readline())
    (agent,) = agents_of(command)
    command.kill()
    wait_for_death(program, "the program")
    wait_for_death(agent, "the agent")


def test_killed_command_and_a_program_that_ignores_sigterm(start):
    command = start(*shell("trap '' TERM HUP; echo $$; exec sleep 1000"))
    program = int(command.stdout.readline())
    command.kill()
    wait_for_death(program, "the program")


def test_killed_agent(start):
    command = start(*shell("echo $$; exec sleep 1000"))
    program = int(command.stdout.readline())
    (agent,) = agents_of(command)
    os.kill(agent, signal.SIGKILL)
    assert command.wait() == 4
    assert command.stderr.read() == (
        b"mitogen run: local: sh: the context was lost: its process was killed by SIGKILL\n"
    )
    wait_for_death(program, "the program")


def waiting_in(pipe):
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def test_killed_agent_after_much_output(start):
    """What has arrived is not lost with the agent."""
    command = start(*shell("head -c 100000 /dev/zero; echo $$ >&2; exec sleep 1000"))
    drain(command.stdout, 50000)
    program = int(command.stderr.readline())
    wait_until(lambda: waiting_in(command.stdout) == 50000, "the rest of the output")
    (agent,) = agents_of(command)
    os.kill(agent, signal.SIGKILL)
    assert len(command.stdout.readall()) == 50000
    assert command.wait() == 4
    wait_for_death(program, "the program")


def test_reader_that_goes_away_ends_the_program(start):
    command = start(*shell("echo $$; exec yes"))
    program = int(command.stdout.readline())
    command.stdout.close()
    assert command.wait() == 141
    wait_for_death(program, "the program")
