"""Logs and stdio: what children log and print comes to the master with the master's names, in bounded
memory; tests/programs/logs.c has the scenarios."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import IS_SANITIZED, descendants

RSS_MAX_KIB = 16 * 1024


@pytest.fixture
def start(program, tmp_path):
    """start(scenario, *arguments, **options of Popen): the running process."""

    def start_scenario(name, *arguments, **options):
        return subprocess.Popen(
            [program("logs"), name, tmp_path, *arguments],
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    return start_scenario


def peak_kib(pid, image):
    """What this process has needed; 0 if it has ended, or is a program that a function runs."""
    try:
        if os.stat(f"/proc/{pid}/exe").st_ino != image:
            return 0
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(peak[1]) if peak else 0


def check_memory(pid):
    """Of all of the tree."""
    image = os.stat(f"/proc/{pid}/exe").st_ino
    peaks = [peak_kib(each, image) for each in [pid, *descendants(pid)]]
    assert peaks[0] > 0
    assert IS_SANITIZED or max(peaks) < RSS_MAX_KIB


def test_c24_at_any_depth_with_our_names(scenario):
    """C24"""
    assert scenario("logs", "names") == ""


@pytest.mark.parametrize("depth", [1, 3])
def test_c25_chatty_subprocess_that_is_read_late(start, depth):
    """C25: nothing of it is lost, nothing grows, and calls go on meanwhile."""
    with start("chatty", str(depth)) as process:
        assert process.stdout.readline() == b"called\n"
        check_memory(process.pid)
        lines = process.stderr.read().splitlines()
        assert process.wait() == 0
    name = b"/".join([b"local.1"] * depth)
    assert set(lines) == {b"[" + name + b"] y"}
    assert len(lines) == 100000


@pytest.mark.parametrize("depth", [1, 3])
def test_c25_chatty_subprocess_that_nobody_reads(start, depth):
    """C25: it waits, whoever calls does not, and it ends with its parents."""
    with start("chatty_and_unread", str(depth)) as process:
        assert process.stdout.readline() == b"called\n"
        check_memory(process.pid)
        assert process.wait() == 0
        assert process.stderr.readline().endswith(b"] y\n")


def test_c24_rubbish_is_escaped(start):
    """C24"""
    with start("rubbish") as process:
        log = process.stderr.read()
        assert process.wait() == 0
    text = log.decode()  # it is UTF-8
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert all(line.startswith("[local.1/local.1] ") for line in text.splitlines())
    assert "[local.1/local.1] \\x1b]0;title\\x07\\x1b[2Jred\\r\\xc2\\x9b\n" in text
    assert "[local.1/local.1] \\x1b[31mred\\r\n" in text


@pytest.mark.parametrize(
    "name",
    [
        "subprocesses",
        "closed_and_reopened",
        "said_before_a_crash",
        "callbacks",
        "callback_with_a_lock",
        "many_threads",
    ],
)
def test_c24_logs(scenario, name):
    """C24"""
    assert scenario("logs", name) == ""


def test_c24_too_much_is_dropped_and_counted(scenario):
    """C24"""
    lines, dropped = re.fullmatch(
        r"(\d+) lines, (\d+) dropped\n", scenario("logs", "too_much")
    ).groups()
    assert int(lines) + int(dropped) == 50000


def test_c25_log_handler_that_logs_makes_no_loop(scenario):
    """C25: nor does one that prints."""
    log = scenario("logs", "callback_that_logs")
    assert len(log.splitlines()) == 300


def test_c25_log_handler_of_a_closed_router(scenario):
    """C25"""
    assert scenario("logs", "callback_of_a_closed_router") == "mitogen: warning: after\n"


def test_c26_no_noise_at_the_start_and_the_end(scenario):
    """C26"""
    assert scenario("logs", "quiet_trees") == ""


def test_c26_command_lines_are_quoted_minimally(scenario):
    """C26"""
    one, two = scenario("logs", "run_lines").splitlines()
    assert re.fullmatch(r"4 \|local\.1: process \d+ runs /proc/self/exe --mitogen-child", one)
    assert re.fullmatch(
        r"4 \|local\.2: process \d+ runs '/[^' ]*/it'\\''s a copy' --mitogen-child", two
    )


def test_c27_below_the_level_nothing_is_sent(scenario, program):
    """C27"""
    assert scenario("raw_parent", "logs_above_level", program("raw_parent")) == ""


def test_stderr_that_nobody_reads(start):
    reader, writer = os.pipe()
    os.close(reader)
    with start("nobody_reads", stderr=writer) as process:
        os.close(writer)
        assert process.stdout.read() == b"done\n"
        assert process.wait() == 0


def test_stderr_that_is_closed(start):
    with start("stderr_closed") as process:
        assert process.communicate() == (b"done\n", b"")
        assert process.returncode == 0


def test_stderr_that_is_full_at_the_end(start):
    """What was not read in time is lost, and the program ends."""
    with start("nobody_reads") as process:
        assert process.stdout.read() == b"done\n"
        assert process.wait() == 0
