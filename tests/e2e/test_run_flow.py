"""mitogen run: who writes waits for who reads, and memory stays small."""

import errno
import hashlib
import os
import random
import subprocess

import pytest
from run_tools import (
    MEMORY_MAX,
    agents_of,
    drain,
    peak_memory,
    wait_for_death,
    wait_until,
    wait_until_blocked,
)

HUGE = 256 * 1024 * 1024


def start(mitogen, *arguments, **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([mitogen, *arguments], bufsize=0, **{**pipes, **options})


def assert_little_memory(command):
    for pid in (command.pid, *agents_of(command)):
        assert peak_memory(pid) < MEMORY_MAX


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_that_is_not_read(mitogen, stream):
    script = f"sh -c 'echo $$; exec head -c {HUGE} /dev/zero >/dev/{stream}' & wait; read x"
    pipes = {"stderr": subprocess.PIPE}
    with start(mitogen, "run", "local", "--", "sh", "-c", script, **pipes) as command:
        wait_until_blocked(int(command.stdout.readline()))
        assert_little_memory(command)
        drain(getattr(command, stream), HUGE)
        assert_little_memory(command)
        command.stdin.write(b"\n")
        assert command.wait() == 0


def test_output_of_several_targets_that_is_not_read(mitogen):
    script = "echo $$; exec yes"
    with start(mitogen, "run", "local", "local", "--", "sh", "-c", script) as command:
        pids = []
        for line in command.stdout:
            label, text = line.split(b": ")
            if text != b"y\n":
                pids.append(int(text))
            if len(pids) == 2:
                break
        for pid in pids:
            wait_until_blocked(pid)
        assert_little_memory(command)
        command.terminate()
        for pid in pids:
            wait_for_death(pid, "a program")
        command.stdout.close()
        command.wait()


def test_input_that_is_not_read(mitogen, tmp_path):
    """Somewhere between us and the program it stops, and goes on when the program reads."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"echo; read x <{fifo}; wc -c"
    with start(mitogen, "run", "local", "--", "sh", "-c", script) as command:
        command.stdout.readline()
        writer = command.stdin.fileno()
        os.set_blocking(writer, False)
        sent = write_until_blocked(writer, bytes(8 << 20))
        assert sent < 4 << 20
        assert_little_memory(command)
        fifo.write_bytes(b"\n")
        os.set_blocking(writer, True)
        command.stdin.close()
        assert int(command.stdout.read()) == sent
        assert command.wait() == 0


def write_until_blocked(fd, data):
    """Writes until nothing has been taken for many tries in a row; returns how much was taken."""
    sent = refused = 0

    def is_blocked():
        nonlocal sent, refused
        try:
            sent += os.write(fd, data[sent : sent + 65536])
            refused = 0
        except BlockingIOError:
            refused += 1
        return refused >= 20

    wait_until(is_blocked, "a full pipe")
    return sent


def test_program_that_closes_its_input(mitogen):
    """Who writes to us is told; the program goes on."""
    script = "exec <&-; echo closed; exec sleep 1000"
    with start(mitogen, "run", "local", "--", "sh", "-c", script) as command:
        assert command.stdout.readline() == b"closed\n"
        with pytest.raises(BrokenPipeError):
            while True:
                command.stdin.write(bytes(65536))
        assert command.poll() is None
        command.terminate()
        assert command.wait() == 143


def test_program_that_ends_without_reading(run):
    result = run("run", "local", "--", "sh", "-c", "exit 6", input=bytes(1 << 20))
    assert (result.returncode, result.stderr) == (6, b"")


def test_endless_writer(mitogen):
    script = 'yes | "$0" run local -- head -n 2; echo "${PIPESTATUS[@]}"'
    result = subprocess.run(["bash", "-c", script, mitogen], capture_output=True, timeout=60)
    assert result.stdout == b"y\ny\n141 0\n"
    assert result.stderr == b""


def test_input_of_all_targets_waits_for_the_slowest(mitogen, tmp_path):
    """One program reads at once, the other one only when it is told to."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"mkdir {tmp_path}/second 2>/dev/null || read x <{fifo}; echo >&2; sha256sum"
    data = random.Random(2).randbytes(8 << 20)
    command = ["run", "local", "local", "--", "sh", "-c", script]
    with start(mitogen, *command, stderr=subprocess.PIPE) as command:
        command.stderr.readline()
        writer = command.stdin.fileno()
        os.set_blocking(writer, False)
        sent = write_until_blocked(writer, data)
        assert sent < len(data)
        fifo.write_bytes(b"\n")
        os.set_blocking(writer, True)
        command.stdin.write(data[sent:])
        command.stdin.close()
        lines = command.stdout.read().splitlines()
        assert command.wait() == 0
    digest = hashlib.sha256(data).hexdigest()
    assert sorted(line.decode().split()[:2] for line in lines) == [
        ["local#2:", digest],
        ["local:", digest],
    ]


def test_target_that_stops_reading_does_not_hold_up_the_others(run, tmp_path):
    script = f"mkdir {tmp_path}/first 2>/dev/null && exit 0; wc -c"
    result = run("run", "local", "local", "--", "sh", "-c", script, input=bytes(5 << 20))
    assert result.returncode == 0
    assert result.stdout.split()[1:] == [b"5242880"]


def test_slow_reader_of_a_terminal_does_not_lose_output(mitogen):
    controller, terminal = os.openpty()
    command = [mitogen, "run", "-n", "local", "--", "seq", "20000"]
    with subprocess.Popen(command, stdout=terminal) as process:
        os.close(terminal)
        output = b""
        while True:
            try:
                output += os.read(controller, 100)
            except OSError as error:  # how Linux tells the end of a terminal
                assert error.errno == errno.EIO
                break
        assert process.wait() == 0
    os.close(controller)
    assert output.split() == [b"%d" % number for number in range(1, 20001)]
