"""What passes through contexts on its way to others, three hops far: it takes little memory."""

import os
import subprocess

from conftest import descendants
from run_tools import drain, status_field, wait_until, wait_until_blocked

TARGET = "local/local/local"
HOPS = 3
SIZE = int(os.environ.get("MITOGEN_TEST_RELAY_BYTES", 128 << 20))
MEMORY_MAX = 16 * 1024  # KiB, of each process
CHUNK = bytes(1 << 20)


def start(mitogen, script):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([mitogen, "run", TARGET, "--", "sh", "-c", script], bufsize=0, **pipes)


def assert_little_memory(command):
    """Of those that still run: parts of the pipeline end when they have done their work."""
    pids = [command.pid, *descendants(command.pid)]
    peaks = [peak for pid in pids if (peak := status_field(pid, "VmHWM"))]
    assert len(peaks) > HOPS
    assert all(int(peak.split()[0]) < MEMORY_MAX for peak in peaks), peaks


def test_output_of_a_program(mitogen):
    with start(mitogen, f"yes | head -c {SIZE}; read x") as command:
        drain(command.stdout, SIZE)
        assert_little_memory(command)
        command.stdin.close()
        command.wait()


def test_output_that_is_not_read(mitogen):
    script = f"sh -c 'echo $$; exec head -c {32 << 20} /dev/zero' & wait; read x"
    with start(mitogen, script) as command:
        wait_until_blocked(int(command.stdout.readline()))
        assert_little_memory(command)
        drain(command.stdout, 32 << 20)
        assert_little_memory(command)
        command.stdin.close()
        command.wait()


def test_input_of_a_program(mitogen):
    with start(mitogen, f"head -c {SIZE} | wc -c; read x") as command:
        for _ in range(SIZE // len(CHUNK)):
            command.stdin.write(CHUNK)
        command.stdin.write(CHUNK[: SIZE % len(CHUNK)])
        assert int(command.stdout.readline()) == SIZE
        assert_little_memory(command)
        command.stdin.close()
        command.wait()


def test_input_that_is_not_read(mitogen):
    with start(mitogen, "exec sleep 1000") as command:
        writer = command.stdin.fileno()
        os.set_blocking(writer, False)
        sent = refused = 0

        def is_blocked():
            nonlocal sent, refused
            try:
                sent += os.write(writer, CHUNK)
                refused = 0
            except BlockingIOError:
                refused += 1
            return refused >= 20

        wait_until(is_blocked, "a full pipe")
        assert sent < 1 << 20  # two pipes and the first window; nothing makes it grow
        assert_little_memory(command)
        command.kill()


def test_calls_to_a_context_that_reads_nothing(scenario):
    assert "are refused: too much of it waits" in scenario("relays", "full_queue")
