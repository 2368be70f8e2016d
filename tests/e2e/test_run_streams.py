"""mitogen run: stdout and stderr, each at its own pace. In a test, `blocked` is the one that is not
read until the end."""

import errno
import os
import socket
import subprocess
import sys

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

OTHER = {"stdout": "stderr", "stderr": "stdout"}
both_ways = pytest.mark.parametrize("blocked", ["stdout", "stderr"])


@pytest.fixture
def start(mitogen):
    """start(*arguments): a running command, ended after the test, with pipes in place of stdio."""
    commands = []

    def start_mitogen(*arguments):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = subprocess.Popen([mitogen, *arguments], bufsize=0, **pipes)
        commands.append(command)
        return command

    yield start_mitogen
    for command in commands:
        command.kill()
        for file in (command.stdin, command.stdout, command.stderr):
            file.close()
        command.wait()


def shell(script, targets=1):
    return "run", *["local"] * targets, "--", "sh", "-c", script


@both_ways
def test_a_blocked_stream_does_not_hold_back_the_other(start, blocked):
    """Nor input, nor signals."""
    script = f"""
        (trap '' HUP; exec yes >/dev/{blocked}) &
        exec >/dev/{OTHER[blocked]}
        trap 'echo signal' HUP
        echo $!
        while :; do
            if read x; then echo "got $x"; elif [ $? -le 128 ]; then break; fi
        done
        kill $!
    """
    command = start(*shell(script))
    reader = getattr(command, OTHER[blocked])
    wait_until_blocked(int(reader.readline()))
    for number in range(3):
        command.stdin.write(b"%d\n" % number)
        assert reader.readline() == b"got %d\n" % number
    command.send_signal(1)
    assert reader.readline() == b"signal\n"
    for pid in (command.pid, *agents_of(command)):
        assert peak_memory(pid) < MEMORY_MAX
    command.stdin.close()
    text = getattr(command, blocked).readall()
    assert text == b"y\n" * (len(text) // 2)
    assert reader.readall() == b""
    assert command.wait() == 0


@both_ways
def test_much_output_beside_a_blocked_stream(start, blocked):
    head = "head -c 9000000 /dev/zero"
    script = f"{head} >/dev/{blocked} & {head} >/dev/{OTHER[blocked]}; wait; read x"
    command = start(*shell(script))
    for stream in (OTHER[blocked], blocked):
        drain(getattr(command, stream), 9000000)
        assert peak_memory(command.pid) < MEMORY_MAX
    command.stdin.write(b"\n")
    assert command.wait() == 0


@both_ways
def test_a_blocked_stream_of_one_target_holds_back_no_other(start, tmp_path, blocked):
    """The first program fills one stream, the second one uses the other."""
    script = f"""
        if mkdir {tmp_path}/first 2>/dev/null; then
            echo $$ >/dev/{OTHER[blocked]}
            exec yes >/dev/{blocked}
        fi
        while read x; do echo $x >/dev/{OTHER[blocked]}; done
    """
    command = start(*shell(script, targets=2))
    reader = getattr(command, OTHER[blocked])
    writer = int(reader.readline().split()[-1])
    wait_until_blocked(writer)
    for number in range(3):
        command.stdin.write(b"%d\n" % number)
        assert reader.readline().split()[-1] == b"%d" % number
    command.terminate()
    wait_for_death(writer, "the writer")


@both_ways
def test_what_is_blocked_arrives_whole(start, blocked):
    """In order, each target's, after everything of the other stream has come."""
    script = f"seq 200000 >/dev/{blocked}; seq 5 >/dev/{OTHER[blocked]}"
    command = start(*shell(f"({script}) & seq 6 9 >/dev/{OTHER[blocked]}; wait", targets=2))
    first = [getattr(command, OTHER[blocked]).readline() for _ in range(8)]
    assert sorted(line.split()[1] for line in first) == [b"6", b"6", b"7", b"7", b"8", b"8", b"9", b"9"]
    lines = getattr(command, blocked).readall().splitlines()
    for label in (b"local", b"local#2"):
        numbers = [line.split()[1] for line in lines if line.startswith(label + b":")]
        assert numbers == [b"%d" % number for number in range(1, 200001)]
    assert command.wait() == 0


# Writes lines to stdout and stderr in turn, each when the one before it was taken; then makes a file.
ALTERNATE = """
import array, fcntl, os, sys, termios

for number in range(400):
    stream = 1 + number % 2
    os.write(stream, b"%d%s\\n" % (number, b"." * 100))
    left = array.array("i", [1])
    while left[0] > 0:
        fcntl.ioctl(stream, termios.FIONREAD, left)
open(sys.argv[1], "w").close()
"""


def read_to_end(fd):
    text = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError as error:  # how Linux tells the end of a terminal
            assert error.errno == errno.EIO
            data = b""
        text += data
        if not data:
            return text


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_order_where_both_streams_are_one_file(mitogen, tmp_path, kind):
    """That of their arrival, also of what could not be written at once."""
    done = tmp_path / "done"
    if kind == "socket":
        ours, theirs = (end.detach() for end in socket.socketpair())
    else:
        ours, theirs = os.pipe() if kind == "pipe" else os.openpty()
    command = [mitogen, "run", "-n", "local", "--", sys.executable, "-c", ALTERNATE, str(done)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        wait_until(done.exists, "the end of the writer")
        lines = read_to_end(ours).split()
        assert process.wait() == 0
    os.close(ours)
    assert lines == [b"%d%s" % (number, b"." * 100) for number in range(400)]


def test_order_in_one_regular_file(mitogen, tmp_path):
    command = [mitogen, "run", "-n", "local", "--", sys.executable, "-c", ALTERNATE]
    with open(tmp_path / "output", "wb") as file:
        subprocess.run([*command, str(tmp_path / "done")], stdout=file, stderr=file, check=True)
    numbers = [int(line.rstrip(b".")) for line in (tmp_path / "output").read_bytes().split()]
    assert numbers == list(range(400))
